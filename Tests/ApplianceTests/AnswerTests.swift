// SPDX-License-Identifier: Apache-2.0

import HTTP
import JSON
import Testing

@testable import Appliance
@testable import Core

/// What stands on every answer, whatever became of the request.
@Suite(.serialized) struct AnswerTests {
    private static let names = [
        "x-request-id", "strict-transport-security", "x-content-type-options", "x-frame-options", "referrer-policy",
        "permissions-policy", "content-security-policy", "cross-origin-opener-policy", "cross-origin-resource-policy",
        "cache-control",
    ]

    @Test func `every answer carries the house's fields, errors too`() throws {
        let house = try House()
        let answers: [(String, House.Answer)] = [
            ("200", try house.chat("hello", key: house.key)),
            (
                "stream",
                try house.call(
                    .post, "/v1/chat/completions", key: house.key,
                    body: #"{"model":"echo","stream":true,"messages":[{"role":"user","content":"a b"}]}"#)
            ),
            ("400", try house.call(.post, "/v1/chat/completions", key: house.key, body: "{")),
            ("401", try house.chat("hello", key: nil)),
            ("403", try house.call(.get, "/admin/v1/keys", key: house.key)),
            ("404", try house.call(.get, "/nowhere", key: house.key)),
            ("405", try house.call(.delete, "/v1/models", key: house.key)),
            (
                "415",
                try house.call(.post, "/v1/chat/completions", key: house.key, fields: ["content-type": "text/plain"])
            ),
            ("live", try house.call(.get, "/livez")),
            ("provider's 500", try house.chat("/fail 500", key: house.key)),
        ]
        for (what, answer) in answers {
            for name in Self.names {
                #expect(answer.fields.count(of: name) == 1, "\(what) (\(answer.status)): \(name)")
            }
            #expect(answer.fields["server"] == nil)
        }
    }

    @Test func `errors have every key of their shape`() throws {
        let house = try House()
        let error = try #require(try house.chat("x", key: "ghk_no").json?["error"]?.object)
        #expect(error.members.map(\.name) == ["message", "type", "code", "param", "request_id"])
        let anthropic = try house.call(
            .post, "/v1/messages", key: "ghk_no", body: #"{"model":"echo","max_tokens":5,"messages":[]}"#)
        #expect(anthropic.json?["type"]?.string == "error")
        #expect(anthropic.json?["error"]?["type"]?.string == "authentication_error")
        #expect(anthropic.json?["request_id"]?.string == anthropic.fields["request-id"])
    }

    @Test(arguments: [
        ("application/json", 200), ("application/json; charset=utf-8", 200), ("Application/JSON ;charset=utf-8", 200),
        ("application/jsonfoo", 415), ("text/plain", 415), ("application/json-seq", 415),
    ])
    func `a body is JSON or nothing`(_ type: String, _ status: Int) throws {
        let house = try House()
        var fields: Fields = ["authorization": "Bearer \(house.key)"]
        fields.append("content-type", type)
        let answer = try house.call(
            .post, "/v1/chat/completions", fields: fields,
            body: #"{"model":"echo","messages":[{"role":"user","content":"a"}]}"#, isTyped: true)
        #expect(answer.status == status)
    }

    @Test func `a foreign host name is refused, not served`() throws {
        let policy = DoorPolicy(kind: .network, names: .init(hosts: ["ai.example.org"], origins: []))
        let own = try RequestHead(parsing: Array("GET / HTTP/1.1\r\nhost: AI.example.org:8443\r\n\r\n".utf8))
        let foreign = try RequestHead(parsing: Array("GET / HTTP/1.1\r\nhost: ai.example.org.evil.net\r\n\r\n".utf8))
        #expect(policy.accepts(host: own))
        #expect(!policy.accepts(host: foreign))
    }

    @Test(arguments: [
        "https://app.example.org.evil.net", "https://evil-app.example.org", "http://app.example.org",
        "https://app.example.org:444", "HTTPS://APP.EXAMPLE.ORG", "https://app.example.org/", "null", "",
        "https://app.example.orgx", "https://sub.app.example.org",
    ])
    func `an origin that is not on the list gets no cross-origin field`(_ origin: String) throws {
        let policy = DoorPolicy(
            kind: .network, names: .init(hosts: ["x"], origins: ["https://app.example.org"]))
        let text = "OPTIONS / HTTP/1.1\r\nhost: x\r\norigin: \(origin)\r\naccess-control-request-method: POST\r\n\r\n"
        let head = try RequestHead(parsing: Array(text.utf8))
        #expect(!policy.isPreflight(head))
        #expect(policy.crossOriginFields(for: head)["access-control-allow-origin"] == nil)
    }

    @Test func `an origin on the list is answered by name`() throws {
        let policy = DoorPolicy(
            kind: .network, names: .init(hosts: ["x"], origins: ["https://app.example.org"]))
        let text =
            "OPTIONS / HTTP/1.1\r\nhost: x\r\norigin: https://app.example.org\r\naccess-control-request-method: POST\r\n\r\n"
        let head = try RequestHead(parsing: Array(text.utf8))
        #expect(policy.isPreflight(head))
        let fields = policy.crossOriginFields(for: head)
        #expect(fields["access-control-allow-origin"] == "https://app.example.org")
        #expect(fields["vary"] == "origin")
    }
}
