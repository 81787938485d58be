// SPDX-License-Identifier: Apache-2.0

import Bytes
import Support
import Testing

@testable import Gateway

@Suite struct `Prices` {
    @Test(
        arguments: [
            ("1.5e-07", 150_000_000), ("0.00000015", 150_000_000), ("1.5E-7", 150_000_000), ("0", 0), ("0.0", 0),
            ("-0", nil),
            ("3e-06", 3_000_000_000), ("1e-15", 1), ("1e-16", 1), ("1.00000000000000001e-15", 2),
            ("1", 1_000_000_000_000_000),
            ("1.0000000000000001", nil), ("2", nil), ("1e300", nil), ("1e-300", 1), ("1e99999", nil), ("-1e-7", nil),
            ("0.000000123456789012345678901234567890", 123_456_790),
        ] as [(String, Int64?)])
    func `dollars for a token are whole nano-dollars for a million, rounded up`(text: String, price: Int64?) {
        #expect(PriceFile.nanoDollarsPerMillion(dollarsPerToken: text) == price)
    }

    @Test func `a cent is a cent, in whatever way it is written`() {
        var random = SeededGenerator()
        for _ in 0..<2_000 {
            let nanos = Int64(random.below(1_000_000_000))
            // nanos × 10^-15, once as an integer with an exponent, once with zeros.
            let zeros = String(repeating: "0", count: 15 - min(15, String(nanos).utf8.count))
            for text in ["\(nanos)e-15", "\(nanos)0E-16", "0.\(zeros)\(nanos)"] {
                #expect(PriceFile.nanoDollarsPerMillion(dollarsPerToken: text) == nanos, "\(text)")
            }
        }
    }

    @Test func `the cache's tokens are taken out of the input and priced by themselves`() {
        let price = Price(input: 1_000_000, output: 4_000_000, cacheRead: 100_000, cacheWrite: 2_000_000)
        #expect(price.cost(of: TokenUsage(input: 10, output: 1)) == 14)
        #expect(price.cost(of: TokenUsage(input: 10, output: 0, cacheRead: 10)) == 1)
        #expect(price.cost(of: TokenUsage(input: 10, output: 0, cacheRead: 4, cacheWrite: 6)) == 13)
        // A provider that counts more in the cache than there is gets no negative rest.
        #expect(price.cost(of: TokenUsage(input: 10, output: 0, cacheRead: 99, cacheWrite: 99)) == 1)
        #expect(Price(input: 1, output: 1).cost(of: TokenUsage(input: 1, output: 0)) == 1)
        #expect(Price(input: .max, output: 1).cost(of: TokenUsage(input: 2, output: 0)) == nil)
    }

    @Test func `a file in LiteLLM's form is looked up by provider, kind and name`() throws {
        let file = try PriceFile(
            Array(
                """
                {"sample_spec": {"input_cost_per_token": "in dollars"},
                 "gpt-4o-mini": {"input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07,
                    "cache_read_input_token_cost": 7.5e-08, "max_tokens": 16384, "litellm_provider": "openai"},
                 "openai/gpt-4o-mini": {"input_cost_per_token": 2e-07, "output_cost_per_token": 6e-07},
                 "mine/gpt-4o-mini": {"input_cost_per_token": 3e-07, "output_cost_per_token": 6e-07},
                 "dall-e": {"input_cost_per_image": 0.04}}
                """.utf8))
        #expect(file.price(of: "gpt-4o-mini", provider: "mine", kind: "openai")?.input == 300_000_000)
        #expect(file.price(of: "gpt-4o-mini", provider: "other", kind: "openai")?.input == 200_000_000)
        #expect(
            file.price(of: "gpt-4o-mini", provider: "other", kind: "anthropic")
                == Price(input: 150_000_000, output: 600_000_000, cacheRead: 75_000_000))
        #expect(file.price(of: "dall-e", provider: "mine", kind: "openai") == nil)
        #expect(file.price(of: "unknown", provider: "mine", kind: "openai") == nil)
    }

    @Test(arguments: [
        "", "[]", "{", #"{"a": 1}"#, #"{"a": {"input_cost_per_token": "1", "output_cost_per_token": 1e-6}}"#,
        #"{"a": {"input_cost_per_token": -1e-6, "output_cost_per_token": 1e-6}}"#,
        #"{"a": {"input_cost_per_token": 1e-6, "output_cost_per_token": 5}}"#,
    ])
    func `a price that cannot be read is an error, and not nothing`(text: String) {
        #expect(throws: PriceFile.Defect.self) { try PriceFile(Array(text.utf8)) }
    }
}
