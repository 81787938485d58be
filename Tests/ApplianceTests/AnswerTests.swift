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

    @Test func `OPTIONS of the server as a whole is answered`() throws {
        let policy = DoorPolicy(kind: .network, names: .init(hosts: ["x"], origins: []))
        let head = try RequestHead(parsing: Array("OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n".utf8))
        #expect(head.path == "*")
        #expect(policy.accepts(host: head))
    }

    /// What a query may hold, and what becomes of it when it came in clear.
    @Test(arguments: [
        ("", QueryContent.harmless), ("a=1&b=2", .harmless), ("keys=1&tokens=3", .harmless),
        ("limit=20&after=x", .harmless),
        ("api_key=x", .credential), ("a=1&KEY=x", .credential), ("access-token=x", .credential),
        ("api%5Fkey=x", .credential),
        ("token", .credential), ("q=ghk_abc", .credential), ("q=sk-abc", .credential), ("q=eyJhbGciOi", .credential),
        ("q=Bearer+x", .credential), ("x-api-key=", .credential), ("code=1", .credential), ("Signature=x", .credential),
        ("q=0123456789abcdef0123456789abcdef", .harmless), ("q=0123456789abcdef0123456789abcdef0", .opaque),
        ("0123456789abcdef0123456789abcdef0", .opaque),
    ])
    func `a query that may hold a secret is told from one that does not`(_ query: String, _ content: QueryContent)
        throws
    {
        let head = try RequestHead(parsing: Array("GET /?\(query) HTTP/1.1\r\nhost: x\r\n\r\n".utf8))
        #expect(QueryContent(head.queryItems) == content)
    }
}
