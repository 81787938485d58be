// SPDX-License-Identifier: Apache-2.0

/// What somebody can do so much of that others suffer from it. All of it is paid from one ledger of units, whatever it is: who
/// has drained it with files is slowed down with models too. What each kind weighs is the limiter's business.
package enum Work: String, CaseIterable, Sendable {
    /// A call to a model; its amount is model tokens, in and out.
    case call
    /// The same for vectors.
    case embedding
    /// A file that is sent here or fetched; its amount is bytes.
    case file
    /// Code that is run; its amount is milliseconds of processor time.
    case execution
}

/// What was charged for one piece of work, at the most that it can come to. The first call of these decides, and later ones
/// change nothing; what is never settled stands at its most.
package protocol Charge: AnyObject, Sendable {
    /// The work is over and came to this much, in the unit of its kind.
    func settle(_ amount: Int)

    /// The work was not begun: it costs nothing.
    func cancel()
}

/// The stage that keeps the ledger. Played by the limiter.
package protocol ChargingStage: Stage {
    /// Charges a piece of work of an exchange that this stage has let in, for everybody for whom units are counted, or for
    /// nobody. May wait: whoever has used much of what there is goes on later.
    ///
    /// - Returns: `nil` where nothing is counted.
    /// - Throws: `abuse_budget_exceeded`.
    func charge(_ work: Work, atMost amount: Int, _ exchange: Exchange) async throws(Failure) -> (any Charge)?
}

extension Exchange {
    /// Charges a piece of work before it is begun. Calls to models are charged on their way, by what their figures say; whoever
    /// does anything else calls this, before `advance(through: .record)` or in the middle of its work.
    ///
    ///     let charge = try await exchange.charge(.execution, atMost: milliseconds)
    ///     …
    ///     charge?.settle(used)
    ///
    /// - Returns: `nil` where nothing is counted.
    /// - Throws: what a stage up to `reserve` refuses, `abuse_budget_exceeded` among it. Nothing is then charged.
    package func charge(_ work: Work, atMost amount: Int) async throws(Failure) -> (any Charge)? {
        try await advance(through: .reserve)
        guard let charger else { return nil }
        do throws(Failure) {
            return try await charger.charge(work, atMost: amount, self)
        } catch {
            refusedAt = charger.position
            throw error
        }
    }
}
