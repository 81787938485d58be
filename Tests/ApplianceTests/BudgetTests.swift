// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform
import Support
import Testing

@testable import Appliance

/// Budgets as clients meet them, on a whole server with two loops.
@Suite(.serialized) struct BudgetTests {
    /// A token costs a dollar, in and out, so that sums are read off.
    private func configuration(_ limiter: String, price: String = "1000000") -> String {
        House.configuration
            .replacing("requests_per_hour = 20", with: "requests_per_hour = 100000\n" + limiter)
            .replacing(
                "provider = \"builtin\"",
                with: price.isEmpty
                    ? "provider = \"builtin\""
                    : "provider = \"builtin\"\ninput_price = \"\(price)\"\noutput_price = \"\(price)\"")
    }

    private func body(_ text: String = "hello", tokens: Int = 4, stream: Bool = false) -> JSONValue {
        [
            "model": "echo", "max_tokens": .int(tokens), "stream": .bool(stream),
            "messages": [["role": "user", "content": .string(text)]],
        ]
    }

    /// What a request of these tests reserves: a token has a byte at least.
    private func worst(_ body: JSONValue, output: Int = 4) -> Int { body.serialized().count + output }

    private func budget(_ house: House, _ scope: String) throws -> JSONValue? {
        try house.call(.get, "/v1/limits", key: house.key).json?["data"]?.array?.first {
            $0["scope"]?.string == scope && ($0["name"]?.string ?? "").hasPrefix("budget_")
        }
    }

    private static let shapes: [(path: String, stream: Bool)] = [
        ("/v1/chat/completions", false), ("/v1/chat/completions", true), ("/v1/embeddings", false),
    ]

    @Test(arguments: [0, 1, 2])
    func `of 200 at once on a budget for one, one is answered, and all are without the stage`(shape: Int) throws {
        let (path, stream) = Self.shapes[shape]
        let body: JSONValue =
            path == "/v1/embeddings"
            ? ["model": "echo", "input": "hello"] : body("/delay 300ms\nhello", stream: stream)
        let most = worst(body, output: path == "/v1/embeddings" ? 0 : 4)
        func statuses(_ house: House) throws -> [Int: Int] {
            let all = try house.statuses(200, path, key: house.key, body: body)
            return Dictionary(all.map { ($0, 1) }, uniquingKeysWith: +)
        }
        // Whatever the first uses, what is left then is less than the worst case of a second one.
        let house = try House(configuration("key_budget = [\"$\(most).5 total\"]"))
        #expect(try statuses(house) == [200: 1, 429: 199])
        guard shape == 0 else { return }
        let weak = try House(
            configuration("key_budget = [\"$\(most).5 total\"]"), leavingOutStagesOf: ["limiter"])
        #expect(try statuses(weak) == [200: 200])
    }

