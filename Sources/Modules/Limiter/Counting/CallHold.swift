// SPDX-License-Identifier: Apache-2.0

package import Core
import Platform
import Synchronization

extension AccountTable {
    /// What a call holds back until it is known what it used: of its limits of tokens, and of every budget.
    package final class CallHold: Hold, @unchecked Sendable {
        struct Part {
            let account: Account
            let places: [Account.TokenPlace]
        }

        private let shard: Locked
        private let parts: [Part]
        private let amount: Meter.Sum
        private let time: WallTime
        // Under the shard's lock.
        private var isSettled = false

        init(_ shard: Locked, _ parts: [Part], _ amount: Meter.Sum, at time: WallTime) {
            (self.shard, self.parts, self.amount, self.time) = (shard, parts, amount, time)
        }

        package func settle(_ used: ExchangeFigures.Settlement?) { settle(used, at: .now()) }

        func settle(_ used: ExchangeFigures.Settlement?, at time: WallTime) {
            let (tokens, isTooMany) = (used?.tokens.input ?? 0).addingReportingOverflow(used?.tokens.output ?? 0)
            let cost = used?.cost.map(Int.init(clamping:)) ?? 0
            settle(sum: Meter.Sum(cost: cost, tokens: isTooMany ? .max : tokens), at: time)
        }

        package func forsake() { settle(sum: amount, at: time) }

        private func settle(sum used: Meter.Sum, at time: WallTime) {
            shard.shard.withLock { _ in
                guard !isSettled else { return }
                isSettled = true
                for part in parts {
                    part.account.holds -= 1
                    part.account.correct(part.places, by: used.tokens - amount.tokens)
                    part.account.settle(amount, used: used, at: UTCDate(time))
                }
            }
        }
    }
}
