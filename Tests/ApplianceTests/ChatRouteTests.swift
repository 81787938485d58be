// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Support
import Testing

@testable import Appliance

/// Chat with nodes, over the wire.
@Suite(.serialized) struct ChatRouteTests {
    private let house: House
    private let client: AdminClient

    init() throws {
        house = try House(
            House.configuration.replacing("requests_per_hour = 20", with: "requests_per_hour = 1000"))
        client = AdminClient(socketPath: try #require(house.socketPath))
    }

    private func consent(_ isGranted: Bool, tenant: String = "default") throws {
        _ = try client.call(
            .put, "/admin/v1/tenants/\(tenant)/consents", body: ["scopes": ["threads": .bool(isGranted)]])
    }

    private func key(of tenant: String, models: [String] = []) throws -> String {
        let scopes = Scope.allCases.map { JSONValue.string($0.rawValue) }
        var body: JSONValue = ["name": "k", "tenant": .string(tenant), "scopes": .array(scopes)]
        if !models.isEmpty { body["models"] = .array(models.map(JSONValue.string)) }
        return try #require(try client.call(.post, "/admin/v1/keys", body: body)["key"]?.string)
    }

    @discardableResult
    private func post(_ path: String, _ body: JSONValue, key: String? = nil, fields: Fields = [:]) throws
        -> House.Answer
    {
        try house.call(
            .post, path, key: key ?? house.key, fields: fields, body: String(decoding: body.serialized(), as: UTF8.self)
        )
    }

    private func node(_ alias: String = "helper", key: String? = nil) throws -> String {
        let answer = try post(
            "/v1/nodes", ["alias": .string(alias), "model": "echo", "system_prompt": "Be kind."], key: key)
        return try #require(answer.json?["id"]?.string)
    }

    private func thread(_ answer: House.Answer) throws -> String {
        try #require(answer.json?["thread_id"]?.string)
    }

    @Test func `a turn is answered whole or as events, by the node's id and its alias`() throws {
        let id = try node()
        for name in [id, "helper"] {
            let answer = try post("/v1/nodes/\(name)/chat", ["content": "hello"])
            #expect(answer.status == 200 && answer.json?["message"]?["content"]?.string == "hello")
            #expect(answer.fields["x-gatehouse-model"] == "echo")
            let events = try post("/v1/nodes/\(name)/chat", ["content": "hello", "stream": true])
            #expect(events.fields["content-type"]?.hasPrefix("text/event-stream") == true)
            let text = String(decoding: events.body, as: UTF8.self)
            #expect(text.hasSuffix("data: [DONE]\n\n") && text.contains(#""content":"hello""#))
        }
    }

    @Test func `a tenant reaches no node, thread or run of another`() throws {
        try consent(true)
        let other = try key(of: "acme")
        _ = try node()
        let thread = try thread(try post("/v1/nodes/helper/chat", ["content": "mine", "correlation_id": "c"]))
        try consent(false)
        let held = try self.thread(try post("/v1/nodes/helper/chat", ["content": "mine", "client_message_id": "m"]))
        let run = try #require(
            try post("/v1/nodes/helper/chat", ["content": "mine", "mode": "async"]).json?["poll_url"]?.string)
        for path in ["/v1/nodes/helper/chit", run] {
            #expect(try house.call(.get, path, key: other).code == "not_found")
        }
        #expect(try post("/v1/nodes/helper/chat", ["content": "x"], key: other).code == "not_found")
        let named: JSONValue = ["model": "node/helper", "messages": [["role": "user", "content": "x"]]]
        #expect(try post("/v1/chat/completions", named, key: other).code == "model_not_found")
        // The same alias there is another node.
        _ = try node(key: other)
        for id in [thread, held] {
            #expect(
                try post("/v1/nodes/helper/chat", ["content": "x", "thread_id": .string(id)], key: other).code
                    == "not_found")
            #expect(try house.call(.delete, "/v1/threads/\(id)", key: other).code == "not_found")
        }
        for body: JSONValue in [
            ["content": "mine", "correlation_id": "c"], ["content": "mine", "client_message_id": "m"],
        ] {
            let answer = try post("/v1/nodes/helper/chat", body, key: other)
            let new = try self.thread(answer)
            #expect(answer.status == 200 && ![thread, held].contains(new))
        }
        #expect(
            try house.call(.get, "/v1/models", key: other).json?["data"]?.array?.contains { $0["id"] == "node/helper" }
                == true)
    }

    @Test func `a key that is bound to a node uses it, its model included, and nothing else`() throws {
        _ = try node()
        _ = try node("secret")
        let bound = try key(of: "default", models: ["node/helper"])
        #expect(try post("/v1/nodes/helper/chat", ["content": "x"], key: bound).status == 200)
        #expect(try post("/v1/nodes/secret/chat", ["content": "x"], key: bound).code == "node_not_allowed")
        #expect(try house.call(.get, "/v1/nodes/secret/chit", key: bound).code == "node_not_allowed")
        let turns: JSONValue = [["role": "user", "content": "x"]]
        for (model, status) in [("node/helper", 200), ("node/secret", 404), ("echo", 404)] {
            let answer = try post("/v1/chat/completions", ["model": .string(model), "messages": turns], key: bound)
            #expect(answer.status == status, "\(model)")
        }
        for (node, status) in [("helper", 200), ("secret", 404)] {
            let run = try post("/v1/nodes/\(node)/chat", ["content": "x", "mode": "async"]).json?["poll_url"]?.string
            #expect(try house.call(.get, try #require(run), key: bound).status == status)
        }
        let listed = try house.call(.get, "/v1/models", key: bound).json?["data"]?.array?.compactMap {
            $0["id"]?.string
        }
        #expect(listed == ["node/helper"])
    }

    @Test func `a deleted node takes its threads along, those in memory too`() throws {
        _ = try node()
        let held = try thread(try post("/v1/nodes/helper/chat", ["content": "x"]))
        let run = try #require(
            try post("/v1/nodes/helper/chat", ["content": "x", "mode": "async"]).json?["poll_url"]?.string)
        #expect(try house.call(.delete, "/v1/nodes/helper", key: house.key).status == 200)
        #expect(try house.call(.get, run, key: house.key).status == 404)
        _ = try node()
        #expect(
            try post("/v1/nodes/helper/chat", ["content": "x", "thread_id": .string(held)]).code == "not_found")
    }

    @Test func `a body that says nothing of its type, or something else, is refused`() throws {
        _ = try node()
        let untyped = try house.call(
            .post, "/v1/nodes/helper/chat", key: house.key, body: #"{"content":"x"}"#, isTyped: true)
        #expect(untyped.status == 415)
        #expect(try post("/v1/nodes/helper/chat", ["content": "x", "at": "now"]).json?["error"]?["param"] == "at")
    }
}
