// SPDX-License-Identifier: Apache-2.0

import Core

/// A whole answer, gathered from its events. Bounded: an answer of more than `GatewayLimits.answerBytesMax` fails.
package struct ChatAnswer: Equatable, Sendable {
    package struct Choice: Equatable, Sendable {
        package var text = ""
        package var reasoning = ""
        package var signature: String?
        package var redacted: [String] = []
        package var refusal = ""
        package var calls: [ToolUse] = []
        package var finish: FinishReason?
    }

    package private(set) var head: AnswerHead?
    /// By their index; the answer to a request without `n` has one.
    package private(set) var choices: [Choice] = []
    /// Programs that were run for it, and how many bytes of text stood before each.
    package private(set) var runs: [CodeRun] = []
    package private(set) var textBeforeRuns: [Int] = []
    /// nil where the provider gave none.
    package private(set) var usage: TokenUsage?
    /// Why there is no answer after all.
    package private(set) var fault: Fault?
    private var byteCount = 0

    package init() {}

    /// Gathers events.
    package init(_ events: some Sequence<ChatEvent>) {
        for event in events { add(event) }
    }

    /// Takes the next event. Nothing is taken after a fault.
    package mutating func add(_ event: ChatEvent) {
        guard fault == nil else { return }
        switch event {
        case .started(let head): self.head = head
        case .usage(let usage): self.usage = usage
        case .failed(let fault): self.fault = fault
        case .textDelta(let choice, let text): take(text, choice) { $0.text += text }
        case .reasoningDelta(let choice, let text): take(text, choice) { $0.reasoning += text }
        case .reasoningSignature(let choice, let text): take(text, choice) { $0.signature = text }
        case .redactedReasoning(let choice, let text): take(text, choice) { $0.redacted.append(text) }
        case .refusalDelta(let choice, let text): take(text, choice) { $0.refusal += text }
        case .toolCallStarted(let choice, _, let id, let name):
            take(id + name, choice) { $0.calls.append(ToolUse(id: id, name: name, arguments: "")) }
        case .toolCallArguments(let choice, let index, let text):
            take(text, choice) { choice in
                guard choice.calls.indices.contains(index) else { return }
                choice.calls[index].arguments += text
            }
        case .ran(let run):
            runs.append(run)
            textBeforeRuns.append(choices.first?.text.utf8.count ?? 0)
        case .finished(let choice, let reason): take("", choice) { $0.finish = reason }
        }
    }

    private mutating func take(_ text: String, _ choice: Int, _ body: (inout Choice) -> Void) {
        byteCount += text.utf8.count
        guard byteCount <= GatewayLimits.answerBytesMax, (0..<GatewayLimits.choicesMax).contains(choice) else {
            fault = Fault(.upstreamError, "The model's answer is larger than this server passes on.")
            return
        }
        while choices.count <= choice { choices.append(Choice()) }
        body(&choices[choice])
    }
}
