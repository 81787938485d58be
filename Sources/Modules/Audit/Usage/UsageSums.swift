// SPDX-License-Identifier: Apache-2.0

import Core
import JSON

/// What was used: sums over any number of exchanges.
struct UsageSums: Equatable, Sendable {
    /// All that came in, refused ones included.
    var requests = 0
    /// Refused by this house, before anything left it or at an answer.
    var refusals = 0
    /// Failed: the provider's fault, or this server's.
    var errors = 0
    /// The client went away, or the process was killed.
    var abandoned = 0
    var inputTokens = 0
    var outputTokens = 0
    /// Of the input tokens: those that the provider read from its cache.
    var cachedTokens = 0
    /// Nano-dollars.
    var cost: Int64 = 0
    /// Exchanges that used tokens and have no price: their cost is not in `cost`.
    var unpriced = 0
    /// Exchanges whose figures are what was reserved for them, since the provider's own never came.
    var estimated = 0
    /// From arrival to the last byte, of what was dispatched.
    var latency = LatencyHistogram()
    /// From arrival to the first byte of the answer, of what was dispatched.
    var firstByte = LatencyHistogram()

    /// Sums stop at the ends of their types: a figure that wraps around would be a bill of nothing.
    mutating func add(_ other: UsageSums) {
        requests = requests.addingClamped(other.requests)
        refusals = refusals.addingClamped(other.refusals)
        errors = errors.addingClamped(other.errors)
        abandoned = abandoned.addingClamped(other.abandoned)
        inputTokens = inputTokens.addingClamped(other.inputTokens)
        outputTokens = outputTokens.addingClamped(other.outputTokens)
        cachedTokens = cachedTokens.addingClamped(other.cachedTokens)
        cost = cost.addingClamped(other.cost)
        unpriced = unpriced.addingClamped(other.unpriced)
        estimated = estimated.addingClamped(other.estimated)
        latency.add(other.latency)
        firstByte.add(other.firstByte)
    }

    /// As members of a JSON object.
    var json: JSONObject {
        [
            "requests": .int(requests), "refusals": .int(refusals), "errors": .int(errors),
            "abandoned": .int(abandoned), "input_tokens": .int(inputTokens), "output_tokens": .int(outputTokens),
            "cached_tokens": .int(cachedTokens), "cost": .string(NanoDollars.text(cost)),
            "unpriced_requests": .int(unpriced), "estimated_requests": .int(estimated),
            "latency_ms": Self.json(latency), "first_byte_ms": Self.json(firstByte),
        ]
    }

    private static func json(_ histogram: LatencyHistogram) -> JSONValue {
        let parts: [(String, Double)] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)]
        var object = JSONObject()
        for (name, part) in parts { object[name] = histogram.percentile(part).map(JSONValue.int) ?? .null }
        return .object(object)
    }
}

extension FixedWidthInteger {
    func addingClamped(_ other: Self) -> Self {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }
}
