// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP

// What the gateway notes of its work in an exchange, for its record: names and figures, never content.

extension Exchange {
    /// Notes whom the call goes to, before it does. From here on that provider may count.
    func note(_ model: Model) {
        figures.provider = model.provider.name
        figures.upstreamModel = model.settings.upstream
        if figures.mayHaveUsed, let asked = figures.asked { figures.lost = asked + figures.lost }
        figures.asked = figures.demand.map(model.reservation) ?? figures.reservation
        figures.mayHaveUsed = true
    }

    /// Notes what the provider counted.
    func note(_ usage: TokenUsage, of model: Model) {
        figures.tokens = ExchangeFigures.Tokens(
            input: usage.input, output: usage.output, cached: usage.cacheRead, isEstimated: usage.isEstimated)
        figures.cost = model.settings.price?.cost(of: usage)
    }

    /// Notes what is known of an answer at its end.
    func note(_ summary: AnswerSummary, of model: Model) {
        if let usage = summary.usage { note(usage, of: model) }
        figures.brokenOff = summary.fault?.code
    }

    /// Notes the worst case of a call, before anything is reserved or recorded.
    ///
    /// - Parameter fallbacks: asked one after the other where the model fails.
    func note(worstOf call: ModelCall, _ model: Model, _ fallbacks: [Model]) {
        let facts = RequestFacts(call.document, call.route)
        figures.isStreamed = call.isStreamed
        figures.endUser = request.head.fields["x-end-user"] ?? facts.user
        let demand = ExchangeFigures.Demand(
            inputBytes: facts.inputBytes, outputTokensMax: facts.outputTokensMax, choices: facts.choices)
        figures.demand = demand
        figures.reservation = model.reservation(demand)
        figures.alternatives = fallbacks.reservation(demand)
    }
}

extension [Model] {
    /// The most that a call can use that asks all of them; nil for none.
    func reservation(_ demand: ExchangeFigures.Demand) -> ExchangeFigures.Reservation? {
        reduce(nil) { $1.reservation(demand) + $0 }
    }
}

extension Model {
    /// The most that a call can use: a token has at least one byte, and each choice may be as long as is allowed.
    func reservation(_ demand: ExchangeFigures.Demand) -> ExchangeFigures.Reservation {
        let most = max(demand.outputTokensMax ?? settings.outputTokensMax, 0)
        let (output, isOverflowing) = most.multipliedReportingOverflow(by: demand.choices)
        let usage = TokenUsage(input: demand.inputBytes, output: isOverflowing ? .max : output)
        return ExchangeFigures.Reservation(
            input: usage.input, output: usage.output, cost: settings.price?.cost(of: usage))
    }
}
