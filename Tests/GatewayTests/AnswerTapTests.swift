// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Log
import Platform
import Testing

@testable import Gateway

struct AnswerTapTests {
    static let streams = AnswerGoldenTests.files.filter {
        $0.settings["stream"] == "yes" && $0.settings["broken"] == nil && $0.settings["answer tool"] == nil
    }

    private static func route(_ golden: Golden) -> ModelRoute {
        golden.settings["kind"] == "anthropic" ? .messages : .chat
    }

    private static func run(_ tap: inout AnswerTap, _ pieces: [[UInt8]]) -> String {
        text(pieces.flatMap { tap.receive($0) } + tap.end())
    }

    @Test(arguments: streams)
    func `a stream passes byte for byte where nothing must change`(_ golden: Golden) throws {
        let upstream = try #require(golden["upstream"])
        let expected = AnswerSummary(AnswerGoldenTests.events(golden, [Array(upstream.utf8)]))
        var whole = AnswerTap(Self.route(golden), requestID: "req_1", showsUsage: true)
        #expect(Self.run(&whole, [Array(upstream.utf8)]).trimmed == upstream.trimmed)
        #expect(whole.summary == expected)
        #expect(whole.isOver)
        var bytewise = AnswerTap(Self.route(golden), requestID: "req_1", showsUsage: true)
        #expect(Self.run(&bytewise, upstream.utf8.map { [$0] }).trimmed == upstream.trimmed)
        #expect(bytewise.summary == expected)
    }

