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
    /// The worst case, known before anything leaves the house.
    package var reservation: Reservation?
    /// The same of all the models that are asked one after the other where that one fails: each of them may count.
    package var alternatives: Reservation?
    /// What the worst case is reckoned from, for each model that is asked.
    package var demand: Demand?
    /// The worst case of the model that is asked now.
    package var asked: Reservation?
    /// The worst cases of those asked before it that may have counted and never said what.
    package var lost: Reservation?
    /// Whether a provider may have counted something although it gave no figure. The exchange is then settled at its
    /// reservation.
    package var mayHaveUsed = false

    /// When the first byte of a streamed answer left.
    package var firstByte: Instant?
    /// Why the answer is not whole, where its head said 200 already.
    package var brokenOff: ErrorCode?
    /// The person behind the key, as the caller names it. Only a keyed digest of it is written.
    package var endUser: String?

    package init() {}

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

    package struct Reservation: Equatable, Sendable {
        package var input: Int
        package var output: Int
        /// Nano-dollars.
        package var cost: Int64?

        package init(input: Int, output: Int, cost: Int64?) {
            (self.input, self.output, self.cost) = (input, output, cost)
        }

        /// Both together, saturated. One without a price adds nothing to the cost of the other.
        package static func + (left: Reservation, right: Reservation?) -> Reservation {
            guard let right else { return left }
            let (input, output) = (
                left.input.addingReportingOverflow(right.input), left.output.addingReportingOverflow(right.output)
            )
            var cost = left.cost ?? right.cost
            if let one = left.cost, let other = right.cost {
                let (sum, isOverflowing) = one.addingReportingOverflow(other)
                cost = isOverflowing ? .max : sum
            }
            return Reservation(
                input: input.overflow ? .max : input.partialValue,
                output: output.overflow ? .max : output.partialValue, cost: cost)
        }
    }

    /// What a call asks for at most.
    package struct Demand: Equatable, Sendable {
        /// Of all words that are sent: a token has at least one byte.
        package let inputBytes: Int
        /// Of one choice; `nil` where the caller set no limit.
        package let outputTokensMax: Int?
        package let choices: Int

        package init(inputBytes: Int, outputTokensMax: Int?, choices: Int) {
            (self.inputBytes, self.outputTokensMax, self.choices) = (inputBytes, outputTokensMax, choices)
        }
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
