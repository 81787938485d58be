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
        let hold = UnitHold(payers.pair, units, of: .call, nil)
        let charge = Asked(warningPercent: warningPercent, toldPercent: percent, now: now)
        var (userAccount, addressAccount) = (payers.userAccount, payers.addressAccount)
        let outcome = self.charge(
            charge, hold, payers.node, payers.user, payers.address, known: &userAccount, &addressAccount)
        return switch outcome {
        case .charged(let fullness): .charged(hold, fullness)
        case .uncounted: .charged(nil, nil)
        case .refused(let standing): .refused(standing)
        case .full: .full
        }
    }

    /// What came of a charge: as in ``ChargeDecision``.
    enum ChargeOutcome: Sendable {
        case charged(Fullness?)
        /// Nobody has a limit.
        case uncounted
        case refused(Standing)
        case full
    }

    /// What is told of a charge.
    struct Asked {
        let warningPercent: Int
        /// How full the fullest limit must be for it to be told of.
        let toldPercent: Int
        let now: Instant
    }

    /// The same with its parts one by one: together they would be copied, and what they refer to counted.
    ///
    /// - Parameters:
    ///   - hold: new; it stands for nothing unless it is charged.
    ///   - knownUser, knownAddress: as in ``Payers``; they are taken.
    func charge(
        _ charge: Asked, _ hold: UnitHold, _ node: NodeID?, _ user: EndUser?, _ address: AddressBlock?,
        known knownUser: inout Account?, _ knownAddress: inout Account?
    ) -> ChargeOutcome {
        guard hold.pair.tenant.tenant != nil else { return .full }
        return hold.pair.shard.withLock { shard in
            // Who has no limit needs no account: names cost nothing.
            let node = book.limitsUnits(of: .node) ? node : nil
            let user = book.limitsUnits(of: .user) ? user : nil
            // For both at once: the search for room may forget whoever is idle.
            guard shard.hasRoom(for: node, user, at: charge.now) else { return .full }
            if let node { hold.add(shard.account(of: .node(node), hold.pair.tenant.tenant, book)) }
            if let user {
                if let known = knownUser.take(), !known.isForgotten {
                    hold.add(known)
                } else {
                    hold.add(shard.account(of: .user(user), hold.pair.tenant.tenant, book))
                }
            }
            guard let address, book.limitsUnits(of: .address) else { return self.charge(charge, hold) }
            return self.charge(charge, hold, address, &knownAddress)
        }
    }

    private func charge(
        _ charge: Asked, _ hold: UnitHold, _ address: AddressBlock, _ known: inout Account?
    ) -> ChargeOutcome {
        let locked = addressShards[known?.shard ?? Self.index(of: address)]
        return locked.withLock { shard in
            if let known = known.take(), !known.isForgotten {
                hold.add(address: known, locked)
            } else {
                guard shard.hasRoom(for: .address(address), at: charge.now) else { return .full }
                hold.add(address: shard.account(of: .address(address), nil, book), locked)
            }
            return self.charge(charge, hold)
        }
    }

    private func charge(_ charge: Asked, _ hold: UnitHold) -> ChargeOutcome {
        guard book.limitsUnits(of: .instance) else { return count(charge, hold) }
        return whole.withLock { _ in
            hold.addWhole()
            return count(charge, hold)
        }
    }

    /// With the locks of all of them held.
    private func count(_ charge: Asked, _ hold: UnitHold) -> ChargeOutcome {
        let (units, now) = (hold.units, charge.now)
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
        guard let fullest else { return .uncounted }
        hold.hold()
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
        whole.withLock { _ in
            instance.refresh(from: book)
            return instance.standings(at: now)
        }
    }

    // MARK: Over a restart

    /// What the whole server has charged lately; `nil` where nothing was since the last call.
    func takeWholeCounts(at now: Instant) -> [UInt8]? {
        whole.withLock { _ in
            guard instance.isFresh else { return nil }
            instance.isFresh = false
            return WindowCounts.encode(instance.limits, at: now)
        }
    }

    func restoreWhole(_ counts: [UInt8], after pause: Duration, at now: Instant) {
        guard let entries = WindowCounts.decode(counts) else { return }
        whole.withLock { _ in
            instance.refresh(from: book)
            instance.restore(entries, after: pause, at: now)
        }
    }
}