    @Test func `usage that was not asked for is not shown, and known all the same`() throws {
        let upstream = """
            data: {"id":"c", "choices":[{"index":0,"delta":{"content":"a"}}] , "usage":null}

            data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}

            data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}

            data: {"id":"c","choices":[]}

            data: [DONE]


            """
        var tap = AnswerTap(.chat, requestID: "req_1", showsUsage: false)
        let output = Self.run(&tap, upstream.utf8.map { [$0] })
        #expect(
            output == """
                data: {"id":"c", "choices":[{"index":0,"delta":{"content":"a"}}]}

                data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

                data: {"id":"c","choices":[]}

                data: [DONE]


                """)
        #expect(tap.summary.usage == TokenUsage(input: 3, output: 4))
        #expect(tap.summary.outputBytes == 1)
        #expect(tap.summary.finishes == [.stop])
    }

    @Test(arguments: [
        ("data: {\"error\":{\"message\":\"sk-canary\",\"type\":\"server_error\"}}\n\n", "upstream_error"),
        ("data: {\"error\":{\"message\":\"sk-canary\",\"code\":429}}\n\n", "rate_limit_exceeded"),
        ("data: sk-canary\n\n", "upstream_error"),
        ("data: [DONE]\n\n", "upstream_interrupted"),
        ("", "upstream_interrupted"),
        ("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"half", "upstream_error"),
    ])
    func `a broken stream ends as the contract says, without a word of the provider`(_ rest: String, _ code: String) {
        let head = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"so\"}}]}\n\n"
        var tap = AnswerTap(.chat, requestID: "req_1", showsUsage: true)
        let output = Self.run(&tap, Array((head + rest).utf8).map { [$0] })
        #expect(output.hasPrefix(head + "data: {\"error\":{\"message\":"))
        #expect(output.contains("\"code\":\"\(code)\""))
        #expect(output.hasSuffix("\"request_id\":\"req_1\"}}\n\ndata: [DONE]\n\n"))
        #expect(!output.contains("sk-canary"))
        #expect(tap.summary.fault?.code.rawValue == code)
        #expect(tap.receive(Array(head.utf8)).isEmpty)
    }

    @Test func `an Anthropic stream ends with an error event`() {
        var tap = AnswerTap(.messages, requestID: "req_1", showsUsage: true)
        let start = """
            event: message_start
            data: {"type":"message_start","message":{"id":"m","model":"c","content":[],"usage":{"input_tokens":7,"output_tokens":1}}}


            """
        let output = Self.run(&tap, [Array(start.utf8)])
        #expect(output.hasPrefix(start + "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\""))
        #expect(tap.summary.usage == TokenUsage(input: 7, output: 1))
    }

    @Test func `a complete stream without the mark gets it`() {
        var tap = AnswerTap(.chat, requestID: "req_1", showsUsage: true)
        let chunk = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
        #expect(Self.run(&tap, [Array(chunk.utf8)]) == chunk + "data: [DONE]\n\n")
        #expect(tap.summary.fault == nil)
    }

    @Test func `an event without end is refused at its limit`() {
        var tap = AnswerTap(.chat, requestID: "req_1", showsUsage: true)
        let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
        var output: [UInt8] = []
        for _ in 0..<9 where !tap.isOver { output += tap.receive(piece) }
        #expect(tap.isOver)
        #expect(text(output).contains("upstream_error"))
    }

    @Test func `a chunk of usage that names an ended choice does not open it again`() {
        // As LiteLLM 1.97 ends its streams.
        let stream = """
            data: {"choices":[{"index":0,"delta":{"content":"a"}}]}

            data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

            data: {"choices":[{"index":0,"delta":{}}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}

            data: [DONE]


            """
        var tap = AnswerTap(.chat, requestID: "req_1", showsUsage: true)
        let output = tap.receive(Array(stream.utf8)) + tap.end()
        #expect(tap.summary.fault == nil)
        #expect(tap.summary.usage?.output == 1)
        #expect(text(output).hasSuffix("data: [DONE]\n\n"))
        #expect(!text(output).contains("error"))
    }

    /// The texts of a client that joins its deltas, for one protocol.
    private func joined(_ output: [UInt8], _ member: String) -> String {
        var joined = ""
        for line in text(output).split(separator: "\n") where line.hasPrefix("data: {") {
            guard let event = try? JSONValue(parsing: Array(line.dropFirst(6).utf8)) else { continue }
            joined += event["choices"]?[0]?["delta"]?[member]?.string ?? event["delta"]?[member]?.string ?? ""
        }
        return joined
    }

    @Test(arguments: [true, false])
    func `a secret dealt out over deltas is taken out, and nothing else`(_ isGuarded: Bool) {
        let canary = "sk-canary-0123456789abcdef"
        let needles = SecretNeedles([SecretBytes(copying: Array(canary.utf8).span)])
        for size in 1...canary.count {
            for (route, member) in [(ModelRoute.chat, "content"), (.messages, "text")] {
                var tap = AnswerTap(
                    route, requestID: "req_1", showsUsage: true, secrets: isGuarded ? needles : nil)
                var output: [UInt8] = []
                var rest = Substring("key: \(canary), and sk-can of peaches")
                while !rest.isEmpty {
                    let piece = rest.prefix(size)
                    rest = rest.dropFirst(size)
                    let frame =
                        route == .chat
                        ? "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\(piece)\"}}]}\n\n"
                        : "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
                            + "\"delta\":{\"type\":\"text_delta\",\"text\":\"\(piece)\"}}\n\n"
                    output += tap.receive(Array(frame.utf8))
                }
                let end =
                    route == .chat
                    ? "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
                    : "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
                output += tap.receive(Array(end.utf8))
                // Without the needles the same test finds the secret: it can fail.
                #expect(
                    joined(output, member)
                        == (isGuarded
                            ? "key: [redacted], and sk-can of peaches" : "key: \(canary), and sk-can of peaches"),
                    "\(route) in pieces of \(size)")
            }
        }
    }

    private static let schema: JSONValue = [
        "type": "object", "properties": ["a": ["type": "integer"]], "required": ["a"], "additionalProperties": false,
    ]
    private static let format = AnswerFormat.jsonSchema(AnswerSchema(name: "s", schema: schema, isStrict: true))

    @Test(arguments: [
        ("{\\\"a\\\":1}", "stop", false), ("{\\\"a\\\":\\\"x\\\"}", "stop", true), ("no", "stop", true),
        ("", "stop", true), ("{\\\"a\\\":", "length", false), ("no", "content_filter", false),
    ])
    func `a strict schema is checked at the end of a choice`(_ content: String, _ finish: String, _ fails: Bool) throws
    {
        let stream = """
            data: {"choices":[{"index":0,"delta":{"content":"\(content)"}}]}

            data: {"choices":[{"index":0,"delta":{},"finish_reason":"\(finish)"}]}

            data: [DONE]


            """
        var tap = AnswerTap(.chat, requestID: "req_1", showsUsage: true, strict: try StrictAnswer(Self.format))
        let output = Self.run(&tap, [Array(stream.utf8)])
        #expect(output.contains("does not fit the schema") == fails)
        #expect((output == stream) == !fails)
        let whole = #"{"choices":[{"index":0,"message":{"content":"\#(content)"},"finish_reason":"\#(finish)"}]}"#
        let strict = try StrictAnswer(Self.format)
        if fails {
            #expect(throws: Fault.schemaViolated) { try AnswerTap.whole(Array(whole.utf8), .chat, strict: strict) }
        } else {
            #expect(try AnswerTap.whole(Array(whole.utf8), .chat, strict: strict).finishes.count == 1)
        }
    }

    @Test func `calls and refusals are no answers in the form of the schema`() throws {
        for message in [
            #"{"content":null,"refusal":"no"}"#,
            #"{"content":null,"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]}"#,
        ] {
            let whole = #"{"choices":[{"index":0,"message":\#(message),"finish_reason":"stop"}]}"#
            let strict = try StrictAnswer(Self.format)
            #expect(try AnswerTap.whole(Array(whole.utf8), .chat, strict: strict).fault == nil)
        }
        #expect(try StrictAnswer(.text) == nil)
        let loose = AnswerFormat.jsonSchema(AnswerSchema(name: "s", schema: Self.schema, isStrict: false))
        #expect(try StrictAnswer(loose) == nil)
        let broken = AnswerFormat.jsonSchema(AnswerSchema(name: "s", schema: ["type": "potato"], isStrict: true))
        #expect(throws: Fault.self) { try StrictAnswer(broken) }
    }

    @Test func `whole answers without content tell their usage`() throws {
        let embedding = #"{"object":"list","data":[],"model":"e","usage":{"prompt_tokens":8,"total_tokens":8}}"#
        let summary = try AnswerTap.whole(Array(embedding.utf8), .embeddings)
        #expect(summary.usage == TokenUsage(input: 8, output: 0))
        #expect(summary.model == "e")
        #expect(try AnswerTap.whole(Array(#"{"input_tokens":5}"#.utf8), .countTokens).usage == nil)
        #expect(throws: Fault.malformedAnswer) {
            try AnswerTap.whole(Array(#"{"input_tokens":"x"}"#.utf8), .countTokens)
        }
        #expect(throws: Fault.malformedAnswer) { try AnswerTap.whole(Array("{}".utf8), .embeddings) }
    }
}
