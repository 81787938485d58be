// SPDX-License-Identifier: Apache-2.0

import HTTP
import JSON
import Support
import Testing

@testable import Appliance

/// The one ledger of units (row S3) as clients meet it, on a whole server.
@Suite(.serialized) struct UnitLedgerTests {
    private func house(_ limiter: String, leavingOutStagesOf leaving: Set<String> = []) throws -> House {
        let house = try House(
            House.configuration.replacing("requests_per_hour = 20", with: limiter), leavingOutStagesOf: leaving)
        let client = AdminClient(socketPath: try #require(house.socketPath))
        _ = try client.call(.put, "/admin/v1/tenants/default/consents", body: ["scopes": ["files": true]])
        return house
    }

    private func upload(_ house: House, fields: Fields = [:]) throws -> House.Answer {
        var fields = fields
        fields.append("content-type", "multipart/form-data; boundary=xYz")
        let body =
            "--xYz\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n"
            + "--xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhello\r\n--xYz--\r\n"
        return try house.call(.post, "/v1/files", key: house.key, fields: fields, body: body, isTyped: true)
    }

    /// Eleven units, at the worst as in the end.
    private func chat(_ house: House, fields: Fields = [:]) throws -> House.Answer {
        try house.call(
            .post, "/v1/chat/completions", key: house.key, fields: fields,
            body: #"{"model":"echo","max_tokens":20,"messages":[{"role":"user","content":"hello"}]}"#)
    }

    private func embed(_ house: House) throws -> House.Answer {
        try house.call(.post, "/v1/embeddings", key: house.key, body: #"{"model":"echo","input":"hello"}"#)
    }

    @Test func `whoever has drained it with files calls no model, and without the stage they do`() throws {
        let text = "tenant = [\"30 units/hour\"]\nunits_delay = 100"
        let strict = try house(text)
        #expect(try (0..<6).map { _ in try upload(strict).status } == [200, 200, 200, 200, 200, 429])
        let refused = try chat(strict)
        #expect(refused.status == 429 && refused.code == "abuse_budget_exceeded")
        #expect(refused.fields["retry-after"] != nil && refused.fields["x-should-retry"] == "false")
        let limit = refused.json?["error"]?["limit"]
        #expect(limit?["name"]?.string == "units_per_hour" && limit?["scope"]?.string == "tenant")
        // Until so much is free again, and no longer than the window and a granule of it.
        #expect((3500...3631).contains(Int(refused.fields["retry-after"] ?? "") ?? 0))
        #expect(try embed(strict).code == "abuse_budget_exceeded")
        // What costs nothing goes on.
        let limits = try strict.call(.get, "/v1/limits", key: strict.key)
        let units = limits.json?["data"]?.array?.first {
            $0["name"]?.string == "units_per_hour" && $0["scope"]?.string == "tenant"
        }
        #expect(units?["remaining"]?.int == 0)
        let weak = try house(text, leavingOutStagesOf: ["limiter"])
        #expect(try (0..<6).map { _ in try upload(weak).status } == Array(repeating: 200, count: 6))
        #expect(try chat(weak).status == 200)
    }

    @Test func `near its end it warns, then has people wait, then refuses, and without the stage it never does`() throws
    {
        let text = "key = [\"44 units/hour\"]\nunits_warning = 50\nunits_delay = 60\nunits_delay_max = \"50ms\""
        let house = try house(text)
        let answers = try (0..<5).map { _ in try chat(house) }
        #expect(answers.map(\.status) == [200, 200, 200, 200, 429])
        #expect(
            answers.map { $0.fields["x-gatehouse-units-warning"] } == [
                nil, "units_per_hour; key; 50%", "units_per_hour; key; 75%", "units_per_hour; key; 100%", nil,
            ])
        #expect(answers.map { $0.fields["x-gatehouse-delayed"] } == [nil, nil, "18ms", "50ms", nil])
        let weak = try self.house(text, leavingOutStagesOf: ["limiter"])
        let careless = try (0..<5).map { _ in try chat(weak) }
        #expect(careless.map(\.status) == Array(repeating: 200, count: 5))
        let told = ["x-gatehouse-units-warning", "x-gatehouse-delayed", "x-ratelimit-remaining-requests"]
        #expect(careless.allSatisfy { answer in told.allSatisfy { answer.fields[$0] == nil } })
    }

    @Test func `people behind one key have ledgers of their own, for files as for models`() throws {
        let house = try house("user = [\"25 units/hour\"]\nunits_delay = 100")
        let (ana, ben): (Fields, Fields) = (["x-end-user": "ana"], ["x-end-user": "ben"])
        #expect(try chat(house, fields: ana).status == 200 && chat(house, fields: ana).status == 200)
        #expect(try upload(house, fields: ana).code == "abuse_budget_exceeded")
        #expect(try upload(house, fields: ben).status == 200 && chat(house).status == 200)
    }

    @Test func `the whole server has one too, which only the operator sees`() throws {
        let house = try house("instance = [\"30 units/hour\"]\nunits_delay = 100")
        #expect(try chat(house).status == 200 && chat(house).status == 200)
        let refused = try chat(house)
        #expect(refused.json?["error"]?["limit"]?["scope"]?.string == "instance")
        let client = AdminClient(socketPath: try #require(house.socketPath))
        let shown = try client.call(.get, "/admin/v1/limits")["instance"]?.array
        #expect(shown?.map { $0["remaining"]?.int } == [8])
        let limits = try house.call(.get, "/v1/limits", key: house.key)
        #expect(limits.json?["data"]?.array?.contains { $0["scope"]?.string == "instance" } == false)
    }

    @Test func `two hundred at once on units for ten reach the model ten times`() throws {
        func answered(_ house: House) throws -> Int {
            try house.statuses(
                200, "/v1/chat/completions", key: house.key,
                body: [
                    "model": "echo", "max_tokens": 20,
                    "messages": [["role": "user", "content": "hello"]],
                ]
            ).count { $0 == 200 }
        }
        let text = "requests_per_hour = 100000\naddress = [\"110 units/hour\"]\nunits_delay = 100"
        #expect(try answered(house(text)) == 10)
        #expect(try answered(house(text, leavingOutStagesOf: ["limiter"])) == 200)
    }
}
