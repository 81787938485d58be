// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Testing

@testable import Gateway

struct NativeRequestTests {
    private static let model = UpstreamModel(name: "up-1")

    @Test(arguments: [
        (
            ModelRoute.chat, #"{ "model" : "fast", "messages":[], "seed":1.50 }"#,
            #"{ "model" : "up-1", "messages":[], "seed":1.50,"store":false }"#
        ),
        (
            .chat, #"{"model":"fast","stream":true}"#,
            #"{"model":"up-1","stream":true,"stream_options":{"include_usage":true},"store":false}"#
        ),
        (
            .chat,
            #"{"stream_options":{"include_usage":false , "include_obfuscation":false},"stream":true,"model":"fast","store":null}"#,
            #"{"stream_options":{"include_usage":true , "include_obfuscation":false},"stream":true,"model":"up-1","store":false}"#
        ),
        (
            .chat,
            #"{"model":"fast","stream":true,"stream_options":{"include_obfuscation":false, "include_usage":true}}"#,
            #"{"model":"up-1","stream":true,"stream_options":{"include_obfuscation":false, "include_usage":true},"store":false}"#
        ),
        (
            .chat, #"{"model":"fast","stream":true,"stream_options":{"include_usage":1}}"#,
            #"{"model":"up-1","stream":true,"stream_options":{"include_usage":true},"store":false}"#
        ),
        (
            .chat, #"{"model":"fast","stream":true,"stream_options":null}"#,
            #"{"model":"up-1","stream":true,"stream_options":{"include_usage":true},"store":false}"#
        ),
        (.chat, #"{"\u006dodel":"fast","stream":false}"#, #"{"\u006dodel":"up-1","stream":false,"store":false}"#),
        (
            .completions, #"{"model":"fast","prompt":"x","stream":true}"#,
            #"{"model":"up-1","prompt":"x","stream":true,"stream_options":{"include_usage":true}}"#
        ),
        (.embeddings, #"{"model":"fast","input":"x"}"#, #"{"model":"up-1","input":"x"}"#),
        (
            .messages, #"{"model":"fast","stream":true,"max_tokens":1}"#,
            #"{"model":"up-1","stream":true,"max_tokens":1}"#
        ),
        (.countTokens, #"{"model":"fast"}"#, #"{"model":"up-1"}"#),
    ])
    func `the client's bytes change only where they must`(_ route: ModelRoute, _ body: String, _ expected: String)
        throws
    {
        #expect(text(NativeRequest.body(try document(body), route: route, for: Self.model)) == expected)
    }

    @Test(arguments: [
        (
            ModelRoute.chat, UpstreamModel.Dialect.openai, #"{"model":"fast","messages":[] }"#,
            #"{"model":"up-1","messages":[],"max_completion_tokens":4096,"store":false }"#
        ),
        (
            .chat, .openai, #"{"model":"fast","max_completion_tokens":null}"#,
            #"{"model":"up-1","max_completion_tokens":4096,"store":false}"#
        ),
        (
            .chat, .openai, #"{"max_tokens":null,"model":"fast","stream":true}"#,
            #"{"max_tokens":null,"model":"up-1","stream":true,"max_completion_tokens":4096,"stream_options":{"include_usage":true},"store":false}"#
        ),
        (
            .completions, .openai, #"{"model":"fast","prompt":"x"}"#,
            #"{"model":"up-1","prompt":"x","max_tokens":4096}"#
        ),
        (
            .chat, .compatible, #"{"model":"fast"}"#, #"{"model":"up-1","max_tokens":4096,"store":false}"#
        ),
        (
            .completions, .openai, #"{"max_tokens":null,"model":"fast"}"#, #"{"max_tokens":4096,"model":"up-1"}"#
        ),
    ])
    func `where the client says none, the most tokens are said for it`(
        _ route: ModelRoute, _ dialect: UpstreamModel.Dialect, _ body: String, _ expected: String
    ) throws {
        let document = try document(body)
        let places = document.read { CallPlaces($0) }
        let sent = NativeRequest.body(
            document, places, route, UpstreamModel(name: "up-1", dialect: dialect), outputTokensMax: 4096)
        #expect(text(sent) == expected)
        #expect(try JSONDocument(parsing: sent).root["model"]?.string == "up-1")
    }

    @Test func `a provider that knows no store is not told`() throws {
        let model = UpstreamModel(name: "up-1", tellsStore: false)
        let body = try document(#"{"model":"fast"}"#)
        #expect(text(NativeRequest.body(body, route: .chat, for: model)) == #"{"model":"up-1"}"#)
        let request = ChatRequest(model: "fast", messages: [ChatMessage(.user, text: "x")])
        #expect(!text(try OpenAIChatEncoder.encode(request, for: model).body).contains("store"))
    }

    @Test func `facts are read without a tree`() throws {
        let body = try document(
            #"{"model":"m","stream":true,"stream_options":{"include_usage":true},"user":"u","max_tokens":9,"max_completion_tokens":7,"n":3,"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAAAAAAAA"}},{"type":"file","file":{"file_data":"BBBBBBBB"}},{"type":"input_audio","input_audio":{"data":"CCCC","format":"wav"}}]}]}"#
        )
        let facts = RequestFacts(body, .chat)
        #expect(facts.user == "u" && !facts.hasTools)
        #expect(facts.outputTokensMax == 9 && facts.choices == 3)
        #expect(facts.media.images == 1 && facts.media.documents == 1 && facts.media.sounds == 1)
        // Each with its quotation marks.
        #expect(facts.media.bytes == 34 + 10 + 6)
        #expect(facts.inputBytes == body.bytes.count - 50)
    }

    @Test func `every prompt of a legacy completion is a choice`() throws {
        #expect(RequestFacts(try document(#"{"model":"m","prompt":["a","b","c"],"n":2}"#), .completions).choices == 6)
        let many = try document(#"{"model":"m","prompt":["a","b"],"n":9223372036854775807}"#)
        #expect(RequestFacts(many, .completions).choices == .max)
        #expect(RequestFacts(try document(#"{"model":"m","prompt":[1,2,3]}"#), .completions).choices == 1)
        #expect(RequestFacts(try document(#"{"model":"m","prompt":"a"}"#), .completions).choices == 1)
    }

    @Test func `Anthropic's facts`() throws {
        let body = try document(
            #"{"model":"m","max_tokens":5,"metadata":{"user_id":"u"},"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},{"type":"document","source":{"type":"text","media_type":"text/plain","data":"plain"}},{"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"type":"url","url":"https://a.example"}}]}]}]}"#
        )
        let facts = RequestFacts(body, .messages)
        #expect(facts.user == "u" && facts.outputTokensMax == 5)
        #expect(facts.media.images == 2 && facts.media.documents == 0)
    }
}
