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
    ///
    /// - Parameter percent: how full the fullest limit must be for it to be told of.
    package func charge(
        _ units: Int, _ payers: Payers, warningPercent: Int = 80, tellingFrom percent: Int = 0, at now: Instant
    ) -> ChargeDecision {
        guard let tenant = payers.pair.tenant.tenant else { return .full }
        let locked = payers.pair.shard
        let charge = Asked(units: units, warningPercent: warningPercent, toldPercent: percent, now: now)
        return locked.shard.withLock { shard in
            var parts = Few<UnitHold.Part>()
            parts.append(UnitHold.Part(locked, payers.pair.key))
            parts.append(UnitHold.Part(locked, payers.pair.tenant))
            // Who has no limit needs no account: names cost nothing.
            var extra: [Subject] = []
            if let node = payers.node, book.limitsUnits(of: .node) { extra.append(.node(node)) }
            if let user = payers.user, book.limitsUnits(of: .user) { extra.append(.user(user)) }
            if !extra.isEmpty {
                guard shard.hasRoom(for: extra, at: now) else { return .full }
                for subject in extra {
                    parts.append(UnitHold.Part(locked, shard.account(of: subject, tenant, book)))
                }
            }
            return self.charge(charge, parts, payers.address)
        }
    }

    private struct Asked {
        let units: Int
        let warningPercent: Int
        let toldPercent: Int
        let now: Instant
    }

    private func charge(
        _ charge: Asked, _ known: Few<UnitHold.Part>, _ address: AddressBlock?
    ) -> ChargeDecision {
        guard let address, book.limitsUnits(of: .address) else { return self.charge(charge, known) }
        let locked = addressShards[Self.index(of: address)]
        return locked.shard.withLock { shard in
            guard shard.hasRoom(for: [.address(address)], at: charge.now) else { return .full }
            var parts = known
            parts.append(UnitHold.Part(locked, shard.account(of: .address(address), nil, book)))
            return self.charge(charge, parts)
        }
    }

    private func charge(_ charge: Asked, _ parts: Few<UnitHold.Part>) -> ChargeDecision {
        guard book.limitsUnits(of: .instance) else { return count(charge, parts) }
        return whole.shard.withLock { shard in
            var parts = parts
            parts.append(UnitHold.Part(whole, shard.account(of: .instance, nil, book)))
            return count(charge, parts)
        }
    }

    /// With the locks of all parts held.
    private func count(_ charge: Asked, _ parts: Few<UnitHold.Part>) -> ChargeDecision {
        let (units, now) = (charge.units, charge.now)
        var fits = true
        parts.forEach { part in
            part.account.refresh(from: book)
            if !part.account.fits(units: units, at: now) { fits = false }
        }
        guard fits else {
            var standings: [Standing] = []
            parts.forEach { part in
                if let standing = part.account.refusal(units: units, at: now) { standings.append(standing) }
            }
            return standings.max { $0.nextAfter < $1.nextAfter }.map { .refused($0) } ?? .full
        }
        var counted = Few<UnitHold.Part>()
        var fullest: (account: Account, index: Int, share: Double)?
        parts.forEach { part in
            let account = part.account
            guard !account.rules.units.isEmpty else { return }
            counted.append(UnitHold.Part(part.shard, account, account.count(units: units)))
            account.holds += 1
            if let own = account.fullest, own.share > fullest?.share ?? -1 { fullest = (account, own.index, own.share) }
        }
        guard let fullest else { return .charged(nil, nil) }
        let hold = UnitHold(counted, units)
        let percent = Int(fullest.share * 100)
        guard percent >= charge.toldPercent else { return .charged(hold, nil) }
        let rate = fullest.account.rules.units[fullest.index]
        return .charged(
            hold,
            Fullness(
                standing: fullest.account.standing(rate, fullest.account.units[fullest.index], asking: 1, at: now),
                percent: percent,
                isNew: percent >= charge.warningPercent && fullest.account.warnsOfUnits(rate, at: now)))
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
    /// What is counted for one account.
    struct Part: Sendable {
        let shard: AccountTable.Locked
        let account: Account
        /// Where the units are counted.
        let places: Few<Account.TokenPlace>

        init(_ shard: AccountTable.Locked, _ account: Account, _ places: Few<Account.TokenPlace> = Few()) {
            (self.shard, self.account, self.places) = (shard, account, places)
        }
    }

    /// Those behind one lock stand together.
    private let parts: Few<Part>
    let units: Int
    private let isSettled = Atomic(false)

    init(_ parts: Few<Part>, _ units: Int) { (self.parts, self.units) = (parts, units) }

    /// Puts what the work cost in the place of what was charged. The first call decides.
    ///
    /// - Returns: false where it had been settled.
    @discardableResult
    package func settle(units used: Int) -> Bool {
        guard !isSettled.exchange(true, ordering: .acquiringAndReleasing) else { return false }
        var index = 0
        while index < parts.count {
            let shard = parts[index].shard
            shard.shard.withLock { _ in
                repeat {
                    let part = parts[index]
                    part.account.holds -= 1
                    part.account.correct(units: part.places, by: used - units)
                    index += 1
                } while index < parts.count && parts[index].shard === shard
            }
        }
        return true
    }

    // What nobody has settled stands.
    deinit { settle(units: units) }
}
