// SPDX-License-Identifier: Apache-2.0

/// One step of an answer, free of any protocol. Readers make them of a provider's bytes, writers turn them into the
/// client's. Order: `started` first; then the deltas of each choice; `finished` once a choice; `usage` (the last one
/// counts); and nothing after `failed`.
package enum ChatEvent: Equatable, Sendable {
    case started(AnswerHead)
    case textDelta(choice: Int, String)
    case reasoningDelta(choice: Int, String)
    /// Closes the thinking so far with the provider's signature.
    case reasoningSignature(choice: Int, String)
    /// Thinking that only its provider can read.
    case redactedReasoning(choice: Int, String)
    case refusalDelta(choice: Int, String)
    /// `index` counts the calls of a choice from 0.
    case toolCallStarted(choice: Int, index: Int, id: String, name: String)
    case toolCallArguments(choice: Int, index: Int, String)
    /// A program of the model's was run here; in the one choice of an answer with a code interpreter.
    case ran(CodeRun)
    case finished(choice: Int, FinishReason)
    case usage(TokenUsage)
    case failed(Fault)
}

/// What an answer says of itself before its first token.
package struct AnswerHead: Equatable, Sendable {
    /// The provider's id of the answer; empty where it gave none (writers then use the one they were made with).
    package var id: String
    /// The model that answers, as the provider calls it.
    package var model: String
    /// Unix seconds; 0 where the provider gave none.
    package var created: Int
    /// OpenAI's name for the build behind the answer.
    package var fingerprint: String?

    package init(id: String, model: String, created: Int = 0, fingerprint: String? = nil) {
        self.id = id
        self.model = model
        self.created = created
        self.fingerprint = fingerprint
    }
}

/// Why a choice ended.
package enum FinishReason: Equatable, Sendable {
    /// By itself, or (with the text) at a stop sequence.
    case stop(sequence: String?)
    case length
    case toolCalls
    /// Withheld or declined by the provider.
    case contentFilter

    package static let stop = FinishReason.stop(sequence: nil)

    /// OpenAI's word.
    package var openAI: String {
        switch self {
        case .stop: "stop"
        case .length: "length"
        case .toolCalls: "tool_calls"
        case .contentFilter: "content_filter"
        }
    }

    /// OpenAI's word read back; what is unknown counts as a natural end.
    package init(openAI word: String) {
        self =
            switch word {
            case "length": .length
            case "tool_calls", "function_call": .toolCalls
            case "content_filter": .contentFilter
            default: .stop
            }
    }

    /// Anthropic's word.
    package var anthropic: String {
        switch self {
        case .stop(sequence: nil): "end_turn"
        case .stop: "stop_sequence"
        case .length: "max_tokens"
        case .toolCalls: "tool_use"
        case .contentFilter: "refusal"
        }
    }

    /// Anthropic's word read back. `pause_turn` belongs to server tools, which are not offered here.
    package init(anthropic word: String, sequence: String?) {
        self =
            switch word {
            case "max_tokens", "model_context_window_exceeded": .length
            case "tool_use": .toolCalls
            case "refusal": .contentFilter
            case "stop_sequence": .stop(sequence: sequence ?? "")
            default: .stop
            }
    }
}

/// Model tokens, as the provider counted them. `input` and `output` are totals: they include the figures below them.
package struct TokenUsage: Equatable, Sendable {
    package var input: Int
    package var output: Int
    /// Of the input, read from the provider's cache.
    package var cacheRead: Int
    /// Of the input, written to the provider's cache.
    package var cacheWrite: Int
    /// Of the output, spent on reasoning.
    package var reasoning: Int
    /// Whether the figures are ours because the provider gave none.
    package var isEstimated: Bool

    package init(
        input: Int = 0, output: Int = 0, cacheRead: Int = 0, cacheWrite: Int = 0, reasoning: Int = 0,
        isEstimated: Bool = false
    ) {
        self.input = input
        self.output = output
        self.cacheRead = cacheRead
        self.cacheWrite = cacheWrite
        self.reasoning = reasoning
        self.isEstimated = isEstimated
    }

    /// Both directions together.
    package var total: Int { input + output }
}
