// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP

// What the gateway notes of its work in an exchange, for its record and its budgets: names and figures, never content.

extension Exchange {
    /// Notes whom the call goes to, before it does. From here on that provider may count.
    func note(_ model: Model) {
        figures.provider = model.provider.name
        figures.upstreamModel = model.settings.upstream
        if figures.mayHaveUsed, let asked = figures.asked { figures.lost = asked + figures.lost }
        figures.asked = figures.demand.map { model.worstCase($0) } ?? figures.worstCase
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
        if summary.fault == .passedItsBound, summary.usage == nil { note(cutAfter: summary.pieces, of: model) }
        figures.brokenOff = summary.fault?.code
    }

    /// Notes that an answer was cut which had passed its bound: the provider has counted more than was held back for it.
    func note(cutAfter pieces: Int, of model: Model) {
        guard let asked = figures.asked else { return }
        let output = max(asked.output, pieces)
        figures.tokens = ExchangeFigures.Tokens(input: asked.input, output: output, isEstimated: true)
        figures.cost = model.settings.price?.costMax(input: asked.input, output: output)
    }

    /// Notes the worst case of a call, before anything is reserved or recorded.
    ///
    /// - Parameter fallbacks: asked one after the other where the model fails.
    func note(worstOf call: ModelCall, _ model: Model, _ fallbacks: [Model]) {
        let facts = RequestFacts(call)
        figures.isStreamed = call.isStreamed
        figures.endUser = request[.endUser] ?? facts.user
        guard call.route != .countTokens else {
            // Counting is free at every provider.
            figures.worstCase = ExchangeFigures.WorstCase(input: 0, output: 0, cost: 0)
            return
        }
        let demand = ExchangeFigures.Demand(
            inputBytes: facts.inputBytes, outputTokensMax: facts.outputTokensMax, choices: facts.choices,
            images: facts.media.images, sounds: facts.media.sounds, documents: facts.media.documents,
            hasTools: facts.hasTools)
        figures.demand = demand
        figures.worstCase = model.worstCase(demand)
        figures.alternatives = fallbacks.worstCase(demand)
    }

    /// The most output tokens that there is room for at the model that is asked; `nil` where nothing is held back.
    var outputBound: Int? { isHeld ? figures.asked?.output : nil }
}

extension Fault {
    /// A provider that goes on behind the most tokens it was told spends what nobody has reserved.
    static var passedItsBound: Fault {
        Fault(.insufficientQuota, "The answer was cut: it is longer than what was reserved for it.")
    }
}

extension [Model] {
    /// The most that a call can use that asks all of them; nil for none.
    func worstCase(_ demand: ExchangeFigures.Demand) -> ExchangeFigures.WorstCase? {
        reduce(nil) { $1.worstCase(demand) + $0 }
    }
}

extension Model {
    /// What providers say to a model of their own accord when there are tools, at most.
    private static let toolPromptTokens = 1024

    /// The most that a call can use: a token has at least one byte, an image, a sound and a document count at the bound that
    /// the configuration names, and each choice may be as long as is allowed. All of it saturates.
    func worstCase(_ demand: ExchangeFigures.Demand) -> ExchangeFigures.WorstCase {
        func product(_ left: Int, _ right: Int) -> Int {
            let (product, isOverflowing) = left.multipliedReportingOverflow(by: right)
            return isOverflowing ? .max : product
        }
        func sum(_ left: Int, _ right: Int) -> Int {
            let (sum, isOverflowing) = left.addingReportingOverflow(right)
            return isOverflowing ? .max : sum
        }
        let media = sum(
            sum(product(demand.images, settings.imageTokensMax), product(demand.sounds, settings.soundTokensMax)),
            product(demand.documents, settings.documentTokensMax))
        let input = sum(sum(demand.inputBytes, media), demand.hasTools ? Self.toolPromptTokens : 0)
        let output = product(max(demand.outputTokensMax ?? settings.outputTokensMax, 0), demand.choices)
        return ExchangeFigures.WorstCase(
            input: input, output: output, cost: settings.price?.costMax(input: input, output: output))
    }
}
