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

    private var hasStarted = false
    private var isDone = false
    private var calls: [Call] = []
    private var openChoices: Set<Int> = []
    private var finishedChoices: Set<Int> = []

    package init() {}

    /// The events of a whole answer's body, from `started` to `usage`.
    package static func whole(_ body: [UInt8]) throws(Fault) -> [ChatEvent] {
        var reader = OpenAIChatReader()
        return reader.events(try wholeRoot(body), message: "message")
    }

    /// What the events of a whole answer's body come to.
    static func summary(ofWhole body: [UInt8]) throws(Fault) -> AnswerSummary {
        let root = try wholeRoot(body)
        if let summary = AnswerSummary(plain: root) { return summary }
        var reader = OpenAIChatReader()
        return AnswerSummary(reader.events(root, message: "message"))
    }

    private static func wholeRoot(_ body: [UInt8]) throws(Fault) -> JSONNode {
        guard let root = AnswerJSON.root(body) else { throw .malformedAnswer }
        // Some servers say 200 and then no.
        if let error = root["error"], !error.isNull { throw .upstream(inStream: error) }
        guard root["choices"]?.kind == .array else { throw .malformedAnswer }
        return root
    }

    /// The events of one `data` of the stream.
    package mutating func read(_ data: [UInt8]) -> [ChatEvent] {
        if isDone { return [] }
        if data.elementsEqual(Self.done) { return end() }
        guard let root = AnswerJSON.root(data) else { return fail(.malformedAnswer) }
        return read(root)
    }

    /// The mark that ends a stream.
    static let done = Array("[DONE]".utf8)

    /// The events of one chunk.
    mutating func read(_ root: JSONNode) -> [ChatEvent] {
        if isDone { return [] }
        guard root.kind == .object else { return fail(.malformedAnswer) }
        if let error = root["error"], !error.isNull { return fail(.upstream(inStream: error)) }
        if root["object"]?.stringEquals("error") == true { return fail(.upstream(inStream: root)) }
        return events(root, message: "delta")
    }

    /// The events of the stream's end, marked or not: an answer all of whose choices have finished is complete.
    package mutating func end() -> [ChatEvent] {
        if isDone { return [] }
        if !finishedChoices.isEmpty && openChoices.isEmpty {
            isDone = true
            return []
        }
        return fail(.interrupted)
    }

    private mutating func fail(_ fault: Fault) -> [ChatEvent] {
        isDone = true
        return [.failed(fault)]
    }

    private mutating func events(_ root: JSONNode, message: String) -> [ChatEvent] {
        var events: [ChatEvent] = []
        if !hasStarted {
            hasStarted = true
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
            guard !finishedChoices.contains(index) else { continue }
            openChoices.insert(index)
            if let message = choice[message] { append(message, index, to: &events) }
            // A legacy completion's choice has its text itself.
            if let text = choice["text"]?.string, !text.isEmpty { events.append(.textDelta(choice: index, text)) }
            if let reason = choice["finish_reason"]?.string {
                openChoices.remove(index)
                finishedChoices.insert(index)
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
        guard let node, node.kind == .object,
            let input = AnswerJSON.tokens(node["prompt_tokens"] ?? node["input_tokens"])
        else { return nil }
        let total = AnswerJSON.tokens(node["total_tokens"])
        let output =
            AnswerJSON.tokens(node["completion_tokens"] ?? node["output_tokens"]) ?? max((total ?? input) - input, 0)
        let details = node["prompt_tokens_details"] ?? node["input_tokens_details"]
        let outputDetails = node["completion_tokens_details"] ?? node["output_tokens_details"]
        self.init(
            input: input, output: output,
            cacheRead: min(AnswerJSON.tokens(details?["cached_tokens"] ?? node["prompt_cache_hit_tokens"]) ?? 0, input),
            cacheWrite: min(AnswerJSON.tokens(details?["cache_write_tokens"]) ?? 0, input),
            reasoning: min(AnswerJSON.tokens(outputDetails?["reasoning_tokens"]) ?? 0, output))
    }
}

/// What readers of answers share.
enum AnswerJSON {
    /// The root of a provider's text, read as leniently as the grammar allows: what it says twice is its own affair.
    static func root(_ bytes: [UInt8]) -> JSONNode? {
        try? JSONDocument(parsing: bytes, limits: .upstream, strictness: .rfc8259).root
    }

    /// A count of tokens as a provider gives it: never negative, never absurd, and whole.
    static func tokens(_ node: JSONNode?) -> Int? {
        guard let node else { return nil }
        // Mostly it is written as an integer, which is read ten times faster.
        if let number = node.int { return min(max(number, 0), GatewayLimits.tokensMax) }
        guard let number = node.double else { return nil }
        return Int(min(max(number, 0), Double(GatewayLimits.tokensMax)))
    }
}
