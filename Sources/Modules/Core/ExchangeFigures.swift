// SPDX-License-Identifier: Apache-2.0

package import Platform

/// What an exchange's work came to, for its record: names, figures and times; never content. Whoever does the work notes it
/// before the last byte of the answer.
package struct ExchangeFigures: Sendable {
    /// The provider that answered or was asked last, by its name in the configuration.
    package var provider: String?
    /// The model as that provider knows it.
    package var upstreamModel: String?
    package var isStreamed = false

    /// What the provider counted; `nil` where it said nothing.
    package var tokens: Tokens?
    /// Nano-dollars; `nil` for a model without a price.
    package var cost: Int64?
    /// What the call can use at most of the model that is asked first, known before anything leaves the house.
    package var worstCase: WorstCase?
    /// The same of all the models that are asked one after the other where that one fails: each of them may count.
    package var alternatives: WorstCase?
    /// What the worst case is reckoned from, for each model that is asked.
    package var demand: Demand?
    /// The worst case of the model that is asked now.
    package var asked: WorstCase?
    /// The worst cases of those asked before it that may have counted and never said what.
    package var lost: WorstCase?
    /// Whether a provider may have counted something although it gave no figure. The exchange is then settled at the worst
    /// case of that provider's model.
    package var mayHaveUsed = false

    /// When the first byte of a streamed answer left.
    package var firstByte: Instant?
    /// Why the answer is not whole, where its head said 200 already.
    package var brokenOff: ErrorCode?
    /// The person behind the key, as the caller names it. Only a keyed digest of it is written.
    package var endUser: String?

    package init() {}

    /// What is held back before anybody is asked: of a call that goes from model to model each may count.
    package var heldBack: WorstCase? { worstCase.map { $0 + alternatives } }

    /// What is settled in the end, in the books of the limiter and in the record alike: what the provider counted, else the
    /// worst case where it may have counted, and the worst cases of those who were asked before it; `nil` where nobody can
    /// have counted anything.
    package var settled: Settlement? {
        Self.settled(tokens, cost, mayHaveUsed: mayHaveUsed, asked: asked ?? worstCase, lost: lost)
    }

    fileprivate static func settled(
        _ tokens: Tokens?, _ cost: Int64?, mayHaveUsed: Bool, asked: WorstCase?, lost: WorstCase?
    ) -> Settlement? {
        var used = lost
        if let tokens {
            used = WorstCase(input: tokens.input, output: tokens.output, cost: cost) + lost
        } else if mayHaveUsed, let asked {
            used = asked + lost
        }
        guard let used else { return nil }
        let isEstimated = lost != nil || tokens?.isEstimated ?? true
        return Settlement(
            tokens: Tokens(
                input: used.input, output: used.output, cached: tokens?.cached ?? 0, isEstimated: isEstimated),
            cost: used.cost)
    }

    /// Tokens, and nano-dollars where there is a price.
    package struct Settlement: Equatable, Sendable {
        package var tokens: Tokens
        package var cost: Int64?
    }

    package struct Tokens: Equatable, Sendable {
        package var input: Int
        package var output: Int
        /// Of the input, read from the provider's cache.
        package var cached: Int
        /// Whether the figures are ours, since the provider gave none.
        package var isEstimated: Bool

        package init(input: Int, output: Int, cached: Int = 0, isEstimated: Bool = false) {
            (self.input, self.output, self.cached, self.isEstimated) = (input, output, cached, isEstimated)
        }
    }

    /// The most that a call can use.
    package struct WorstCase: Equatable, Sendable {
        package var input: Int
        package var output: Int
        /// Nano-dollars; `nil` without a price.
        package var cost: Int64?

        package init(input: Int, output: Int, cost: Int64?) {
            (self.input, self.output, self.cost) = (input, output, cost)
        }

        /// Both together, saturated. Where one has no price, both together have none: it is not known what they cost.
        package static func + (left: WorstCase, right: WorstCase?) -> WorstCase {
            guard let right else { return left }
            func sum<Number: FixedWidthInteger>(_ left: Number, _ right: Number) -> Number {
                let (sum, isOverflowing) = left.addingReportingOverflow(right)
                return isOverflowing ? .max : sum
            }
            return WorstCase(
                input: sum(left.input, right.input), output: sum(left.output, right.output),
                cost: left.cost.flatMap { one in right.cost.map { sum(one, $0) } })
        }
    }

    /// What a call asks for at most.
    package struct Demand: Equatable, Sendable {
        /// Of all words that are sent: a token has at least one byte.
        package let inputBytes: Int
        /// Of one choice; `nil` where the caller set no limit.
        package let outputTokensMax: Int?
        package let choices: Int
        /// Whose tokens are not reckoned from bytes, but each at a bound of the model's.
        package let images: Int
        package let sounds: Int
        package let documents: Int
        /// Whether tools are offered: providers then say something to the model of their own accord.
        package let hasTools: Bool

        package init(
            inputBytes: Int, outputTokensMax: Int?, choices: Int, images: Int = 0, sounds: Int = 0, documents: Int = 0,
            hasTools: Bool = false
        ) {
            (self.inputBytes, self.outputTokensMax, self.choices) = (inputBytes, outputTokensMax, choices)
            (self.images, self.sounds, self.documents) = (images, sounds, documents)
            self.hasTools = hasTools
        }
    }
}

extension Exchange {
    /// As its figures say, part by part: a copy of all of them counts a reference to each of their texts.
    package var heldBack: ExchangeFigures.WorstCase? { figures.worstCase.map { $0 + figures.alternatives } }

    /// The same.
    package var settled: ExchangeFigures.Settlement? {
        ExchangeFigures.settled(
            figures.tokens, figures.cost, mayHaveUsed: figures.mayHaveUsed, asked: figures.asked ?? figures.worstCase,
            lost: figures.lost)
    }
}

/// What is known of an operator's act beside its route, for its record, which holds digests of it.
package struct ActMaterial: Sendable {
    /// The request's body.
    package var parameters: [UInt8] = []
    /// What the route of the same path shows before and after; `nil` where there is nothing to be shown.
    package var before: [UInt8]?
    package var after: [UInt8]?
    /// The body of the answer.
    package var reply: [UInt8] = []
    /// Whose data it is about: known before, and after a deletion no more.
    package var tenant: TenantID?
}
