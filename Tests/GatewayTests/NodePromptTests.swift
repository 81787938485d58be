// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Testing

@testable import Gateway

/// What naming a node makes of a request.
struct NodePromptTests {
    private let node = NodeModel(id: "node_1", model: "fast", systemPrompt: "Be \"brief\".")

    private func applied(_ body: String, _ route: ModelRoute, _ node: NodeModel? = nil) throws -> String {
        let document = try JSONDocument(parsing: Array(body.utf8))
        return String(decoding: try NodePrompt.applied(node ?? self.node, to: document, route).bytes, as: UTF8.self)
    }

    @Test(arguments: [
        (
            ModelRoute.chat, #"{"model":"node/a","messages":[{"role":"user","content":"hi"}] , "n":1}"#,
            #"{"model":"fast","messages":[{"role":"system","content":"Be \"brief\"."},{"role":"user","content":"hi"}] , "n":1}"#
        ),
        (
            .chat, #"{"messages":[ ],"model":"node/a"}"#,
            #"{"messages":[{"role":"system","content":"Be \"brief\"."} ],"model":"fast"}"#
        ),
        (
            .responses, #"{"model":"node/a","input":"hi","instructions":"In Spanish."}"#,
            #"{"model":"fast","input":"hi","instructions":"Be \"brief\".\n\nIn Spanish."}"#
        ),
        (
            .responses, #"{"model":"node/a","instructions":null,"input":"hi"}"#,
            #"{"model":"fast","instructions":"Be \"brief\".","input":"hi"}"#
        ),
        (
            .messages, #"{"model":"node/a","system":"In Spanish.","messages":[]}"#,
            #"{"model":"fast","system":"Be \"brief\".\n\nIn Spanish.","messages":[]}"#
        ),
        (
            .messages, #"{"model":"node/a","system":[{"type":"text","text":"x"}],"messages":[]}"#,
            #"{"model":"fast","system":[{"type":"text","text":"Be \"brief\"."},{"type":"text","text":"x"}],"messages":[]}"#
        ),
    ])
    func `puts the node's model and prompt where the protocol has them`(
        route: ModelRoute, body: String, expected: String
    ) throws {
        #expect(try applied(body, route) == expected)
    }

    @Test func `adds the member where a request has none`() throws {
        let text = try applied(#"{"model":"node/a","messages":[]}"#, .messages)
        #expect(try JSONValue(parsing: Array(text.utf8))["system"]?.string == "Be \"brief\".")
    }

    @Test(arguments: [ModelRoute.chat, .responses, .messages, .countTokens])
    func `leaves everything but the model alone when the node has no prompt`(route: ModelRoute) throws {
        let silent = NodeModel(id: "node_1", model: "fast", systemPrompt: "")
        #expect(try applied(#"{"model":"node/a","messages":7}"#, route, silent) == #"{"model":"fast","messages":7}"#)
    }

    @Test(arguments: [
        (ModelRoute.completions, #"{"model":"node/a","prompt":"x"}"#),
        (.embeddings, #"{"model":"node/a","input":"x"}"#),
        (.chat, #"{"model":"node/a","messages":"x"}"#), (.chat, #"{"model":"node/a"}"#),
        (.messages, #"{"model":"node/a","system":7}"#), (.responses, #"{"model":"node/a","instructions":[]}"#),
    ])
    func `refuses a request that has no place for a prompt`(route: ModelRoute, body: String) throws {
        let document = try JSONDocument(parsing: Array(body.utf8))
        let fault = #expect(throws: Fault.self) { try NodePrompt.applied(node, to: document, route) }
        #expect(fault?.code == .invalidParameter)
    }
}
