// SPDX-License-Identifier: Apache-2.0

package import EventLoop
package import JSON

/// Has a conversation answered by a model, for modules that keep conversations of their own. Played by Gateway.
///
/// It makes the call and nothing else: stages of the exchange (limits, budget, audit) are passed by whoever calls, before.
package protocol ModelCaller: Sendable {
    /// - Throws: `model_not_found` if there is no such model or the caller may not name it; both look the same.
    func requireModel(_ name: String, for principal: Principal) throws(Failure)

    /// Calls the model, or in its place a fallback as long as nothing was given to `receive`.
    ///
    /// Who may use what a module makes of a model may use the model for it: whether the caller may name it by itself is not
    /// asked here. A fallback is taken only where the caller may.
    ///
    /// - Parameter receive: takes the answer piece by piece, on the loop of the task; the next piece is read from the
    ///   provider when it returns. `false` ends the call: nobody wants the rest.
    /// - Returns: what is known of the answer, also of one that broke off after its first piece (`failure`).
    /// - Throws: if there was no first piece; `model_not_found` for a model that is no longer offered.
    func answer(
        _ task: ModelTask, receive: (ModelPiece) async -> Bool
    ) async throws(Failure) -> ModelResult

    /// The worst case of a call, for its record and what is held back for it, and that of the models that are asked where the
    /// first fails; `nil` for a model that is not offered.
    func worstCase(
        model: String, _ demand: ExchangeFigures.Demand
    ) -> (first: ExchangeFigures.WorstCase, alternatives: ExchangeFigures.WorstCase?)?

    /// What a call asks for at most where the model may have code run (``ModelTask/runsCode``): it is then called several
    /// times.
    func demandRunningCode(_ demand: ExchangeFigures.Demand, model: String) -> ExchangeFigures.Demand
}

extension ModelCaller {
    package func demandRunningCode(
        _ demand: ExchangeFigures.Demand, model: String
    ) -> ExchangeFigures.Demand { demand }
}

/// One call to a model: for whom, which model, which words.
package struct ModelTask: Sendable {
    package let principal: Principal
    /// `req_…`, for the log.
    package let requestID: String
    package let loop: EventLoop
    /// Fires when nobody waits any more.
    package let cancellation: Cancellation
    /// A name of the catalog.
    package let model: String
    package var turns: [ModelTurn]
    /// The most tokens the answer may have; `nil` for the model's own bound.
    package var outputTokensMax: Int?
    /// Whether the model may write programs that are run here, in turns, until it has said what it has to say.
    package var runsCode = false
    /// The person behind the key, as the caller names it; never sent to a provider.
    package var endUser: String?
    /// The exchange that it belongs to, in which its figures are noted; on the same loop.
    package var exchange: Exchange?

    package init(
        principal: Principal, requestID: String, loop: EventLoop, cancellation: Cancellation, model: String,
        turns: [ModelTurn], outputTokensMax: Int? = nil, endUser: String? = nil, exchange: Exchange? = nil
    ) {
        self.principal = principal
        self.requestID = requestID
        self.loop = loop
        self.cancellation = cancellation
        self.model = model
        self.turns = turns
        self.outputTokensMax = outputTokensMax
        self.endUser = endUser
        self.exchange = exchange
    }
}

/// One turn of a conversation, in words.
package struct ModelTurn: Sendable, Equatable {
    package enum Role: String, CaseIterable, Sendable { case system, user, assistant }

    package var role: Role
    package var text: String

    package init(_ role: Role, _ text: String) {
        self.role = role
        self.text = text
    }
}

/// A piece of an answer.
package enum ModelPiece: Sendable, Equatable {
    case text(String)
    /// The model's own words for why it does not answer.
    case refusal(String)
}

/// What is known of an answer when it is over.
package struct ModelResult: Sendable {
    package enum Finish: String, Sendable {
        /// By itself.
        case stop
        /// At the most tokens it may have.
        case length
        /// Withheld or declined by the provider.
        case contentFilter = "content_filter"
    }

    /// The model that answered, by its name in the catalog: the one asked for, or a fallback.
    package var model: String
    package var provider: String
    package var finish: Finish?
    /// The provider's figures; `nil` if it gave none.
    package var usage: ModelUsage?
    /// Why it broke off after its first piece.
    package var failure: Failure?
    /// Programs that were run for it, as answers show them (`precontext`).
    package var runs: [JSONValue] = []

    package init(model: String, provider: String) {
        self.model = model
        self.provider = provider
    }
}

/// What an answer used.
package struct ModelUsage: Sendable, Equatable {
    package var inputTokens: Int
    package var outputTokens: Int
    /// Nano-dollars; `nil` for a model without a price.
    package var cost: Int64?

    package init(inputTokens: Int, outputTokens: Int, cost: Int64?) {
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.cost = cost
    }
}
