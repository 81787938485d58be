// SPDX-License-Identifier: Apache-2.0

package import JSON

/// Reads the answer of an OpenAI-compatible `chat/completions` (or `completions`), whole or event by event.
///
/// Beyond OpenAI it knows: reasoning as `reasoning_content` or `reasoning`, content as a list of parts, usage in any
/// chunk, streams that end without `[DONE]`, and calls whose index a server does not count up.
package struct OpenAIChatReader: Sendable {
    private struct Call {
        var choice: Int
        var upstreamIndex: Int
        var id: String
        var index: Int
    }

    private var calls: [Call] = []
    var progress = Progress()

    package init() {}

    /// The events of a whole answer's body, from `started` to `usage`.
    package static func whole(_ body: [UInt8]) throws(Fault) -> [ChatEvent] {
        var reader = OpenAIChatReader()
        return reader.events(try wholeRoot(body), message: "message")
    }

    /// The figures of a whole answer's body, which ``whole(_:)`` would give events of: all that is to be known of one that
    /// passes as it is.
    static func usage(ofWhole body: [UInt8]) throws(Fault) -> TokenUsage? {
        enum Reading {
            case usage(TokenUsage?)
            case other
        }
        let reading = try? JSONDocument.read(body, limits: .upstream, strictness: .rfc8259) { view in
            let places = view.values(of: names, in: 0)
            let (error, choices, usage) = (Int(places[0]), Int(places[1]), Int(places[2]))
            guard error == 0 || view.isNull(error), choices > 0, view.kind(of: choices) == .array else {
                return Reading.other
            }
            return .usage(usage > 0 ? TokenUsage(openAI: view, usage) : nil)
        }
        guard case .usage(let usage) = reading else {
            // Read again to say what is wrong with it.
            _ = try wholeRoot(body)
            throw .malformedAnswer
        }
        return usage
    }

    private static let names = MemberNames("error", "choices", "usage")

    private static func wholeRoot(_ body: [UInt8]) throws(Fault) -> JSONNode {
        guard let root = AnswerJSON.root(body) else { throw .malformedAnswer }
        // Some servers say 200 and then no.
        if let error = root["error"], !error.isNull { throw .upstream(inStream: error) }
        guard root["choices"]?.kind == .array else { throw .malformedAnswer }
        return root
    }

    /// The events of one `data` of the stream.
    package mutating func read(_ data: [UInt8]) -> [ChatEvent] {
        if progress.isDone { return [] }
        if data.elementsEqual(Self.done) { return end() }
        guard let root = AnswerJSON.root(data) else { return fail(.malformedAnswer) }
        return read(root)
    }

    /// The mark that ends a stream.
    static let done = Array("[DONE]".utf8)

    /// The events of one chunk.
    mutating func read(_ root: JSONNode) -> [ChatEvent] {
        if progress.isDone { return [] }
        guard root.kind == .object else { return fail(.malformedAnswer) }
        if let error = root["error"], !error.isNull { return fail(.upstream(inStream: error)) }
        if root["object"]?.stringEquals("error") == true { return fail(.upstream(inStream: root)) }
        return events(root, message: "delta")
    }

    /// The events of the stream's end, marked or not: an answer all of whose choices have finished is complete.
    package mutating func end() -> [ChatEvent] {
        if progress.isDone { return [] }
        if progress.mayEnd {
            progress.isDone = true
            return []
        }
        return fail(.interrupted)
    }

    private mutating func fail(_ fault: Fault) -> [ChatEvent] {
        progress.isDone = true
        return [.failed(fault)]
    }

    private mutating func events(_ root: JSONNode, message: String) -> [ChatEvent] {
        var events: [ChatEvent] = []
        if !progress.hasStarted {
            progress.hasStarted = true
            events.append(
                .started(
                    AnswerHead(
                        id: root["id"]?.string ?? "", model: root["model"]?.string ?? "",
                        created: max(root["created"]?.int ?? 0, 0), fingerprint: root["system_fingerprint"]?.string)))
        }
        for choice in root["choices"].elements.prefix(GatewayLimits.choicesMax) {
            let index = choice["index"]?.int ?? 0
            guard (0..<GatewayLimits.choicesMax).contains(index) else { continue }
            // LiteLLM tells usage in a chunk that names a choice which has ended; what ends stays ended.
            guard !progress.finishedChoices.contains(index) else { continue }
            progress.openChoices.insert(index)
            if let message = choice[message] { append(message, index, to: &events) }
            // A legacy completion's choice has its text itself.
            if let text = choice["text"]?.string, !text.isEmpty { events.append(.textDelta(choice: index, text)) }
            if let reason = choice["finish_reason"]?.string {
                progress.openChoices.remove(index)
                progress.finishedChoices.insert(index)
                events.append(.finished(choice: index, FinishReason(openAI: reason)))
            }
        }
        if let usage = TokenUsage(openAI: root["usage"]) { events.append(.usage(usage)) }
        return events
    }

    private mutating func append(_ message: JSONNode, _ choice: Int, to events: inout [ChatEvent]) {
        if let text = message["reasoning_content"]?.string ?? message["reasoning"]?.string, !text.isEmpty {
            events.append(.reasoningDelta(choice: choice, text))
        }
        if let text = message["content"]?.string {
            if !text.isEmpty { events.append(.textDelta(choice: choice, text)) }
        } else {
            for part in message["content"].elements {
                guard let text = part["text"]?.string, !text.isEmpty else { continue }
                events.append(.textDelta(choice: choice, text))
            }
        }
        if let text = message["refusal"]?.string, !text.isEmpty {
            events.append(.refusalDelta(choice: choice, text))
        }
        for (position, call) in message["tool_calls"].elements.enumerated() {
            append(call, choice, call["index"]?.int ?? position, to: &events)
        }
    }

    private mutating func append(_ node: JSONNode, _ choice: Int, _ upstreamIndex: Int, to events: inout [ChatEvent]) {
        let function = node["function"]
        let id = node["id"]?.string ?? ""
        let name = function?["name"]?.string ?? ""
        let last = calls.lastIndex { $0.choice == choice && $0.upstreamIndex == upstreamIndex }
        let index: Int
        if let last, id.isEmpty || calls[last].id == id || name.isEmpty {
            index = calls[last].index
        } else {
            guard calls.count < GatewayLimits.toolCallsMax else { return }
            index = calls.count { $0.choice == choice }
            let id = id.isEmpty ? "call_\(choice)_\(index)" : id
            calls.append(Call(choice: choice, upstreamIndex: upstreamIndex, id: id, index: index))
            events.append(.toolCallStarted(choice: choice, index: index, id: id, name: name))
        }
        if let arguments = function?["arguments"]?.string, !arguments.isEmpty {
            events.append(.toolCallArguments(choice: choice, index: index, arguments))
        }
    }
}

