// SPDX-License-Identifier: Apache-2.0

import JSON
import Testing

@testable import Gateway

/// What plain requests and answers are spared must make no difference to what comes of them.
@Suite struct PlainPathTests {
    private static let answers = [
        #"{"id":"a","model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"Hi, \u00e9\n","refusal":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":10,"total_tokens":19}}"#,
        #"{"choices":[{"message":{"content":"x","reasoning_content":"why","tool_calls":[]},"finish_reason":"length"}]}"#,
        #"{"choices":[{"message":{"content":null,"reasoning":"why","refusal":"no"},"finish_reason":"content_filter"}]}"#,
        #"{"choices":[{"message":{"content":"x","reasoning_content":null,"reasoning":"r"},"finish_reason":"tool_calls"}]}"#,
        #"{"choices":[{"text":"legacy","index":0,"finish_reason":"odd"}],"usage":{"prompt_tokens":1e3,"total_tokens":-4}}"#,
        #"{"choices":[{"message":{"content":[{"type":"text","text":"part"}]},"finish_reason":"stop"}]}"#,
        #"{"choices":[{"message":{"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]}}]}"#,
        #"{"choices":[{"index":0,"message":{"content":"a"}},{"index":1,"message":{"content":"b"}}]}"#,
        #"{"choices":[{"index":999,"message":{"content":"a"},"finish_reason":"stop"}]}"#,
        #"{"choices":[{"index":-1,"text":"a"}],"usage":{"prompt_tokens":99999999999999999999,"completion_tokens":1.5}}"#,
        #"{"choices":[]}"#, #"{"choices":[7]}"#, #"{"choices":[{"message":7,"text":8,"finish_reason":9}]}"#,
        #"{"choices":[{"message":{"content":"\ud800"}}],"usage":{"prompt_tokens":3,"prompt_tokens_details":{"cached_tokens":2}}}"#,
    ]

    @Test(arguments: answers)
    func `sums up an answer as its events would`(_ text: String) throws {
        let body = Array(text.utf8)
        #expect(try AnswerTap.whole(body, .chat) == AnswerSummary(OpenAIChatReader.whole(body)))
    }

    private static let bodies = [
        #"{"messages":[{"role":"user","content":"x"}]}"#,
        #"{"messages":[{"role":"tool","tool_call_id":"t","content":[{"type":"text","text":"x"}]}]}"#,
        #"{"messages":[{"role":"function","name":"f","content":"x"}]}"#,
        #"{"messages":[{"role":"user","content":[{"type":"video_url","video_url":{"url":"https://a.example"}}]}]}"#,
        #"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:text/plain,x"}}]}]}"#,
        #"{"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"file","file":{}}]}]}"#,
        #"{"messages":[{"content":"x"}]}"#, #"{"messages":[{"role":7}]}"#, #"{}"#,
        #"{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"n"}}}"#,
        #"{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{}}}}"#,
    ]

    @Test(arguments: bodies)
    func `spares no request that decoding would refuse or read a schema from`(_ text: String) throws {
        let root = try JSONDocument(parsing: Array(text.utf8)).root
        guard OpenAIChatDecoder.isPlain(root) else { return }
        #expect(try OpenAIChatDecoder.decode(root).format == .text)
    }

    @Test func `spares what is plain`() throws {
        for text in Self.bodies.prefix(2) {
            #expect(OpenAIChatDecoder.isPlain(try JSONDocument(parsing: Array(text.utf8)).root))
        }
    }
}
