// SPDX-License-Identifier: Apache-2.0

import JSON

/// What is to be known of an answer when it is over, and of one that broke off: figures and words of a closed list, never
/// content. For settlement, audit and metrics.
package struct AnswerSummary: Equatable, Sendable {
    /// The provider's figures; nil where it gave none (a cut stream, a server without usage).
    package private(set) var usage: TokenUsage?
    /// The model that answered, as the provider calls it.
    package private(set) var model: String?
    /// Why each choice ended, in the order of the ends.
    package private(set) var finishes: [FinishReason] = []
    /// Bytes of text, reasoning, refusals and arguments given so far: an upper bound of the output's tokens.
    package private(set) var outputBytes = 0
    package private(set) var toolCalls = 0
    /// Why the answer is not whole.
    package private(set) var fault: Fault?

    package init() {}

    package init(_ events: some Sequence<ChatEvent>) {
        for event in events { add(event) }
    }

    /// Takes the next event.
    package mutating func add(_ event: ChatEvent) {
        switch event {
        case .started(let head): if !head.model.isEmpty { model = head.model }
        case .textDelta(_, let text), .reasoningDelta(_, let text), .refusalDelta(_, let text),
            .toolCallArguments(_, _, let text), .redactedReasoning(_, let text):
            outputBytes += text.utf8.count
        case .reasoningSignature: break
        case .toolCallStarted(_, _, _, let name):
            toolCalls += 1
            outputBytes += name.utf8.count
        case .finished(_, let reason): finishes.append(reason)
        case .usage(let usage): self.usage = usage
        case .failed(let fault): self.fault = fault
        }
    }

    /// Takes figures that came beside the events (embeddings have usage only).
    mutating func add(_ usage: TokenUsage?) { self.usage = usage ?? self.usage }
}

extension AnswerSummary {
    /// What the events of a whole answer in OpenAI's protocol would come to, without making them; nil where only the
    /// events tell: several choices, calls, content in parts.
    init?(plain root: JSONNode) {
        guard let choices = root["choices"], choices.count == 1, let choice = choices[0],
            (0..<GatewayLimits.choicesMax).contains(choice["index"]?.int ?? 0)
        else { return nil }
        if let message = choice["message"] {
            let calls = message["tool_calls"]
            guard message["content"]?.kind != .array, calls?.kind != .array || calls?.count == 0 else { return nil }
            let reasoning = message["reasoning_content"]?.stringByteCount ?? message["reasoning"]?.stringByteCount
            outputBytes += (reasoning ?? 0) + (message["content"]?.stringByteCount ?? 0)
            outputBytes += message["refusal"]?.stringByteCount ?? 0
        }
        outputBytes += choice["text"]?.stringByteCount ?? 0
        if let reason = choice["finish_reason"]?.string { finishes = [FinishReason(openAI: reason)] }
        if let name = root["model"]?.string, !name.isEmpty { model = name }
        usage = TokenUsage(openAI: root["usage"])
    }
}
