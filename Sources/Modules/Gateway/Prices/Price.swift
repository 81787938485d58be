// SPDX-License-Identifier: Apache-2.0

import Core

/// What a model's tokens cost, in nano-dollars for a million of them.
struct Price: Sendable, Equatable {
    let input: Int64
    let output: Int64
    /// Of the input, what the provider reads from its cache; `nil` where that costs the same.
    var cacheRead: Int64?
    /// Of the input, what the provider writes to its cache; `nil` where that costs the same.
    var cacheWrite: Int64?

    /// What that many tokens can cost at most, saturated: the provider may write all of the input to its cache.
    func costMax(input tokens: Int, output: Int) -> Int64 {
        let dearest = Price(input: max(input, max(cacheRead ?? 0, cacheWrite ?? 0)), output: self.output)
        return dearest.cost(of: TokenUsage(input: tokens, output: output)) ?? .max
    }

    /// What an answer cost, in nano-dollars, rounded up so that many small answers are not free; `nil` beyond what the
    /// type holds.
    func cost(of usage: TokenUsage) -> Int64? {
        let read = min(max(usage.cacheRead, 0), usage.input)
        let written = min(max(usage.cacheWrite, 0), usage.input - read)
        var sum: Int64 = 0
        /// Whether the sum is still one.
        func add(_ price: Int64, _ tokens: Int) -> Bool {
            let (product, isTooLarge) = price.multipliedReportingOverflow(by: Int64(clamping: tokens))
            let (next, isBeyond) = sum.addingReportingOverflow(product)
            sum = next
            return !isTooLarge && !isBeyond && next >= 0
        }
        guard add(input, usage.input - read - written), add(cacheRead ?? input, read),
            add(cacheWrite ?? input, written), add(output, usage.output)
        else { return nil }
        return sum / 1_000_000 + (sum % 1_000_000 > 0 ? 1 : 0)
    }
}

/// Today's prices of one catalog.
extension Catalog: PriceBook {
    func cost(model: String, inputTokens: Int, outputTokens: Int, cachedTokens: Int) -> Int64? {
        self.model(named: model)?.settings.price?.cost(
            of: TokenUsage(input: inputTokens, output: outputTokens, cacheRead: cachedTokens))
    }
}
