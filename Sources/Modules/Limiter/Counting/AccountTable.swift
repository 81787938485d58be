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
        case admitted(tightest: Standing)
        /// Not counted: this limit is reached.
        case refused(Standing)
        /// Not counted: the table is full of windows that are in use.
        case full
    }

    /// What is left of one limit.
    struct Standing: Equatable {
        let subject: SubjectKind
        let limit: Int
        let remaining: Int
        /// When the whole limit is free again, from now.
        let resetAfter: Duration
        /// When the next unit is free, from now; zero while some is left.
        let nextAfter: Duration
    }

    /// Whose requests are counted.
    enum SubjectKind: String {
        case key, tenant
    }

    fileprivate enum Subject: Hashable {
        case key(KeyID)
        case tenant(TenantID)

        var kind: SubjectKind {
            switch self {
            case .key: .key
            case .tenant: .tenant
            }
        }
    }

    /// One subject's window. Touched under its shard's lock only: hence `@unchecked Sendable`.
    fileprivate final class Counted: @unchecked Sendable {
        var window = RollingWindow()
        /// True once the table has forgotten it: whoever still holds it must ask for the one that counts.
        var isForgotten = false
    }

    /// The windows of a key and its tenant where they stand, for a principal to keep.
    fileprivate final class Pair: Counters {
        let shard: Locked
        let key: Counted
        let tenant: Counted

        init(_ shard: Locked, key: Counted, tenant: Counted) {
            self.shard = shard
            self.key = key
            self.tenant = tenant
        }
    }

    fileprivate struct Shard {
        var windows: [Subject: Counted] = [:]
        /// When the shard was last searched for windows to forget.
        var sweptAt = Instant(nanoseconds: 0)
    }

    private let name: String
    /// The window's length; its limit is that of the beginning.
    private let rate: Rate
    /// The limit in force.
    private let limit: Atomic<Int>
    private let shards: [Locked]

    /// A mutex that can stand in an array.
    fileprivate final class Locked: Sendable {
        let shard = Mutex(Shard())
    }

    /// - Parameter name: of the limit, as the configuration calls it.
    init(name: String, rate: Rate) {
        self.name = name
        self.rate = rate
        limit = Atomic(rate.limit)
        shards = (0..<Self.shardCount).map { _ in Locked() }
    }

    /// Changes the limit. What was counted stays counted.
    func setLimit(_ limit: Int) {
        self.limit.store(limit, ordering: .relaxed)
    }

    /// Admits one request of a principal, or does not; `nil` for one that is not counted.
    func admit(_ principal: Principal, at now: Instant) -> Decision? {
        let known = principal.counters.withLock { $0 as? Pair }
        if let known, let decision = admit(known, at: now) { return decision }
        guard let key = principal.keyID, let tenant = principal.tenant else { return nil }
        return admit(key, of: tenant, at: now) { pair in principal.counters.withLock { $0 = pair } }
    }

    /// The same for a key, atomically for it and its tenant.
    ///
    /// - Parameter keep: is given the windows that were found.
    func admit(_ key: KeyID, of tenant: TenantID, at now: Instant, keep: (any Counters) -> Void = { _ in }) -> Decision
    {
        let rate = currentRate
        let locked = shard(of: tenant)
        return locked.shard.withLock { shard in
            guard let found = shard.windows(of: .key(key), .tenant(tenant), at: now, rate) else { return .full }
            keep(Pair(locked, key: found.key, tenant: found.tenant))
            return Self.admit(key: found.key, tenant: found.tenant, rate, at: now)
        }
    }

    /// The same for windows that were found before; `nil` where they count no more.
    private func admit(_ pair: Pair, at now: Instant) -> Decision? {
        let rate = currentRate
        return pair.shard.shard.withLock { _ in
            guard !pair.key.isForgotten, !pair.tenant.isForgotten else { return nil }
            return Self.admit(key: pair.key, tenant: pair.tenant, rate, at: now)
        }
    }

    /// Under the shard's lock.
    private static func admit(key: Counted, tenant: Counted, _ rate: Rate, at now: Instant) -> Decision {
        key.window.advance(to: now, rate)
        tenant.window.advance(to: now, rate)
        let (keyTotal, tenantTotal) = (key.window.total, tenant.window.total)
        guard keyTotal < rate.limit, tenantTotal < rate.limit else {
            let keyState = key.window.standing(of: .key, rate, at: now)
            let tenantState = tenant.window.standing(of: .tenant, rate, at: now)
            // Of two limits that refuse, the one that refuses longer: coming back after the other would be in vain.
            return .refused(keyState.nextAfter > tenantState.nextAfter ? keyState : tenantState)
        }
        key.window.count(1)
        tenant.window.count(1)
        return .admitted(
            tightest: keyTotal >= tenantTotal
                ? key.window.standing(of: .key, rate, at: now) : tenant.window.standing(of: .tenant, rate, at: now))
    }

    /// A standing as answers show it.
    func state(_ standing: Standing) -> LimitState {
        LimitState(
            name: name, scope: standing.subject.rawValue, limit: standing.limit, remaining: standing.remaining,
            resetAfter: standing.resetAfter, nextAfter: standing.nextAfter)
    }

    private var currentRate: Rate {
        var rate = rate
        rate.limit = limit.load(ordering: .relaxed)
        return rate
    }

    /// What is left for a key and its tenant; counts nothing.
    func states(of key: KeyID, of tenant: TenantID, at now: Instant) -> [LimitState] {
        let rate = currentRate
        return shard(of: tenant).shard.withLock { shard in
            [Subject.key(key), .tenant(tenant)].map { subject in
                var window = shard.windows[subject]?.window ?? RollingWindow()
                window.advance(to: now, rate)
                return state(window.standing(of: subject.kind, rate, at: now))
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
    /// The windows of a key and its tenant, made if need be; nil where there is no room for them.
    fileprivate mutating func windows(
        of key: WindowTable.Subject, _ tenant: WindowTable.Subject, at now: Instant, _ rate: Rate
    ) -> (key: WindowTable.Counted, tenant: WindowTable.Counted)? {
        if let key = windows[key], let tenant = windows[tenant] { return (key, tenant) }
        guard hasRoom(for: [key, tenant], at: now, rate) else { return nil }
        return (window(of: key), window(of: tenant))
    }

    private mutating func window(of subject: WindowTable.Subject) -> WindowTable.Counted {
        if let window = windows[subject] { return window }
        let window = WindowTable.Counted()
        windows[subject] = window
        return window
    }

    /// Whether windows for these subjects can be held, after forgetting idle ones if need be. The search goes through the
    /// whole shard, so it happens once a granule at most: a flood of new names pays for it once, not with each name.
    private mutating func hasRoom(for subjects: [WindowTable.Subject], at now: Instant, _ rate: Rate) -> Bool {
        let new = subjects.count { windows[$0] == nil }
        if windows.count + new <= WindowTable.windowsPerShardMax { return true }
        guard rate.granule(at: now) > rate.granule(at: sweptAt) else { return false }
        sweptAt = now
        for (subject, counted) in windows {
            counted.window.advance(to: now, rate)
            if counted.window.total == 0 {
                // A principal may hold it: counted there and made anew here, it would count half.
                counted.isForgotten = true
                windows[subject] = nil
            }
        }
        // The sweep may have forgotten one of them that was idle.
        return windows.count + subjects.count { windows[$0] == nil } <= WindowTable.windowsPerShardMax
    }
}

extension RollingWindow {
    /// What this window, advanced to `now`, has left.
    fileprivate func standing(
        of subject: WindowTable.SubjectKind, _ rate: Rate, at now: Instant
    ) -> WindowTable.Standing {
        WindowTable.Standing(
            subject: subject, limit: rate.limit, remaining: max(0, rate.limit - total),
            resetAfter: waitUntilIdle(at: now, rate), nextAfter: wait(for: 1, at: now, rate))
    }
}
