// SPDX-License-Identifier: Apache-2.0

import JSON
import Log
import Platform
import Support
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

    @Test(arguments: answers + refused)
    func `finds the usage of an answer, or its fault, as its events would`(_ text: String) {
        let body = Array(text.utf8)
        func outcome(_ read: () throws(Fault) -> TokenUsage?) -> String {
            do throws(Fault) { return "\(String(describing: try read()))" } catch { return "\(error)" }
        }
        #expect(
            outcome { () throws(Fault) in try OpenAIChatReader.usage(ofWhole: body) }
                == outcome { () throws(Fault) in AnswerSummary(try OpenAIChatReader.whole(body)).usage })
    }

    private static let refused = [
        #"{"error":{"message":"no","code":429}}"#, #"{"error":null,"choices":[]}"#, #"{"choices":{}}"#, "{}", "[]", "7",
        #"{"choices":[],"choices":7}"#, #"{"choices":[]"#, "",
    ]

    private static let bodies = [
        #"{"model":"m","messages":[{"role":"user","content":"x"}]}"#,
        #"{"model":"m","messages":[{"role":"tool","tool_call_id":"t","content":[{"type":"text","text":"x"}]}]}"#,
        #"{"model":"m","messages":[{"role":"function","name":"f","content":"x"}]}"#,
        #"{"model":"m","messages":[{"role":"user","content":[{"type":"video_url","video_url":{"url":"https://a.example"}}]}]}"#,
        #"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:text/plain,x"}}]}]}"#,
        #"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"file","file":{}}]}]}"#,
        #"{"model":"m","messages":[{"content":"x"}]}"#, #"{"messages":[{"role":7}]}"#, #"{}"#,
        #"{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"n"}}}"#,
        #"{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{}}}}"#,
    ]

    @Test(arguments: bodies)
    func `spares no request that decoding would refuse or read a schema from`(_ text: String) throws {
        let document = try JSONDocument(parsing: Array(text.utf8))
        guard document.read({ PlainTable.chat.passes($0) }) else { return }
        #expect(try OpenAIChatDecoder.decode(document.root).format == .text)
    }

    @Test func `spares what is plain`() throws {
        for text in Self.bodies.prefix(2) {
            #expect(try JSONDocument(parsing: Array(text.utf8)).read { PlainTable.chat.passes($0) })
        }
    }

    private static let first =
        #"{"id":"a","model":"up","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#
    private static let chunks = [
        #"{"choices":[{"index":0,"delta":{"content":"Hi, é"},"finish_reason":null}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":"a\n"}}],"usage":null}"#,
        #"{"usage":null,"choices":[{"index":0,"delta":{"content":"x"}}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":"x"}}] , "usage" : null , "obfuscation":"y"}"#,
        #"{"choices":[{"delta":{"reasoning_content":"why","reasoning":"other","content":null}}]}"#,
        #"{"choices":[{"index":0,"delta":{"refusal":"no"},"text":"legacy"}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":"x"}}]}"#, #"{"choices":[{"index":0,"delta":{"content":""}}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":"😀 und \"mehr\""}}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":"😀é"}}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":"x"}}],"usage":null}"#,
        #"{"choices":[{"index":0,"delta":{"content":"another"}}],"usage":null}"#,
        #"{"choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#,
        #"{"choices":[{"index":0,"delta":{"content":"a","content":"b"}}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":"c","content":"b"}}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":"x","refusal":"sk-canary-0123456789"}}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":null,"reasoning_content":"one"}}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":null,"reasoning_content":"two"}}]}"#,
        #"{"choices":[{"index":0,"text":"legacy"}]}"#, #"{"choices":[{"index":0,"text":"Vermächtnis"}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":"sk-cana"}}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":"ry-0123456789"}}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":"sk-cana\u0072y-0123456789"}}]}"#,
        #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{"}}]}}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"part"}]}}]}"#,
        #"{"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":"stop"}]}"#,
        #"{"choices":[{"index":1,"delta":{"content":"after the end"}}]}"#,
        #"{"choices":[{"index":0,"delta":{}},{"index":1,"delta":{}}]}"#,
        #"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#,
        #"{"choices":[{"index":500,"delta":{"content":"x"}}]}"#, #"{"choices":[{"index":-1,"delta":{"content":"x"}}]}"#,
        #"{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"length"}],"usage":{"prompt_tokens":3}}"#,
        #"{"choices":[{"index":0,"delta":7}]}"#, #"{"error":null,"choices":[{"index":0,"delta":{"content":"x"}}]}"#,
        #"{"error":{"message":"no"}}"#, #"{"object":"error"}"#, #"{"choices":7}"#, #"{"choices":[7]}"#, "7", "{", "",
    ]

    private static let last = #"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#
    private static let needles = SecretNeedles([SecretBytes(copying: Array("sk-canary-0123456789".utf8).span)])

    private static func stream(_ chunks: [String]) -> [UInt8] {
        Array(chunks.map { "data: \($0)\n\n" }.joined().utf8)
    }

    /// Both must say the same: one sees all at once, the other byte by byte, and so by no short way.
    private static func compare(_ chunks: [String], showsUsage: Bool) {
        let stream = stream(chunks)
        var quick = AnswerTap(.chat, requestID: "req_1", showsUsage: showsUsage, secrets: needles)
        var careful = quick
        let quickly = quick.receive(stream) + quick.end()
        var carefully: [UInt8] = []
        for byte in stream { carefully += careful.receive([byte]) }
        carefully += careful.end()
        #expect(String(decoding: quickly, as: UTF8.self) == String(decoding: carefully, as: UTF8.self))
        #expect(quick.summary == careful.summary)
        #expect(!quickly.contains("sk-canary".utf8))
    }

    @Test(arguments: chunks, [true, false])
    func `a chunk that passes by a look comes out as one that is read`(_ chunk: String, _ showsUsage: Bool) {
        for other in Self.chunks {
            Self.compare([Self.first, chunk, other, chunk, Self.last, "[DONE]"], showsUsage: showsUsage)
            Self.compare([chunk, other, "[DONE]", chunk], showsUsage: showsUsage)
        }
    }

    @Test func `so do streams of any chunks`() {
        var numbers = SeededGenerator()
        let chunks = Self.chunks + [Self.first, Self.last, "[DONE]"]
        for _ in 0..<Repetition.rounds(300, full: 20_000) {
            let some = (0..<12).map { _ in chunks.randomElement(using: &numbers) ?? "" }
            Self.compare(some, showsUsage: Bool.random(using: &numbers))
        }
    }

    private func passed(_ bytes: [UInt8], _ tap: inout AnswerTap) -> Int {
        var output: [UInt8] = []
        var copied = 0
        return tap.passPlain(bytes, from: 0, output: &output, copied: &copied)
    }

    @Test func `a usual stream passes by a look, whole`() {
        var tap = AnswerTap(.chat, requestID: "req_1", showsUsage: true, secrets: Self.needles)
        let usage = #"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#
        let whole = Self.stream([Self.first, Self.chunks[0], Self.chunks[0], Self.last, usage, "[DONE]"])
        #expect(passed(whole, &tap) == whole.count)
        #expect(tap.isOver && tap.summary.model == "up" && tap.summary.usage == TokenUsage(input: 3, output: 4))
    }

    @Test func `what is no whole answer does not end by a look`() {
        for chunks in [[], [Self.first], [Self.first, Self.chunks[0]]] {
            var tap = AnswerTap(.chat, requestID: "req_1", showsUsage: true)
            let (begun, whole) = (Self.stream(chunks), Self.stream(chunks + ["[DONE]"]))
            #expect(passed(whole, &tap) == begun.count && !tap.isOver)
        }
    }

    @Test func `a chunk as the one before is known by its beginning and end`() {
        var tap = AnswerTap(.chat, requestID: "req_1", showsUsage: true, secrets: Self.needles)
        func chunk(_ text: String, _ choice: Int = 0) -> [UInt8] {
            Self.stream([#"{"choices":[{"index":\#(choice),"delta":{"content":"\#(text)"}}]}"#])
        }
        func matches(_ bytes: some Sequence<UInt8>) -> Bool {
            tap.template.match(Array(bytes).span, from: 0) != nil
        }
        #expect(passed(Self.stream([Self.first]) + chunk("one"), &tap) > 0)
        #expect(matches(chunk("two")) && matches(chunk("")) && matches(chunk("zwölf")))
        for text in [#"\n"#, #"\u0073"#, "a\tb", #"x"},"y":{"z":""#] { #expect(!matches(chunk(text))) }
        #expect(!matches(chunk("two", 1)) && !matches(chunk("two").dropLast()) && !matches(chunk("two").dropFirst()))
        #expect(!matches(Array(#"data: {"choices":[{"index":0,"delta":{"content":""#.utf8) + [0xC3, 0x22]))
    }

    @Test func `cuts out a usage that says nothing and was not asked for`() {
        var tap = AnswerTap(.chat, requestID: "req_1", showsUsage: false)
        _ = tap.receive(Array("data: \(Self.first)\n\n".utf8))
        for (usage, kept) in [(#", "usage" : null"#, ""), (#","usage":null,"x":1"#, #","x":1"#)] {
            let text = #"data: {"choices":[{"index":0,"delta":{"content":"x"}}]\#(usage)}"# + "\n\n"
            let shown = #"data: {"choices":[{"index":0,"delta":{"content":"x"}}]\#(kept)}"# + "\n\n"
            #expect(String(decoding: tap.receive(Array((text + text).utf8)), as: UTF8.self) == shown + shown)
        }
    }
}
