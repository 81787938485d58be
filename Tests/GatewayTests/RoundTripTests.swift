// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Support
import Testing

@testable import Gateway

/// Random conversations, written in a protocol and read again.
struct RoundTripTests {
    @Test(arguments: 0..<200 as Range<UInt64>)
    func `a conversation survives OpenAI's protocol`(_ seed: UInt64) throws {
        var dice = Dice(seed)
        let request = dice.request()
        let model = UpstreamModel(name: request.model, dialect: .openai)
        let body = try OpenAIChatEncoder.encode(request, for: model).body
        let document = try JSONDocument(parsing: body)
        try FieldTable.chat.check(document.root, for: .openai)
        var again = try OpenAIChatDecoder.decode(document.root)
        // Always asked for.
        again.showsUsage = request.showsUsage
        #expect(again == request, "seed \(seed)")
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `a conversation survives Anthropic's protocol`(_ seed: UInt64) throws {
        var dice = Dice(seed)
        var request = dice.request()
        // What Anthropic's protocol does not hold.
        request.sampling.seed = nil
        request.sampling.frequencyPenalty = nil
        request.choices = 1
        request.showsUsage = true
        request.outputTokensMax = request.outputTokensMax ?? 77
        if request.tools.isEmpty || request.toolChoice == .forbidden { request.allowsParallelToolCalls = nil }
        if request.allowsParallelToolCalls == true { request.allowsParallelToolCalls = nil }
        for index in request.tools.indices { request.tools[index].parameters = ["type": "object"] }
        let body = try AnthropicEncoder.encode(request, for: UpstreamModel(name: request.model, schemas: .native)).body
        let document = try JSONDocument(parsing: body)
        try FieldTable.messages.check(document.root, for: .anthropic)
        #expect(try AnthropicDecoder.decode(document.root) == request, "seed \(seed)")
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `an answer survives each protocol of providers`(_ seed: UInt64) throws {
        var dice = Dice(seed)
        let events = dice.answer()
        let answer = ChatAnswer(events)
        let context = AnswerGoldenTests.context
        var request = ChatRequest(model: "m")
        request.showsUsage = true
        for (route, kind) in [(ModelRoute.chat, ProviderKind.openai), (.messages, .anthropic)] {
            var writer = AnswerWriter(route, context, request: request)
            let bytes = events.flatMap { writer.write($0) } + writer.end()
            var reader = AnswerReader(kind)
            var streamed = ChatAnswer()
            var position = 0
            while position < bytes.count {
                let next = min(bytes.count, position + 1 + dice.below(90))
                for event in reader.receive(Array(bytes[position..<next])) { streamed.add(event) }
                position = next
            }
            for event in reader.end() { streamed.add(event) }
            let body = try AnswerWriter.whole(events, route, context, request: request)
            let whole = ChatAnswer(try AnswerReader.whole(body, from: kind))
            for read in [streamed, whole] {
                #expect(read.fault == nil)
                #expect(read.choices == answer.choices, "seed \(seed) \(route)")
                #expect(read.usage == answer.usage)
            }
        }
    }
}

/// Random conversations and answers: the same for the same seed.
struct Dice {
    private var random: SeededGenerator

    init(_ seed: UInt64) { random = SeededGenerator(seed &* 0x9E37_79B9_7F4A_7C15 &+ 1) }

    mutating func below(_ count: Int) -> Int { random.below(count) }

    mutating func flip() -> Bool { below(2) == 0 }

    mutating func word() -> String {
        let words = ["a", "Grüße", "\"q\"", "\u{1F600}", "\\n", "x y", "{}", "data: [DONE]", "\u{7}", "日本"]
        return words[below(words.count)] + String(below(100))
    }

    mutating func request() -> ChatRequest {
        var request = ChatRequest(model: "m\(below(9))")
        if flip() { request.messages.append(ChatMessage(.system, text: word())) }
        request.messages.append(ChatMessage(.user, user()))
        if flip() { turn(&request) }
        for _ in 0..<below(3) {
            request.tools.append(
                ChatTool(
                    name: "t\(request.tools.count)", description: flip() ? word() : nil,
                    parameters: ["type": "object", "properties": ["a": ["type": "string"]]],
                    isStrict: flip() ? true : nil))
        }
        if !request.tools.isEmpty {
            request.toolChoice = [.automatic, .forbidden, .required, .named("t0")][below(4)]
            request.allowsParallelToolCalls = [nil, true, false][below(3)]
        }
        if flip() { request.sampling.temperature = Double(below(10)) / 10 }
        if flip() { request.sampling.topP = Double(below(10)) / 10 }
        if flip() { request.sampling.seed = below(1_000) }
        if flip() { request.sampling.frequencyPenalty = 0.5 }
        if flip() { request.outputTokensMax = 1 + below(1_000) }
        for _ in 0..<below(3) { request.stops.append(word()) }
        request.choices = 1 + below(2)
        request.isStreamed = flip()
        if flip() { request.user = word() }
        if flip() { request.reasoning = Reasoning(effort: [.low, .medium, .high][below(3)]) }
        return request
    }

    private mutating func user() -> [ChatPart] {
        guard flip() else { return [.text(word())] }
        return [
            .text(word()), .image(.base64("AAAA", mediaType: "image/png"), detail: nil),
            .document(.base64("BBBB", mediaType: "application/pdf"), name: word()),
            .image(.url("https://example.org/\(below(9)).png"), detail: nil),
        ]
    }

    private mutating func turn(_ request: inout ChatRequest) {
        let id = "call_\(below(99))"
        request.messages.append(
            ChatMessage(.assistant, [.text(word()), .toolUse(ToolUse(id: id, name: "t0", arguments: #"{"a":1}"#))]))
        request.messages.append(
            ChatMessage(.tool, [.toolResult(ToolResult(callID: id, content: [.text(word())]))]))
        request.messages.append(ChatMessage(.user, text: word()))
    }

    mutating func answer() -> [ChatEvent] {
        var events: [ChatEvent] = [.started(AnswerHead(id: "x", model: "m", created: 5))]
        if flip() { events.append(.reasoningDelta(choice: 0, word())) }
        for _ in 0..<below(5) { events.append(.textDelta(choice: 0, word())) }
        let calls = below(3)
        for index in 0..<calls {
            events.append(.toolCallStarted(choice: 0, index: index, id: "c\(index)", name: "t"))
            events.append(.toolCallArguments(choice: 0, index: index, #"{"a":"#))
            events.append(.toolCallArguments(choice: 0, index: index, "\(below(9))}"))
        }
        events.append(.finished(choice: 0, calls > 0 ? .toolCalls : flip() ? .stop : .length))
        events.append(.usage(TokenUsage(input: 10 + below(9), output: below(99), cacheRead: below(9))))
        return events
    }
}
