// SPDX-License-Identifier: Apache-2.0

import Core
package import Platform
import Synchronization

extension AccountTable {
    /// For whom work is charged, beside the whole server.
    package struct Payers {
        let pair: Pair
        var node: NodeID?
        var user: EndUser?
        var address: AddressBlock?

        package init(pair: Pair, node: NodeID? = nil, user: EndUser? = nil, address: AddressBlock? = nil) {
            (self.pair, self.node, self.user, self.address) = (pair, node, user, address)
        }
    }

    /// The limit of units of which the greatest part is used, after a charge.
    package struct Fullness: Sendable {
        let standing: Standing
        let percent: Int
        /// Whether it is above what whoever uses it is warned of, and for the first time within its time.
        let isNew: Bool

        var used: Int { standing.limit - standing.remaining }
    }

    package enum ChargeDecision: Sendable {
        /// Counted for everybody; `nil` where nobody has a limit.
        case charged(UnitHold?, Fullness?)
        case refused(Standing)
        case full
    }

    /// Charges units for everybody whom they count for: all or nothing, and at no moment above a limit. The locks of three
    /// shards are held at once for it, always in this order: the tenant's, the address's, the server's.
    package func charge(
        _ units: Int, _ payers: Payers, warningPercent: Int = 80, at now: Instant
    ) -> ChargeDecision {
        guard let tenant = payers.pair.tenant.tenant else { return .full }
        let locked = payers.pair.shard
        return locked.shard.withLock { shard in
            var accounts = [payers.pair.key, payers.pair.tenant]
            // Who has no limit needs no account: names cost nothing.
            var extra: [Subject] = []
            if let node = payers.node, book.limitsUnits(of: .node) { extra.append(.node(node)) }
            if let user = payers.user, book.limitsUnits(of: .user) { extra.append(.user(user)) }
            guard shard.hasRoom(for: extra, at: now) else { return .full }
            for subject in extra { accounts.append(shard.account(of: subject, tenant, book)) }
            let known = UnitHold.Group(locked, accounts)
            return charge(units, known, payers.address, warningPercent, at: now)
        }
    }

    private func charge(
        _ units: Int, _ known: UnitHold.Group, _ address: AddressBlock?, _ warningPercent: Int, at now: Instant
    ) -> ChargeDecision {
        guard let address, book.limitsUnits(of: .address) else {
            return charge(units, [known], warningPercent, at: now)
        }
        let locked = addressShards[Self.index(of: address)]
        return locked.shard.withLock { shard in
            guard shard.hasRoom(for: [.address(address)], at: now) else { return .full }
            let account = shard.account(of: .address(address), nil, book)
            return charge(units, [known, UnitHold.Group(locked, [account])], warningPercent, at: now)
        }
    }

    private func charge(
        _ units: Int, _ groups: [UnitHold.Group], _ warningPercent: Int, at now: Instant
    ) -> ChargeDecision {
        guard book.limitsUnits(of: .instance) else { return count(units, groups, warningPercent, at: now) }
        return whole.shard.withLock { shard in
            let group = UnitHold.Group(whole, [shard.account(of: .instance, nil, book)])
            return count(units, groups + [group], warningPercent, at: now)
        }
    }

    /// With the locks of all groups held.
    private func count(
        _ units: Int, _ groups: [UnitHold.Group], _ warningPercent: Int, at now: Instant
    ) -> ChargeDecision {
        var fits = true
        for account in groups.lazy.flatMap(\.accounts) {
            account.refresh(from: book)
            if !account.fits(units: units, at: now) { fits = false }
        }
        guard fits else {
            let standings = groups.flatMap(\.accounts).compactMap { $0.refusal(units: units, at: now) }
            return standings.max { $0.nextAfter < $1.nextAfter }.map { .refused($0) } ?? .full
        }
        var counted: [UnitHold.Group] = []
        var fullest: (account: Account, index: Int, share: Double)?
        for var group in groups {
            group.accounts.removeAll { $0.rules.units.isEmpty }
            guard !group.accounts.isEmpty else { continue }
            for account in group.accounts {
                group.places.append(account.count(units: units))
                account.holds += 1
                if let own = account.fullest, own.share > fullest?.share ?? -1 {
                    fullest = (account, own.index, own.share)
                }
            }
            counted.append(group)
        }
        guard let fullest else { return .charged(nil, nil) }
        let rate = fullest.account.rules.units[fullest.index]
        let percent = Int(fullest.share * 100)
        return .charged(
            UnitHold(counted, units),
            Fullness(
                standing: fullest.account.standing(rate, fullest.account.units[fullest.index], asking: 1, at: now),
                percent: percent,
                isNew: percent >= warningPercent && fullest.account.warnsOfUnits(rate, at: now)))
    }

    /// What is left of the whole server's units; counts nothing.
    func standings(ofWholeAt now: Instant) -> [Standing] {
        whole.shard.withLock { shard in
            let account = shard.account(of: .instance, nil, book)
            account.refresh(from: book)
            return account.standings(at: now)
        }
    }

    // MARK: Over a restart

    /// What the whole server has charged lately; `nil` where nothing was since the last call.
    func takeWholeCounts(at now: Instant) -> [UInt8]? {
        whole.shard.withLock { shard in
            guard let account = shard.accounts[.instance], account.isFresh else { return nil }
            account.isFresh = false
            return WindowCounts.encode(account.allWindows, at: now)
        }
    }

    func restoreWhole(_ counts: [UInt8], after pause: Duration, at now: Instant) {
        guard let entries = WindowCounts.decode(counts) else { return }
        whole.shard.withLock { $0.account(of: .instance, nil, book).restore(entries, after: pause, at: now) }
    }
}

/// Units that were charged at the most that work can come to, until it is known what it came to.
package final class UnitHold: @unchecked Sendable {
    /// Accounts behind one lock.
    struct Group: Sendable {
        let shard: AccountTable.Locked
        var accounts: [Account]
        /// Where the units are counted, for each of the accounts.
        var places: [[Account.TokenPlace]] = []

        init(_ shard: AccountTable.Locked, _ accounts: [Account]) { (self.shard, self.accounts) = (shard, accounts) }
    }

    private let groups: [Group]
    let units: Int
    private let isSettled = Atomic(false)

    init(_ groups: [Group], _ units: Int) { (self.groups, self.units) = (groups, units) }

    /// Puts what the work cost in the place of what was charged. The first call decides.
    ///
    /// - Returns: false where it had been settled.
    @discardableResult
    package func settle(units used: Int) -> Bool {
        guard !isSettled.exchange(true, ordering: .acquiringAndReleasing) else { return false }
        for group in groups {
            group.shard.shard.withLock { _ in
                for (account, places) in zip(group.accounts, group.places) {
                    account.holds -= 1
                    account.correct(units: places, by: used - units)
                }
            }
        }
        return true
    }

    // What nobody has settled stands.
    deinit { settle(units: units) }
}
