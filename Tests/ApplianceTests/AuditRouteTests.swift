// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Support
import Testing

@testable import Appliance

/// What stands in the audit log of a whole server, as its routes tell it.
@Suite(.serialized) struct AuditRouteTests {
    private static let chat = #""model":"echo","messages":[{"role":"user","content":"marker-4711"}]"#

    private func records(_ house: House, _ query: String = "") throws -> [JSONValue] {
        let client = AdminClient(socketPath: try #require(house.socketPath))
        return try client.call(.get, "/admin/v1/audit?limit=100\(query)")["data"]?.array ?? []
    }

    /// The kinds of the records of the request that an answer belongs to, oldest first.
    private func kinds(_ house: House, of answer: House.Answer) throws -> [String] {
        let id = try #require(answer.fields["x-request-id"])
        return try records(house, "&request=\(id)").reversed().compactMap { $0["kind"]?.string }
    }

    @Test(arguments: ["", #","stream":true"#])
    func `an exchange has one intent and one outcome, and a server without the stage has none`(_ stream: String) throws
    {
        let house = try House()
        let answer = try house.call(.post, "/v1/chat/completions", key: house.key, body: "{\(Self.chat)\(stream)}")
        #expect(answer.status == 200)
        #expect(try kinds(house, of: answer) == ["intent", "outcome"])
        let outcome = try #require(try records(house).first { $0["kind"]?.string == "outcome" })
        #expect(outcome["model"]?.string == "echo" && outcome["provider"]?.string == "builtin")
        #expect(outcome["outcome"]?.string == "answered" && outcome["status"]?.int == 200)
        #expect((outcome["output_tokens"]?.int ?? 0) > 0 && outcome["estimated"] == nil)
        #expect(outcome["action"]?.string == "chat.completions.create")
        #expect(outcome["key"]?.string == String(house.key.prefix(12)))
        let weak = try House(leavingOutStagesOf: ["audit"])
        let unrecorded = try weak.call(.post, "/v1/chat/completions", key: weak.key, body: "{\(Self.chat)\(stream)}")
        #expect(unrecorded.status == 200)
        #expect(try kinds(weak, of: unrecorded) == [])
    }

    @Test func `a refusal is one record with its stage, code and rule`() throws {
        let house = try House()
        let unknown = try house.call(
            .post, "/v1/chat/completions", key: house.key, body: #"{"model":"nobody","messages":[]}"#)
        #expect(try kinds(house, of: unknown) == ["refusal"])
        for _ in 0..<25 { _ = try house.chat("x", key: house.key) }
        let limited = try #require(
            try records(house, "&code=rate_limit_exceeded").first { $0["kind"]?.string == "refusal" })
        #expect(limited["stage"]?.string == "admit" && limited["rule"]?.string == "requests_per_hour")
        #expect(limited["status"]?.int == 429)
    }

    @Test func `an operator's act is recorded with who, what, and what changed`() throws {
        let house = try House()
        let client = AdminClient(socketPath: try #require(house.socketPath))
        let tenant = try #require(try client.call(.post, "/admin/v1/tenants", body: ["name": "acme"])["id"]?.string)
        _ = try client.call(.patch, "/admin/v1/tenants/acme", body: ["status": "suspended"])
        _ = try client.call(.get, "/admin/v1/tenants")
        let acts = try records(house, "&tenant=\(tenant)").filter { $0["kind"]?.string == "act" }
        #expect(acts.map { $0["action"]?.string } == ["tenants.change", "tenants.create"])
        let change = try #require(acts.first)
        #expect(change["actor_kind"]?.string == "socket" && change["actor"]?.string?.hasPrefix("uid ") == true)
        #expect(change["object_id"]?.string == tenant)
        #expect(change["before"]?.string != nil && change["before"]?.string != change["after"]?.string)
        let whole = String(decoding: JSONValue.array(try records(house)).serialized(), as: UTF8.self)
        #expect(!whole.contains("acme"), "a name that somebody chose is a digest")
        #expect(throws: AdminClient.Failure.self) { try client.call(.patch, "/admin/v1/tenants/nobody", body: [:]) }
        #expect(try records(house, "&action=tenants.change").first?["outcome"]?.string == "failed")
    }

    @Test func `no record has content`() throws {
        let house = try House()
        _ = try house.call(.post, "/v1/chat/completions", key: house.key, body: "{\(Self.chat)}")
        let whole = String(decoding: JSONValue.array(try records(house)).serialized(), as: UTF8.self)
        #expect(whole.contains("chat.completions.create") && !whole.contains("marker-4711"))
    }

    @Test func `a tenant sees its own records, and says what it thinks of a refusal`() throws {
        let house = try House()
        let answer = try house.call(
            .post, "/v1/chat/completions", key: house.key, body: #"{"model":"nobody","messages":[]}"#)
        let request = try #require(answer.fields["x-request-id"])
        let own = try #require(try house.call(.get, "/v1/audit?request=\(request)", key: house.key).json)
        #expect(own["data"]?.array?.count == 1 && own["data"]?.array?.first?["sequence"] == nil)
        let path = "/v1/refusals/ref_" + request.dropFirst(4)
        let said = try house.call(.patch, path, key: house.key, body: #"{"disposition":"false_positive"}"#)
        #expect(said.status == 200)
        let listed = try #require(try house.call(.get, "/v1/refusals", key: house.key).json?["data"]?.array)
        #expect(listed.first?["disposition"]?.string == "false_positive")
        let foreign = "/v1/refusals/ref_01JD0000000000000000000000"
        #expect(try house.call(.patch, foreign, key: house.key, body: #"{"disposition":"correct"}"#).status == 404)
        let page = try #require(try house.call(.get, "/v1/audit?limit=1", key: house.key).json)
        let cursor = try #require(page["next_cursor"]?.string)
        #expect(try house.call(.get, "/v1/audit?limit=1&after=\(cursor)", key: house.key).status == 200)
        #expect(try house.call(.get, "/v1/audit?after=7", key: house.key).status == 400)
    }
}
