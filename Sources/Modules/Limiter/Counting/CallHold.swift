// SPDX-License-Identifier: Apache-2.0

package import Core
import Platform
import Synchronization

extension AccountTable {
    /// What a call holds back until it is known what it used: of its limits of tokens, and of every budget.
    ///
    /// Made before it is known whether there is room, so that whoever is asked need not be listed twice; it holds nothing until
    /// ``hold(_:_:)``.
    package final class CallHold: Hold, @unchecked Sendable {
        // All of them behind the lock of the pair's shard, which guards what is not constant.
        private let pair: Pair
        var node: Account?
        var user: Account?
        private var places = (key: Place(), tenant: Place(), node: Place(), user: Place())
        private var amount = Meter.Sum()
        private let time: WallTime
        private var isOpen = false

        init(_ pair: Pair, at time: WallTime) { (self.pair, self.time) = (pair, time) }

        var accounts: [Account] { [pair.key, pair.tenant] + [node, user].compactMap(\.self) }

        /// Goes through them in their order; the second argument tells whether its request was counted before.
        @inline(__always)
        func forEach(_ body: (Account, Bool) -> Void) {
            body(pair.key, true)
            body(pair.tenant, true)
            if let node { body(node, false) }
            if let user { body(user, false) }
        }

        /// Holds back: `body` counts for each of them and says where.
        @inline(__always)
        func hold(_ amount: Meter.Sum, _ body: (Account) -> Place) {
            (self.amount, isOpen) = (amount, true)
            places.key = body(pair.key)
            places.tenant = body(pair.tenant)
            if let node { places.node = body(node) }
            if let user { places.user = body(user) }
        }

        package func settle(_ used: ExchangeFigures.Settlement?) { settle(used, at: .now()) }

        func settle(_ used: ExchangeFigures.Settlement?, at time: WallTime) {
            let (tokens, isTooMany) = (used?.tokens.input ?? 0).addingReportingOverflow(used?.tokens.output ?? 0)
            let cost = used?.cost.map(Int.init(clamping:)) ?? 0
            settle(at: time) { _ in Meter.Sum(cost: cost, tokens: isTooMany ? .max : tokens) }
        }

        package func forsake() { settle(at: time) { $0 } }

        @inline(__always)
        private func settle(at time: WallTime, _ used: (Meter.Sum) -> Meter.Sum) {
            let date = UTCDate(time)
            pair.shard.shard.withLock { _ in
                guard isOpen else { return }
                isOpen = false
                let used = used(amount)
                settle(pair.key, places.key, used, date)
                settle(pair.tenant, places.tenant, used, date)
                if let node { settle(node, places.node, used, date) }
                if let user { settle(user, places.user, used, date) }
            }
        }

        @inline(__always)
        private func settle(_ account: Account, _ place: Place, _ used: Meter.Sum, _ date: UTCDate) {
            account.holds -= 1
            account.correct(tokens: place, by: used.tokens - amount.tokens)
            account.settle(amount, used: used, at: date)
        }
    }
}
