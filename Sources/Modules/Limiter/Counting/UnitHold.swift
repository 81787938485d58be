// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// Units that were charged at the most that work can come to, until it is known what it came to.
///
/// Made before it is known whether there is room, so that whoever pays need not be listed twice; it stands for nothing until
/// ``hold(_:)``.
package final class UnitHold: Charge, @unchecked Sendable {
    // Behind the lock of the pair's shard.
    private let pair: AccountTable.Pair
    var node: Account?
    var user: Account?
    // Behind the lock of its own.
    var address: Account?
    var addressShard: AccountTable.Locked?
    // Behind the lock of the whole server's.
    var whole: Account?
    /// Where it was counted for each; in no period for who has no limit.
    private var places = Places()
    let units: Int
    // Under the lock of the pair's shard.
    private var isOpen = false
    /// What its work was charged by, for a call or other work of an exchange.
    var terms: (work: Work, terms: UnitTerms)?
    /// How long the work has to wait. On the exchange's loop.
    var delay: Duration?

    private struct Places {
        var (key, tenant, node, user) = (Place(), Place(), Place(), Place())
        var (address, whole) = (Place(), Place())
    }

    init(_ pair: AccountTable.Pair, _ units: Int) { (self.pair, self.units) = (pair, units) }

    /// Goes through all of them in the order of their locks.
    @inline(__always)
    func forEach(_ body: (Account) -> Void) {
        body(pair.key)
        body(pair.tenant)
        if let node { body(node) }
        if let user { body(user) }
        if let address { body(address) }
        if let whole { body(whole) }
    }

    /// From here on it stands for what was charged: `body` counts for each of them and says where.
    @inline(__always)
    func hold(_ body: (Account) -> Place) {
        isOpen = true
        places.key = body(pair.key)
        places.tenant = body(pair.tenant)
        if let node { places.node = body(node) }
        if let user { places.user = body(user) }
        if let address { places.address = body(address) }
        if let whole { places.whole = body(whole) }
    }

    var isCall: Bool { terms?.work == .call || terms?.work == .embedding }

    /// Puts what the work cost in the place of what was charged. The first call decides.
    ///
    /// - Returns: false where it had been settled.
    @discardableResult
    package func settle(units used: Int) -> Bool {
        let change = used - units
        let isFirst = pair.shard.shard.withLock { _ in
            guard isOpen else { return false }
            isOpen = false
            Self.settle(pair.key, places.key, by: change)
            Self.settle(pair.tenant, places.tenant, by: change)
            if let node { Self.settle(node, places.node, by: change) }
            if let user { Self.settle(user, places.user, by: change) }
            return true
        }
        guard isFirst else { return false }
        if let address, let addressShard {
            addressShard.shard.withLock { _ in Self.settle(address, places.address, by: change) }
        }
        if let whole {
            pair.table.whole.shard.withLock { _ in Self.settle(whole, places.whole, by: change) }
        }
        return true
    }

    @inline(__always)
    private static func settle(_ account: Account, _ place: Place, by change: Int) {
        guard !place.periods.isEmpty else { return }
        account.holds -= 1
        account.correct(units: place, by: change)
    }

    package func settle(_ amount: Int) {
        guard let (work, terms) = terms else { return }
        charge(terms.settings.weights.units(work, amount))
    }

    package func cancel() { charge(0) }

    private func charge(_ used: Int) {
        if settle(units: used), let (work, terms) = terms { terms.figures.count(work, used - units) }
    }

    // What nobody has settled stands.
    deinit { if isOpen { settle(units: units) } }
}

/// By what work is charged, as long as nobody says otherwise.
final class UnitTerms: Sendable {
    let settings: UnitSettings
    let figures: UnitFigures

    init(_ settings: UnitSettings, _ figures: UnitFigures) { (self.settings, self.figures) = (settings, figures) }
}
