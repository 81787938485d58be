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
        (ModelRoute.chat, #""messages":[]"#, #","max_completion_tokens":9}"#),
        (.chat, #""messages":[],"max_tokens":10"#, #""max_tokens":9}"#),
        (.chat, #""messages":[],"max_tokens":8"#, #""max_tokens":8}"#),
        (
            .chat, #""messages":[],"max_tokens":8,"max_completion_tokens":10"#,
            #""max_tokens":8,"max_completion_tokens":9}"#
        ),
        (.chat, #""messages":[],"max_completion_tokens":null"#, #""max_completion_tokens":9}"#),
        (.chat, #""messages":[],"max_tokens":"10""#, #""max_tokens":"10"}"#),
        (.responses, #""input":"x","max_output_tokens":11"#, #""max_output_tokens":9}"#),
        (.messages, #""messages":[],"max_tokens":1000000"#, #""max_tokens":9}"#),
        (.countTokens, #""messages":[]"#, #""messages":[]}"#),
    ])
    func `holds the answer to the node's bound`(route: ModelRoute, members: String, end: String) throws {
        let node = NodeModel(id: "node_1", model: "fast", systemPrompt: "", outputTokensMax: 9)
        let document = try JSONDocument(parsing: Array(#"{"model":"node/a",\#(members)}"#.utf8))
        let text = String(decoding: try NodePrompt.applied(node, to: document, route, .openai).bytes, as: UTF8.self)
        #expect(text.hasSuffix(end), "\(text)")
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

    @Test(
        arguments: [
            (nil, nil), ("In Spanish.", "In Spanish."), ("", ""), ("Be \"brief\".", "Be \"brief\"."),
            ("\n\nx", "\n\nx"),
        ] as [(String?, String?)])
    func `an answer repeats the client's instructions and not the prompt`(own: String?, repeated: String?) throws {
        let member = own.map {
            "," + "\"instructions\":" + String(decoding: JSONValue.string($0).serialized(), as: UTF8.self)
        }
        let text = try applied(#"{"model":"node/a","input":"hi"\#(member ?? "")}"#, .responses)
        var request = try OpenAIResponsesDecoder.decode(JSONDocument(parsing: Array(text.utf8)).root)
        #expect(request.messages.first?.text.hasPrefix(node.systemPrompt) == true)
        request.nodePrompt = node.systemPrompt
        let head = AnswerHead(id: "1", model: "fast", created: 0)
        #expect(ResponseObject(request, head).json(isOver: true)["instructions"]?.string == repeated)
    }

    @Test(arguments: [
        (ModelRoute.chat, #""messages":[{"role":"user","content":"123456789"}]"#, false),
        (.chat, #""messages":[{"role":"user","content":"12345678"},{"role":"user","content":"12345678"}]"#, true),
        (.chat, #""messages":[{"role":"user","content":"1"},{"role":"user","content":"12345678\u0039"}]"#, false),
        (.chat, #""messages":[{"role":"user","content":[{"type":"text","text":"12345678"}]}]"#, true),
        (.chat, #""messages":[{"role":"user","content":[{"type":"text","text":"12345"},{"text":"6789"}]}]"#, false),
        (.chat, #""messages":[{"role":"user","content":[{"type":"image_url","image_url":"x"}]}]"#, false),
        (.chat, #""messages":[{"role":"assistant","content":"1","tool_calls":["123456789"]}]"#, false),
        (.chat, #""messages":[{"role":"user","content":[{"text":[[{"text":"123456789"}]]}]}]"#, false),
        (.chat, #""messages":["123456789"]"#, false), (.responses, #""input":"123456789""#, false),
        (.responses, #""input":"12345678""#, true), (.responses, #""input":[{"content":"123456789"}]"#, false),
        (.responses, #""input":"1","instructions":"123456789""#, false),
        (.messages, #""messages":[],"system":"123456789""#, false),
        (.messages, #""messages":[],"system":[{"type":"text","text":"123456789"}]"#, false),
        (.messages, #""messages":[],"system":[{"type":"text","text":"12345678"}]"#, true),
        (.messages, #""messages":[{"role":"user","content":"12345678"}]"#, true),
    ])
    func `holds each message to the node's bound`(route: ModelRoute, members: String, fits: Bool) throws {
        let node = NodeModel(id: "node_1", model: "fast", systemPrompt: "A long prompt.", inputBytesMax: 8)
        let document = try JSONDocument(parsing: Array(#"{"model":"node/a",\#(members)}"#.utf8))
        if fits {
            _ = try NodePrompt.applied(node, to: document, route)
        } else {
            let fault = #expect(throws: Fault.self) { try NodePrompt.applied(node, to: document, route) }
            #expect(fault?.code == .payloadTooLarge)
        }
    }
}
