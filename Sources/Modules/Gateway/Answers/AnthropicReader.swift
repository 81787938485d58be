// SPDX-License-Identifier: Apache-2.0

import JSON

/// Reads the answer of Anthropic's `/v1/messages`, whole or event by event.
///
/// Where a tool stands for the answer (`UpstreamRequest.answerTool`), its input is text and the call is none. What the
/// model says beside that call is held back until it is known whether the call comes: it would spoil the JSON.
package struct AnthropicReader: Sendable {
    private enum Block {
        case call(index: Int, hasArguments: Bool, whole: String)
        case answer(hasText: Bool, whole: String)
        case other
    }

    private let answerTool: String?
    private var blocks: [Int: Block] = [:]
    private var callCount = 0
    private var hasAnswered = false
    private var held = ""
    private var usage = TokenUsage()
    private var finish: FinishReason?
    private var isDone = false

    package init(answerTool: String? = nil) {
        self.answerTool = answerTool
    }

    /// The events of a whole answer's body.
    package static func whole(_ body: [UInt8], answerTool: String? = nil) throws(Fault) -> [ChatEvent] {
        var reader = AnthropicReader(answerTool: answerTool)
        guard let root = AnswerJSON.root(body) else { throw .malformedAnswer }
        if let error = root["error"], !error.isNull { throw .upstream(inStream: error) }
        guard root["content"]?.kind == .array else { throw .malformedAnswer }
        var events: [ChatEvent] = [reader.start(root)]
        for (index, block) in root["content"].elements.enumerated() {
            events += reader.open(block, at: index)
            if let signature = block["signature"]?.string, !signature.isEmpty {
                events.append(.reasoningSignature(choice: 0, signature))
            }
            events += reader.close(index)
        }
        reader.readStop(root)
        return events + reader.finished()
    }

    /// The events of one `data` of the stream.
    package mutating func read(_ data: [UInt8]) -> [ChatEvent] {
        if isDone { return [] }
        guard let root = AnswerJSON.root(data) else { return fail(.malformedAnswer) }
        return read(root)
    }

    /// The events of one event's object.
    mutating func read(_ root: JSONNode) -> [ChatEvent] {
        if isDone { return [] }
        guard let type = root["type"]?.string else { return fail(.malformedAnswer) }
        let index = root["index"]?.int ?? 0
        switch type {
        case "message_start":
            guard let message = root["message"] else { return fail(.malformedAnswer) }
            return [start(message), .usage(usage)]
        case "content_block_start":
            guard let block = root["content_block"], blocks.count < GatewayLimits.partsMax else {
                return fail(.malformedAnswer)
            }
            return open(block, at: index)
        case "content_block_delta": return root["delta"].map { delta($0, at: index) } ?? []
        case "content_block_stop": return close(index)
        case "message_delta":
            readUsage(root["usage"])
            if let delta = root["delta"] { readStop(delta) }
            return []
        case "message_stop":
            guard finish != nil else { return fail(.interrupted) }
            isDone = true
            return finished()
        case "error": return fail(root["error"].map(Fault.upstream(inStream:)) ?? .malformedAnswer)
        default: return []  // ping, and what may be added later.
        }
    }

    /// The events of the stream's end.
    package mutating func end() -> [ChatEvent] {
        isDone ? [] : fail(.interrupted)
    }

    private mutating func fail(_ fault: Fault) -> [ChatEvent] {
        isDone = true
        return [.failed(fault)]
    }

    private mutating func start(_ message: JSONNode) -> ChatEvent {
        readUsage(message["usage"])
        return .started(AnswerHead(id: message["id"]?.string ?? "", model: message["model"]?.string ?? ""))
    }

    // Blocks.

    private mutating func open(_ block: JSONNode, at index: Int) -> [ChatEvent] {
        blocks[index] = .other
        switch block["type"]?.string {
        case "text": return text(block["text"]?.string ?? "")
        case "thinking":
            let text = block["thinking"]?.string ?? ""
            return text.isEmpty ? [] : [.reasoningDelta(choice: 0, text)]
        case "redacted_thinking": return [.redactedReasoning(choice: 0, block["data"]?.string ?? "")]
        case "tool_use":
            let name = block["name"]?.string ?? ""
            // A stream opens with an empty input and sends it in pieces; a whole answer has all of it here.
            let input = block["input"].flatMap { $0.kind == .object && $0.count > 0 ? $0.rawText : nil } ?? ""
            if let answerTool, answerTool == name {
                hasAnswered = true
                blocks[index] = .answer(hasText: false, whole: input)
                return []
            }
            guard callCount < GatewayLimits.toolCallsMax else { return fail(.malformedAnswer) }
            blocks[index] = .call(index: callCount, hasArguments: false, whole: input)
            callCount += 1
            return [.toolCallStarted(choice: 0, index: callCount - 1, id: block["id"]?.string ?? "", name: name)]
        default: return []
        }
    }

    private mutating func delta(_ delta: JSONNode, at index: Int) -> [ChatEvent] {
        switch delta["type"]?.string {
        case "text_delta": return text(delta["text"]?.string ?? "")
        case "thinking_delta": return [.reasoningDelta(choice: 0, delta["thinking"]?.string ?? "")]
        case "signature_delta": return [.reasoningSignature(choice: 0, delta["signature"]?.string ?? "")]
        case "input_json_delta":
            guard let piece = delta["partial_json"]?.string, !piece.isEmpty else { return [] }
            switch blocks[index] {
            case .call(let call, _, let whole):
                blocks[index] = .call(index: call, hasArguments: true, whole: whole)
                return [.toolCallArguments(choice: 0, index: call, piece)]
            case .answer(_, let whole):
                blocks[index] = .answer(hasText: true, whole: whole)
                return [.textDelta(choice: 0, piece)]
            default: return []
            }
        default: return []
        }
    }

    /// A call without pieces has the input it opened with, or none.
    private func close(_ index: Int) -> [ChatEvent] {
        switch blocks[index] {
        case .call(let call, hasArguments: false, let whole):
            [.toolCallArguments(choice: 0, index: call, whole.isEmpty ? "{}" : whole)]
        case .answer(hasText: false, let whole): [.textDelta(choice: 0, whole.isEmpty ? "{}" : whole)]
        default: []
        }
    }

    private mutating func text(_ text: String) -> [ChatEvent] {
        guard answerTool != nil else { return text.isEmpty ? [] : [.textDelta(choice: 0, text)] }
        guard held.utf8.count + text.utf8.count <= GatewayLimits.answerBytesMax else { return fail(.malformedAnswer) }
        held += text
        return []
    }

    // The end.

    private mutating func readStop(_ node: JSONNode) {
        guard let reason = node["stop_reason"]?.string else { return }
        finish = FinishReason(anthropic: reason, sequence: node["stop_sequence"]?.string)
        if finish == .toolCalls, hasAnswered, callCount == 0 { finish = .stop }
    }

    private func finished() -> [ChatEvent] {
        var events: [ChatEvent] = []
        if !held.isEmpty, !hasAnswered { events.append(.textDelta(choice: 0, held)) }
        return events + [.finished(choice: 0, finish ?? .stop), .usage(usage)]
    }

    /// Anthropic counts input without what its cache read or wrote; the figures of a later event replace the earlier.
    private mutating func readUsage(_ node: JSONNode?) {
        guard let node, node.kind == .object else { return }
        let read = AnswerJSON.tokens(node["cache_read_input_tokens"]) ?? usage.cacheRead
        let write = AnswerJSON.tokens(node["cache_creation_input_tokens"]) ?? usage.cacheWrite
        let fresh = AnswerJSON.tokens(node["input_tokens"]) ?? usage.input - usage.cacheRead - usage.cacheWrite
        usage.cacheRead = read
        usage.cacheWrite = write
        usage.input = fresh + read + write
        usage.output = AnswerJSON.tokens(node["output_tokens"]) ?? usage.output
        usage.reasoning = AnswerJSON.tokens(node["output_tokens_details"]?["thinking_tokens"]) ?? usage.reasoning
    }
}
