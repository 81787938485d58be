// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import Synchronization

/// All sessions in memory, shared by all loops: each request looks its own up, so that one that was ended is refused from the
/// next request on, whatever its token says.
final class SessionIndex: Sendable {
    /// Sessions of one person; the oldest ends when there is one more.
    static let perPersonMax = 32
    /// Sessions in one appliance.
    static let countMax = 1_000_000

    private struct Entry {
        let record: SessionRecord
        /// Ended with the session, and with it the answers that are still being streamed.
        let lifeline: Lifeline
        let principal: Principal

        init(_ record: SessionRecord, _ lifeline: Lifeline = Lifeline()) {
            (self.record, self.lifeline) = (record, lifeline)
            principal = record.principal(lifeline)
        }

        /// The same session, changed.
        func with(_ record: SessionRecord) -> Entry { Entry(record, lifeline) }
    }

    private struct State {
        var entries: [SessionID: Entry] = [:]
        var ofPeople: [UserID: [SessionID]] = [:]

        mutating func remove(_ id: SessionID) {
            guard let entry = entries.removeValue(forKey: id) else { return }
            entry.lifeline.end()
            ofPeople[entry.record.user]?.removeAll { $0 == id }
            if ofPeople[entry.record.user]?.isEmpty == true { ofPeople[entry.record.user] = nil }
        }
    }

    private let idle: Duration
    private let step: LoginRules.RefreshStep
    // Guards the tables; held for a look-up.
    private let state = Mutex(State())

    /// - Parameter idle: how long a session lives without being refreshed.
    init(idle: Duration, step: @escaping LoginRules.RefreshStep = LoginRules().refreshStep) {
        (self.idle, self.step) = (idle, step)
    }

    var count: Int { state.withLock { $0.entries.count } }

    /// - Returns: the sessions that end for it, of the same person; `nil` where there is no room.
    func add(_ record: SessionRecord) -> [SessionID]? {
        state.withLock { state in
            guard state.entries.count < Self.countMax else { return nil }
            let own = state.ofPeople[record.user] ?? []
            let oldest = Array(own.prefix(max(0, own.count - Self.perPersonMax + 1)))
            for id in oldest { state.remove(id) }
            state.entries[record.id] = Entry(record)
            state.ofPeople[record.user, default: []].append(record.id)
            return oldest
        }
    }

    /// Who calls in a session; `nil` where it has ended. The same object each time.
    func principal(of id: SessionID, at now: WallTime) -> Principal? {
        state.withLock { state in
            guard let entry = state.entries[id], now < entry.record.endsAt, now - entry.record.refreshedAt < idle
            else { return nil }
            return entry.principal
        }
    }

    func session(_ id: SessionID) -> SessionRecord? { state.withLock { $0.entries[id]?.record } }

    /// The sessions of a person that have not ended, the oldest first.
    func sessions(of user: UserID, at now: WallTime) -> [SessionRecord] {
        state.withLock { state in
            (state.ofPeople[user] ?? []).compactMap { state.entries[$0]?.record }.filter {
                now < $0.endsAt && now - $0.refreshedAt < idle
            }
        }
    }

    /// Takes the step of a refresh; only one of two at the same moment gets `advance`.
    ///
    /// - Parameter isOpen: whether its tenant is active. A copy that comes back ends the session in any case.
    /// - Returns: the session behind it; `nil` where there is none, or the token is not its own.
    func refresh(
        _ id: SessionID, isGenuine: (SessionRecord) -> Bool, generation: Int, isOpen: Bool, at now: WallTime
    ) -> (verdict: SessionRecord.RefreshVerdict, record: SessionRecord)? {
        state.withLock { state in
            guard let entry = state.entries[id], isGenuine(entry.record) else { return nil }
            var record = entry.record
            let verdict = step(&record, generation, idle, now)
            if !isOpen, verdict == .advance || verdict == .again { return (.waiting, entry.record) }
            switch verdict {
            case .advance: state.entries[id] = entry.with(record)
            case .reuse, .ended: state.remove(id)
            case .again, .waiting, .unknown: break
            }
            return (verdict, record)
        }
    }

    /// Ends sessions of a person: all, but those that `keeping` names.
    ///
    /// - Returns: the ones that ended.
    func end(of user: UserID, keeping: SessionID? = nil) -> [SessionID] {
        state.withLock { state in
            let ended = (state.ofPeople[user] ?? []).filter { $0 != keeping }
            for id in ended { state.remove(id) }
            return ended
        }
    }

    /// Ends one session of a person. False where it is somebody else's, or none.
    func end(_ id: SessionID, of user: UserID) -> Bool {
        state.withLock { state in
            guard state.entries[id]?.record.user == user else { return false }
            state.remove(id)
            return true
        }
    }

    /// Nothing has to be set up any more in this session.
    func enrolled(_ id: SessionID) {
        state.withLock { state in
            guard let entry = state.entries[id] else { return }
            var record = entry.record
            record.mustEnroll = false
            state.entries[id] = entry.with(record)
        }
    }

    /// Breaks off what is being streamed to people of a tenant; their sessions stay.
    func endStreams(of tenant: TenantID) {
        state.withLock { state in
            for (id, entry) in state.entries where entry.record.home == .tenant(tenant) {
                entry.lifeline.end()
                state.entries[id] = Entry(entry.record)
            }
        }
    }

    func removeAll(of tenant: TenantID) {
        state.withLock { state in
            for (id, entry) in state.entries where entry.record.home == .tenant(tenant) { state.remove(id) }
        }
    }

    /// Forgets what has ended by itself.
    ///
    /// - Returns: what is to be forgotten on the disk too.
    func sweep(at now: WallTime) -> [SessionID] {
        state.withLock { state in
            let ended = state.entries.values.filter {
                now >= $0.record.endsAt || now - $0.record.refreshedAt >= idle
            }.map(\.record.id)
            for id in ended { state.remove(id) }
            return ended
        }
    }
}
