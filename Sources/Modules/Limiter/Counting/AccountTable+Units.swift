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
        /// The accounts of these two, where they were found before for the same exchange; they may have been forgotten since.
        var userAccount: Account?
        var addressAccount: Account?

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
    ///
    /// - Parameter percent: how full the fullest limit must be for it to be told of.
    package func charge(
        _ units: Int, _ payers: Payers, warningPercent: Int = 80, tellingFrom percent: Int = 0, at now: Instant
    ) -> ChargeDecision {
        var hold: UnitHold?
        let charge = Asked(units: units, warningPercent: warningPercent, toldPercent: percent, now: now)
        let outcome = self.charge(
            charge, payers.pair, payers.node, payers.user, payers.address, known: payers.userAccount,
            payers.addressAccount, &hold)
        return switch outcome {
        case .charged(let fullness): .charged(hold, fullness)
        case .refused(let standing): .refused(standing)
        case .full: .full
        }
    }

    /// What came of a charge: as in ``ChargeDecision``, without a hold, which would be counted with each copy of it.
    enum ChargeOutcome: Sendable {
        case charged(Fullness?)
        case refused(Standing)
        case full
    }

    /// The same with its parts one by one: together they would be copied, and what they refer to counted.
    ///
    /// - Parameters:
    ///   - knownUser, knownAddress: as in ``Payers``.
    ///   - found: `nil` before; then the hold of what was counted, if anything was.
    func charge(
        _ charge: Asked, _ pair: Pair, _ node: NodeID?, _ user: EndUser?, _ address: AddressBlock?,
        known knownUser: Account?, _ knownAddress: Account?, _ found: inout UnitHold?
    ) -> ChargeOutcome {
        guard pair.tenant.tenant != nil else { return .full }
        return pair.shard.withLock { shard in
            let hold = UnitHold(pair, charge.units)
            // Who has no limit needs no account: names cost nothing.
            let node = book.limitsUnits(of: .node) ? node : nil
            let user = book.limitsUnits(of: .user) ? user : nil
            // For both at once: the search for room may forget whoever is idle.
            guard shard.hasRoom(for: node, user, at: charge.now) else { return .full }
            if let node { hold.add(shard.account(of: .node(node), pair.tenant.tenant, book)) }
            if let user {
                if let knownUser, !knownUser.isForgotten {
                    hold.add(knownUser)
                } else {
                    hold.add(shard.account(of: .user(user), pair.tenant.tenant, book))
                }
            }
            var counts = false
            let outcome =
                if let address, book.limitsUnits(of: .address) {
                    self.charge(charge, hold, address, knownAddress, &counts)
                } else {
                    self.charge(charge, hold, &counts)
                }
            if counts { found = consume hold }
            return outcome
        }
    }

    /// What is charged, and what is told of.
    struct Asked {
        let units: Int
        let warningPercent: Int
        /// How full the fullest limit must be for it to be told of.
        let toldPercent: Int
        let now: Instant
    }

    private func charge(
        _ charge: Asked, _ hold: UnitHold, _ address: AddressBlock, _ known: Account?, _ counts: inout Bool
    ) -> ChargeOutcome {
        let locked = addressShards[Self.index(of: address)]
        return locked.withLock { shard in
            if let known, !known.isForgotten {
                hold.add(address: known, locked)
            } else {
                guard shard.hasRoom(for: .address(address), at: charge.now) else { return .full }
                hold.add(address: shard.account(of: .address(address), nil, book), locked)
            }
            return self.charge(charge, hold, &counts)
        }
    }

    private func charge(_ charge: Asked, _ hold: UnitHold, _ counts: inout Bool) -> ChargeOutcome {
        guard book.limitsUnits(of: .instance) else { return count(charge, hold, &counts) }
        return whole.withLock { shard in
            hold.add(whole: shard.account(of: .instance, nil, book))
            return count(charge, hold, &counts)
        }
    }

    /// With the locks of all of them held.
    ///
    /// - Parameter counts: whether anybody has a limit that it was counted for.
    private func count(_ charge: Asked, _ hold: UnitHold, _ counts: inout Bool) -> ChargeOutcome {
        let (units, now) = (charge.units, charge.now)
        var fits = true
        hold.forEach { account in
            account.refresh(from: book)
            if !account.fits(units: units, at: now) { fits = false }
        }
        guard fits else { return Self.refusal(of: units, hold, at: now) }
        var fullest: (account: Int, index: Int, share: Double)?
        hold.count { account, number in
            guard let own = account.countedFullest(units) else { return Place() }
            account.holds += 1
            if own.share > fullest?.share ?? -1 { fullest = (number, own.index, own.share) }
            return own.place
        }
        guard let fullest else { return .charged(nil) }
        hold.hold()
        counts = true
        let percent = Int(fullest.share * 100)
        guard percent >= charge.toldPercent else { return .charged(nil) }
        let fullness = hold.with(fullest.account) { account in
            Fullness(
                standing: account.unitStanding(fullest.index, at: now), percent: percent,
                isNew: percent >= charge.warningPercent && account.warnsOfUnits(fullest.index, at: now))
        }
        return .charged(fullness)
    }

    private static func refusal(of units: Int, _ hold: UnitHold, at now: Instant) -> ChargeOutcome {
        var standings: [Standing] = []
        hold.forEach { account in
            if let standing = account.refusal(units: units, at: now) { standings.append(standing) }
        }
        return standings.longest.map { .refused($0) } ?? .full
    }

    /// What is left of the whole server's units; counts nothing.
    func standings(ofWholeAt now: Instant) -> [Standing] {
        whole.withLock { shard in
            let account = shard.account(of: .instance, nil, book)
            account.refresh(from: book)
            return account.standings(at: now)
        }
    }

    // MARK: Over a restart

    /// What the whole server has charged lately; `nil` where nothing was since the last call.
    func takeWholeCounts(at now: Instant) -> [UInt8]? {
        whole.withLock { shard in
            guard let account = shard.accounts[.instance], account.isFresh else { return nil }
            account.isFresh = false
            return WindowCounts.encode(account.limits, at: now)
        }
    }

    func restoreWhole(_ counts: [UInt8], after pause: Duration, at now: Instant) {
        guard let entries = WindowCounts.decode(counts) else { return }
        whole.withLock { $0.account(of: .instance, nil, book).restore(entries, after: pause, at: now) }
    }
}