    @Test func `what was used takes the place of the worst case, exactly`() throws {
        let house = try House(configuration(#"tenant_budget = ["$100000 total", "1000000 tokens/month"]"#))
        var spent = 0
        for number in 0..<5 {
            let text = String(repeating: "word ", count: number + 1)
            let answer = try house.call(
                .post, "/v1/chat/completions", key: house.key,
                body: String(decoding: body(text, tokens: 100, stream: false).serialized(), as: UTF8.self))
            #expect(answer.status == 200)
            spent += try #require(answer.json?["usage"]?["total_tokens"]?.int)
            // An exchange settles behind the last byte of its answer.
            let deadline = Instant.now() + .seconds(20)
            while try budget(house, "tenant")?["remaining"]?.string != String(100_000 - spent), .now() < deadline {}
            #expect(try budget(house, "tenant")?["remaining"]?.string == String(100_000 - spent))
        }
    }

    @Test func `a budget without room is refused with its name, and does not ask for a retry`() throws {
        let house = try House(configuration(#"key_budget = ["$20/day"]"#))
        let answer = try house.chat("hello", key: house.key)
        #expect(answer.status == 429 && answer.code == "insufficient_quota")
        let limit = try #require(answer.json?["error"]?["limit"])
        #expect(limit["name"]?.string == "budget_dollars_per_day" && limit["scope"]?.string == "key")
        #expect(limit["limit"]?.string == "20" && limit["remaining"]?.string == "20")
        #expect(answer.fields["x-should-retry"] == "false")
    }

    @Test func `a model without a price is refused where there is a budget of money, and not where it is of tokens`()
        throws
    {
        let money = try House(configuration(#"tenant_budget = ["$9999999/day"]"#, price: ""))
        #expect(try money.chat("hello", key: money.key).code == "model_not_priced")
        let tokens = try House(configuration(#"tenant_budget = ["9999999 tokens/day"]"#, price: ""))
        #expect(try tokens.chat("hello", key: tokens.key).status == 200)
    }

    @Test func `whoever nears a budget is told so on the answer`() throws {
        let body = body()
        let house = try House(configuration("key_budget = [\"$\(worst(body) + 10) total\"]"))
        let answer = try house.call(
            .post, "/v1/chat/completions", key: house.key, body: String(decoding: body.serialized(), as: UTF8.self))
        let warning = try #require(answer.fields["x-gatehouse-budget-warning"])
        #expect(warning.hasPrefix("budget_dollars_total; key; 9"))
    }

    @Test func `people behind one key have budgets of their own`() throws {
        let house = try House(configuration(#"user_budget = ["$150 total"]"#))
        func status(_ user: String) throws -> Int {
            try house.call(
                .post, "/v1/chat/completions", key: house.key, fields: ["x-end-user": user],
                body: String(decoding: body(tokens: 40).serialized(), as: UTF8.self)
            ).status
        }
        var ana: [Int] = []
        for _ in 0..<6 { ana.append(try status("ana")) }
        #expect(ana.first == 200 && ana.last == 429, "\(ana)")
        #expect(try status("ben") == 200)
    }

    @Test func `what the operator sets for a tenant or a key holds at once, and goes again`() throws {
        let house = try House(configuration(""))
        let operatorClient = AdminClient(socketPath: try #require(house.socketPath))
        #expect(try house.chat("hello", key: house.key).status == 200)
        _ = try operatorClient.call(
            .patch, "/admin/v1/limits/tenants/default", body: ["budgets": ["$10 total"], "limits": ["3 requests/day"]])
        #expect(try house.chat("hello", key: house.key).code == "insufficient_quota")
        #expect(try house.chat("hello", key: house.key).code == "insufficient_quota")
        #expect(try house.chat("hello", key: house.key).code == "insufficient_quota")
        #expect(try house.chat("hello", key: house.key).code == "rate_limit_exceeded")
        let shown = try operatorClient.call(.get, "/admin/v1/limits/tenants/default")
        #expect(shown["budgets"]?.array?.compactMap(\.string) == ["$10 total"])
        // The budget, the requests, and the units that a tenant has by default.
        #expect(shown["left"]?.array?.count == 3)
        #expect(try operatorClient.call(.get, "/admin/v1/limits")["data"]?.array?.count == 1)
        _ = try operatorClient.call(
            .patch, "/admin/v1/limits/tenants/default", body: ["budgets": .null, "limits": .null])
        #expect(try house.chat("hello", key: house.key).status == 200)
        for body in [["budgets": ["often"]], ["limits": 5], ["colour": "red"]] as [JSONValue] {
            #expect(throws: AdminClient.Failure.self) {
                _ = try operatorClient.call(.patch, "/admin/v1/limits/tenants/default", body: body)
            }
        }
    }

    @Test func `a budget that is set while a call is under way counts it when it ends, once`() throws {
        let house = try House(configuration(#"tenant = ["64 concurrent"]"#))
        let operatorClient = AdminClient(socketPath: try #require(house.socketPath))
        let slow = try house.caller(body: body("/delay 1s\nhello"))
        let answer = Monitor<JSONValue?>(nil)
        let thread = try NamedThread.start(name: "caller") {
            let given = try? slow()
            answer.withLock { $0 = given }
        }
        func left(_ name: String) throws -> JSONValue? {
            try house.call(.get, "/v1/limits", key: house.key).json?["data"]?.array?.first {
                $0["scope"]?.string == "tenant" && ($0["name"]?.string ?? "").hasPrefix(name)
            }?["remaining"]
        }
        let deadline = Instant.now() + .seconds(20)
        // Who asks for it is one of them.
        while try left("concurrent")?.int != 62, .now() < deadline {}
        _ = try operatorClient.call(.patch, "/admin/v1/limits/tenants/default", body: ["budgets": ["$100000 total"]])
        #expect(try left("budget_")?.string == "100000")
        thread.join()
        let used = try #require(answer.withLock { $0 }?["usage"]?["total_tokens"]?.int)
        while try left("budget_")?.string != String(100_000 - used), .now() < deadline {}
        #expect(try left("budget_")?.string == String(100_000 - used))
    }

    @Test func `a budget without the audit log is refused when the configuration is read`() {
        let text = configuration(#"key_budget = ["$5/day"]"#).replacing("[audit]\nsegment_bytes = \"1MiB\"\n", with: "")
        #expect(throws: (any Error).self) { try House(text) }
    }
}
