// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform
import Support
import Testing

@testable import Appliance

/// Limits as clients meet them, on a whole server.
@Suite(.serialized) struct LimitTests {
    private func configuration(_ limiter: String) -> String {
        House.configuration.replacing("requests_per_hour = 20", with: limiter)
    }

    private func call(
        _ house: House, user: String? = nil, fields: Fields = [:], tokens: Int? = nil, key: String? = nil
    ) throws -> House.Answer {
        var body: JSONObject = ["model": "echo", "messages": [["role": "user", "content": "hello"]]]
        if let user { body["user"] = .string(user) }
        if let tokens { body["max_tokens"] = .int(tokens) }
        return try house.call(
            .post, "/v1/chat/completions", key: key ?? house.key, fields: fields,
            body: String(decoding: JSONValue.object(body).serialized(), as: UTF8.self))
    }

    @Test func `people behind one key are limited one by one, by body or field, and without the stage nobody is`()
        throws
    {
        func statuses(_ house: House) throws -> [Int] {
            [
                try call(house, user: "ana").status, try call(house, user: "ana").status,
                try call(house, fields: ["x-end-user": "ana"]).status, try call(house, user: "ben").status,
                try call(house).status,
            ]
        }
        let text = configuration(#"user = ["2 requests/hour"]"#)
        #expect(try statuses(House(text)) == [200, 200, 429, 200, 200])
        #expect(try statuses(House(text, leavingOutStagesOf: ["limiter"])) == [200, 200, 200, 200, 200])
    }

    @Test func `tokens are limited by the worst case, and what was not used is free again`() throws {
        let house = try House(configuration(#"key = ["3000 tokens/hour"]"#))
        let refused = try call(house, tokens: 3000)
        #expect(refused.status == 429)
        #expect(refused.json?["error"]?["limit"]?["name"]?.string == "tokens_per_hour")
        #expect(refused.fields["x-ratelimit-limit-tokens"] == "3000")
        for _ in 0..<5 {
            let answer = try call(house, tokens: 2000)
            #expect(answer.status == 200)
            #expect((answer.fields["x-ratelimit-remaining-tokens"].flatMap { Int($0) } ?? 9999) < 1000)
        }
        let states = try #require(try house.call(.get, "/v1/limits", key: house.key).json?["data"]?.array)
        let tokens = try #require(states.first { $0["name"]?.string == "tokens_per_hour" })
        #expect((tokens["remaining"]?.int ?? 0) > 2500)
    }

    @Test func `attempts without a credential are limited apart, and a valid key from the same address goes on`() throws
    {
        func codes(_ house: House) throws -> [String?] {
            try (0..<4).map { _ in try house.call(.get, "/v1/models", key: "ghk_wrong").code }
        }
        let text = configuration(#"unauthenticated = ["3 requests/hour"]"#)
        let house = try House(text)
        #expect(try codes(house) == ["invalid_api_key", "invalid_api_key", "invalid_api_key", "rate_limit_exceeded"])
        let nobody = try house.call(.get, "/v1/models")
        #expect(nobody.status == 429 && nobody.fields["retry-after"] != nil)
        #expect(try house.call(.get, "/v1/models", key: house.key).status == 200)
        let weak = try House(text, leavingOutStagesOf: ["limiter"])
        #expect(try codes(weak).allSatisfy { $0 == "invalid_api_key" })
    }

    @Test func `an address is limited whatever it says in x-forwarded-for`() throws {
        let house = try House(configuration(#"address = ["3 requests/hour"]"#))
        let statuses = try (0..<5).map {
            try house.call(.get, "/v1/models", key: house.key, fields: ["x-forwarded-for": "203.0.113.\($0)"]).status
        }
        #expect(statuses == [200, 200, 200, 429, 429])
    }

    @Test func `no more are under way at once than may be, streams included`() throws {
        let house = try House(configuration(#"key = ["2 concurrent"]"#))
        let body: JSONValue = [
            "model": "echo", "messages": [["role": "user", "content": "/delay 1s"]],
        ]
        let statuses = try house.statuses(5, "/v1/chat/completions", key: house.key, body: body)
        #expect(statuses.count { $0 == 200 } >= 2)
        #expect(statuses.count { $0 == 429 } >= 1, "\(statuses)")
        // All have left.
        #expect(try house.chat("hello", key: house.key).status == 200)
    }
}
