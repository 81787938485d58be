// SPDX-License-Identifier: Apache-2.0

package import Core
package import Platform
import Synchronization

extension AccountTable {
    /// What a call holds back until it is known what it used: of its limits of tokens, and of every budget.
    ///
    /// Made before it is known whether there is room, so that whoever is asked need not be listed twice; it holds nothing until
    /// ``hold(_:_:)``.
    package final class CallHold: Hold, @unchecked Sendable {
        // All of them behind the lock of the pair's shard, which guards what is not constant.
        private var accounts: AccountList
        private var amount = Meter.Sum()
        private let time: WallTime
        private var isOpen = false

        init(_ pair: consuming Pair, at time: WallTime) {
            accounts = AccountList(pair)
            self.time = time
        }

        var pair: Pair { accounts.pair }

        /// Adds one whose request is counted with the call.
        func add(_ account: consuming Account) { accounts.append(account) }

        /// All of them, for a refusal.
        var list: [Account] {
            var list: [Account] = []
            accounts.forEach { account, _ in list.append(account) }
            return list
        }

        /// Goes through them in their order; the second argument tells whether its request was counted before.
        @inline(__always)
        func forEach(_ body: (Account, Bool) -> Void) { accounts.forEach { body($0, $1 < 2) } }

        /// Holds back: `body` counts for each of them and says where.
        @inline(__always)
        func hold(_ amount: Meter.Sum, _ body: (Account, Int) -> Place) {
            (self.amount, isOpen) = (amount, true)
            accounts.count(body)
        }

        @inline(__always)
        func with<Result>(_ index: Int, _ body: (Account) -> Result) -> Result { accounts.with(index, body) }

        package func settle(_ used: ExchangeFigures.Settlement?) { settle(used, at: .now()) }

        package func settle(_ used: ExchangeFigures.Settlement?, at time: WallTime) {
            let (tokens, isTooMany) = (used?.tokens.input ?? 0).addingReportingOverflow(used?.tokens.output ?? 0)
            let cost = used?.cost.map(Int.init(clamping:)) ?? 0
            settle(at: time) { _ in Meter.Sum(cost: cost, tokens: isTooMany ? .max : tokens) }
        }

        package func forsake() { settle(at: time) { $0 } }

        @inline(__always)
        private func settle(at time: WallTime, _ used: (Meter.Sum) -> Meter.Sum) {
            let date = UTCDate(time)
            accounts.pair.shard.withLock { _ in
                guard isOpen else { return }
                isOpen = false
                let (held, used) = (amount, used(amount))
                accounts.forEachPlace(in: 0..<accounts.count) { account, place in
                    account.holds -= 1
                    account.correct(tokens: place, by: used.tokens - held.tokens)
                    account.settle(held, used: used, at: date)
                }
            }
        }
    }
}
