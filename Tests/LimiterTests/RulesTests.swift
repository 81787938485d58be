// SPDX-License-Identifier: Apache-2.0

import Configuration
import Testing

@testable import Limiter

@Suite struct RulesTests {
    @Test func `rules are read as people write them, and written the same`() throws {
        let texts = [
            "5 requests/second", "1000 requests/hour", "200000 tokens/minute", "9 tokens/day", "5000 units/hour",
            "32 concurrent",
        ]
        let rules = try Rules(texts)
        #expect(rules.texts == texts)
        #expect(rules.concurrentMax == 32)
        #expect(rules.tokens.map(\.name) == ["tokens_per_minute", "tokens_per_day"])
    }

    @Test(arguments: [
        "", "1000", "requests/hour", "1000requests/hour", "-1 requests/hour", "0 requests/hour", "1e3 requests/hour",
        "1000 requests", "1000 requests/", "1000 requests/week", "1000 requests/hour/key", "1000 dollars/hour",
        "0 concurrent", "99999999999999999999 tokens/day", "1000000000001 tokens/day", "1000 Requests/hour",
        "٣ concurrent",
    ])
    func `what is no rule is refused`(text: String) {
        #expect(throws: RuleError.self) { try Rules([text]) }
    }

    @Test func `two limits of the same thing over the same time are a mistake`() {
        #expect(throws: RuleError.self) { try Rules(["5 requests/hour", "6 requests/hour"]) }
    }

    private func settings(_ text: String) throws -> LimiterSettings {
        let configuration = try Configuration(text: "[limiter]\n" + text)
        return try LimiterSettings(try #require(try configuration.section("limiter")))
    }

    @Test func `requests_per_hour is for keys and tenants, and gives way to what a list says of the hour`() throws {
        let standard = try settings("")
        #expect(standard.rules[.key]?.texts == ["1000 requests/hour", "200000 units/hour"])
        #expect(standard.rules[.tenant]?.texts == ["1000 requests/hour", "200000 units/hour"])
        #expect(standard.rules[.instance]?.texts == [] && standard.units == UnitSettings())
        #expect(standard.rules[.node]?.texts == [])
        let own = try settings(
            #"key = ["5 requests/second"]\ntenant = ["9 requests/hour", "7 units/hour"]"#.replacing("\\n", with: "\n"))
        #expect(own.rules[.key]?.texts == ["1000 requests/hour", "5 requests/second", "200000 units/hour"])
        #expect(own.rules[.tenant]?.texts == ["9 requests/hour", "7 units/hour"])
    }

    @Test(arguments: [
        #"node = ["3 concurrent"]"#, #"address = ["3 tokens/day"]"#, #"unauthenticated = ["3 concurrent"]"#,
        #"key = ["often"]"#, #"user = [5]"#, #"instance = ["5 requests/hour"]"#, #"instance = ["5 concurrent"]"#,
        "units_delay = 0", "call_units = -1",
    ])
    func `what cannot be counted is refused with its line`(text: String) {
        #expect(throws: ConfigurationError.self) { try settings(text) }
    }
}
