// SPDX-License-Identifier: Apache-2.0

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
    /// Pieces with something in them: a provider sends a token at least with each, so a lower bound of the output's tokens.
    package private(set) var pieces = 0
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
            if !text.isEmpty { pieces += 1 }
        case .reasoningSignature, .ran: break
        case .toolCallStarted(_, _, _, let name):
            toolCalls += 1
            outputBytes += name.utf8.count
        case .finished(_, let reason): finishes.append(reason)
        case .usage(let usage): self.usage = usage
        case .failed(let fault): self.fault = fault
        }
    }

    /// Takes what the events of a plain chunk would say.
    mutating func add(_ chunk: OpenAIChatReader.PlainChunk) {
        if let name = chunk.model, !name.isEmpty { model = name }
        outputBytes += chunk.textBytes
        pieces += chunk.pieces
        if let finish = chunk.finish { finishes.append(finish) }
        usage = chunk.usage ?? usage
    }

    /// Takes a text by its length in bytes.
    mutating func add(textBytes: Int) {
        outputBytes += textBytes
        if textBytes > 0 { pieces += 1 }
    }

    /// Takes figures that came beside the events (embeddings have usage only).
    mutating func add(_ usage: TokenUsage?) { self.usage = usage ?? self.usage }
}
