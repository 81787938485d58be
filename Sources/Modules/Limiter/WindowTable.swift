// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import Synchronization

/// The windows of every key and tenant, shared by all loops and exact across them.
///
/// A key belongs to one tenant, and a shard holds a tenant with all its keys: so one lock decides for both at once, and a
/// request that the tenant's limit refuses uses up nothing of the key's.
final class WindowTable: Sendable {
    /// Fewer than loops would contend, more would only cost memory.
    static let shardCount = 64
    /// Windows a shard holds at most; with 64 shards about 250,000 tenants and keys. Beyond it new ones are refused, since
    /// forgetting a live window would let whoever makes many names start afresh.
    static let windowsPerShardMax = 4096

    /// What came of asking for admission.
    enum Decision: Equatable {
        /// Counted. The state of the tighter of the two limits after it.
        case admitted(tightest: LimitState)
        /// Not counted: this limit is reached.
        case refused(LimitState)
        /// Not counted: the table is full of windows that are in use.
        case full
    }

    /// Whose requests are counted.
    fileprivate enum Subject: Hashable {
        case key(KeyID)
        case tenant(TenantID)

        var scope: String {
            switch self {
            case .key: "key"
            case .tenant: "tenant"
            }
        }
    }

    fileprivate struct Shard {
        var windows: [Subject: RollingWindow] = [:]
        /// When the shard was last searched for windows to forget.
        var sweptAt = Instant(nanoseconds: 0)
    }

    private let name: String
    private let rate: Mutex<Rate>
    private let shards: [Locked]

    /// A mutex that can stand in an array.
    private final class Locked: Sendable {
        let shard = Mutex(Shard())
    }

    /// - Parameter name: of the limit, as the configuration calls it.
    init(name: String, rate: Rate) {
        self.name = name
        self.rate = Mutex(rate)
        shards = (0..<Self.shardCount).map { _ in Locked() }
    }

    /// Changes the limit. What was counted stays counted.
    func setLimit(_ limit: Int) {
        rate.withLock { $0.limit = limit }
    }

    /// Admits one request of a key, or does not; atomically for the key and its tenant.
    func admit(_ key: KeyID, of tenant: TenantID, at now: Instant) -> Decision {
        let rate = rate.withLock { $0 }
        return shard(of: tenant).shard.withLock { shard in
            let (key, tenant) = (Subject.key(key), Subject.tenant(tenant))
            guard let places = shard.places(of: key, tenant, at: now, rate) else { return .full }
            // In place: a window taken out and put back would be copied with all its slots.
            shard.windows.values[places.key].advance(to: now, rate)
            shard.windows.values[places.tenant].advance(to: now, rate)
            let (keyTotal, tenantTotal) = (
                shard.windows.values[places.key].total, shard.windows.values[places.tenant].total
            )
            guard keyTotal < rate.limit, tenantTotal < rate.limit else {
                let keyState = shard.state(of: key, places.key, name, rate, at: now)
                let tenantState = shard.state(of: tenant, places.tenant, name, rate, at: now)
                // Of two limits that refuse, the one that refuses longer: coming back after the other would be in vain.
                return .refused(keyState.nextAfter > tenantState.nextAfter ? keyState : tenantState)
            }
            shard.windows.values[places.key].count(1)
            shard.windows.values[places.tenant].count(1)
            return .admitted(
                tightest: keyTotal >= tenantTotal
                    ? shard.state(of: key, places.key, name, rate, at: now)
                    : shard.state(of: tenant, places.tenant, name, rate, at: now))
        }
    }

    /// What is left for a key and its tenant; counts nothing.
    func states(of key: KeyID, of tenant: TenantID, at now: Instant) -> [LimitState] {
        let rate = rate.withLock { $0 }
        return shard(of: tenant).shard.withLock { shard in
            [Subject.key(key), .tenant(tenant)].map { subject in
                shard.windows[subject]?.advance(to: now, rate)
                return (shard.windows[subject] ?? RollingWindow()).state(of: subject, name, rate, at: now)
            }
        }
    }

    /// How many windows are held.
    var count: Int {
        shards.reduce(0) { $0 + $1.shard.withLock { $0.windows.count } }
    }

    private func shard(of tenant: TenantID) -> Locked {
        // Hasher is seeded at start, so nobody outside can aim at one shard.
        var hasher = Hasher()
        hasher.combine(tenant)
        return shards[Int(UInt(bitPattern: hasher.finalize()) % UInt(Self.shardCount))]
    }
}

extension WindowTable.Shard {
    typealias Place = Dictionary<WindowTable.Subject, RollingWindow>.Index

    /// Where the windows of a key and its tenant stand, made if need be; nil where there is no room for them.
    fileprivate mutating func places(
        of key: WindowTable.Subject, _ tenant: WindowTable.Subject, at now: Instant, _ rate: Rate
    ) -> (key: Place, tenant: Place)? {
        if let key = windows.index(forKey: key), let tenant = windows.index(forKey: tenant) { return (key, tenant) }
        guard hasRoom(for: [key, tenant], at: now, rate) else { return nil }
        for subject in [key, tenant] where windows[subject] == nil { windows[subject] = RollingWindow() }
        guard let key = windows.index(forKey: key), let tenant = windows.index(forKey: tenant) else { return nil }
        return (key, tenant)
    }

    /// Whether windows for these subjects can be held, after forgetting idle ones if need be. The search goes through the
    /// whole shard, so it happens once a granule at most: a flood of new names pays for it once, not with each name.
    private mutating func hasRoom(for subjects: [WindowTable.Subject], at now: Instant, _ rate: Rate) -> Bool {
        let new = subjects.count { windows[$0] == nil }
        if windows.count + new <= WindowTable.windowsPerShardMax { return true }
        guard rate.granule(at: now) > rate.granule(at: sweptAt) else { return false }
        sweptAt = now
        for (subject, var window) in windows {
            window.advance(to: now, rate)
            if window.total == 0 { windows[subject] = nil }
        }
        // The sweep may have forgotten one of them that was idle.
        return windows.count + subjects.count { windows[$0] == nil } <= WindowTable.windowsPerShardMax
    }

    /// What the window at a place, advanced to `now`, has left.
    fileprivate func state(
        of subject: WindowTable.Subject, _ place: Place, _ name: String, _ rate: Rate, at now: Instant
    ) -> LimitState {
        windows.values[place].state(of: subject, name, rate, at: now)
    }
}

extension RollingWindow {
    /// What this window, advanced to `now`, has left.
    fileprivate func state(
        of subject: WindowTable.Subject, _ name: String, _ rate: Rate, at now: Instant
    ) -> LimitState {
        LimitState(
            name: name, scope: subject.scope, limit: rate.limit, remaining: max(0, rate.limit - total),
            resetAfter: waitUntilIdle(at: now, rate), nextAfter: wait(for: 1, at: now, rate))
    }
}
