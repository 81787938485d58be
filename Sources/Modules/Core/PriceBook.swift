// SPDX-License-Identifier: Apache-2.0

/// What tokens cost today. Played by Gateway.
package protocol PriceBook: Sendable {
    /// Nano-dollars for that many tokens of a model of the configuration; nil for a model without a price, and for sums
    /// beyond what the type holds.
    ///
    /// - Parameter cachedTokens: of the input tokens, those that the provider read from its cache.
    func cost(model: String, inputTokens: Int, outputTokens: Int, cachedTokens: Int) -> Int64?
}