extension TokenUsage {
    /// OpenAI's `usage`; nil where there is none or it holds no figure.
    package init?(openAI node: JSONNode?) {
        guard let usage = node?.read({ view, place in TokenUsage(openAI: view, place) }) ?? nil else { return nil }
        self = usage
    }

    /// The same where it stands in a document.
    init?(openAI view: borrowing JSONView, _ usage: Int) {
        let counts = view.values(of: Self.counts, in: usage)
        guard let input = view.tokens(counts[0], or: counts[1]) else { return nil }
        let total = view.tokens(counts[2])
        let output = view.tokens(counts[3], or: counts[4]) ?? max((total ?? input) - input, 0)
        self.init(input: input, output: output)
        // Most that are not OpenAI say nothing else.
        guard view.count(of: usage) > (0..<5).count(where: { counts[$0] > 0 }) else { return }
        let places = view.values(of: Self.details, in: usage)
        guard places != SIMD8() else { return }
        let inputDetails = places[0] > 0 ? places[0] : places[1]
        let outputDetails = places[2] > 0 ? places[2] : places[3]
        var cached = places[4]
        if inputDetails > 0 {
            let parts = view.values(of: Self.parts, in: Int(inputDetails))
            if parts[0] > 0 { cached = parts[0] }
            cacheWrite = min(view.tokens(parts[1]) ?? 0, input)
        }
        cacheRead = min(view.tokens(cached) ?? 0, input)
        if outputDetails > 0 {
            reasoning = min(view.tokens(view.values(of: Self.parts, in: Int(outputDetails))[2]) ?? 0, output)
        }
    }

    private static let counts = MemberNames(
        "prompt_tokens", "input_tokens", "total_tokens", "completion_tokens", "output_tokens")
    private static let details = MemberNames(
        "prompt_tokens_details", "input_tokens_details", "completion_tokens_details", "output_tokens_details",
        "prompt_cache_hit_tokens")
    private static let parts = MemberNames("cached_tokens", "cache_write_tokens", "reasoning_tokens")
}

extension JSONView {
    /// A count of tokens at the first of two places that is there: neither is 0.
    fileprivate func tokens(_ place: Int32, or other: Int32 = 0) -> Int? {
        let place = place > 0 ? place : other
        return place > 0 ? tokens(at: Int(place)) : nil
    }

    /// A count of tokens as a provider gives it: never negative, never absurd, and whole.
    fileprivate func tokens(at place: Int) -> Int? {
        // Mostly it is written as an integer, which is read ten times faster.
        if let number = int(place) { return min(max(number, 0), GatewayLimits.tokensMax) }
        guard let number = double(place) else { return nil }
        return Int(min(max(number, 0), Double(GatewayLimits.tokensMax)))
    }
}

/// What readers of answers share.
enum AnswerJSON {
    /// The root of a provider's text, read as leniently as the grammar allows: what it says twice is its own affair.
    static func root(_ bytes: [UInt8]) -> JSONNode? {
        try? JSONDocument(parsing: bytes, limits: .upstream, strictness: .rfc8259).root
    }

    /// A count of tokens as a provider gives it: never negative, never absurd, and whole.
    static func tokens(_ node: JSONNode?) -> Int? { node?.read { view, place in view.tokens(at: place) } ?? nil }
}
