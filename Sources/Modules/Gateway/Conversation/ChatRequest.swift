// SPDX-License-Identifier: Apache-2.0

package import JSON

/// A conversation to be continued, free of any protocol: what the decoders make of a client's body and the encoders turn
/// into a provider's. It holds what both sides can mean; what only one protocol knows never reaches it (`FieldTable`).
package struct ChatRequest: Equatable, Sendable {
    /// The model as the client named it; encoders are given the provider's name beside it.
    package var model: String
    package var messages: [ChatMessage]
    package var tools: [ChatTool] = []
    package var toolChoice: ToolChoice = .automatic
    /// Whether the model may call several tools at once; nil where the client left it to the provider.
    package var allowsParallelToolCalls: Bool?
    package var sampling = Sampling()
    /// Most output tokens, reasoning included; nil where the client set none.
    package var outputTokensMax: Int?
    package var stops: [String] = []
    package var format: AnswerFormat = .text
    /// How many answers (`n`).
    package var choices = 1
    package var isStreamed = false
    /// Whether a streamed answer shows its usage (always so on Anthropic's routes).
    package var showsUsage = false
    /// The person behind the key, as the body names them.
    package var user: String?
    package var reasoning: Reasoning?
    package var verbosity: String?
    /// The client's own key-value pairs (OpenAI `metadata`), given back where the protocol does so.
    package var metadata = JSONObject()
    /// What a node put before the client's own words; empty where none did. Its tenant's business: no answer repeats it.
    package var nodePrompt = ""

    package init(model: String, messages: [ChatMessage] = []) {
        self.model = model
        self.messages = messages
    }
}

/// How the next token is drawn. Absent means the provider's default.
package struct Sampling: Equatable, Sendable {
    package var temperature: Double?
    package var topP: Double?
    package var topK: Int?
    package var frequencyPenalty: Double?
    package var presencePenalty: Double?
    package var seed: Int?
    /// Token id → bias, as the client wrote it.
    package var logitBias: JSONValue?

    package init() {}
}

/// How much the model may think before it answers.
package struct Reasoning: Equatable, Sendable {
    package enum Effort: String, CaseIterable, Sendable { case none, minimal, low, medium, high, xhigh, max }
    /// nil where the client gave a budget only, or left it to the model ("adaptive").
    package var effort: Effort?
    /// Tokens of thinking, Anthropic's `budget_tokens`.
    package var budgetTokens: Int?

    package init(effort: Effort? = nil, budgetTokens: Int? = nil) {
        self.effort = effort
        self.budgetTokens = budgetTokens
    }

    /// The effort that was asked for, or the one a budget comes to: below 4,096 tokens low, below 16,384 medium.
    package var effortOrEquivalent: Effort? {
        if let effort { return effort }
        guard let budgetTokens else { return nil }
        return budgetTokens < 4_096 ? .low : budgetTokens < 16_384 ? .medium : .high
    }

    /// The budget that was asked for, or the one an effort comes to; nil for no thinking.
    package var budgetOrEquivalent: Int? {
        if let budgetTokens { return budgetTokens }
        return switch effort {
        case nil, .some(.none): nil
        case .minimal, .low: 1_024
        case .medium: 4_096
        case .high: 16_384
        case .xhigh, .max: 32_768
        }
    }
}

/// What the answer must look like.
package enum AnswerFormat: Equatable, Sendable {
    case text
    /// Any JSON object.
    case jsonObject
    case jsonSchema(AnswerSchema)
}

/// A JSON Schema for the answer.
package struct AnswerSchema: Equatable, Sendable {
    package var name: String
    package var description: String?
    package var schema: JSONValue
    /// Whether an answer that does not fit is an error (checked on the way out).
    package var isStrict: Bool

    package init(name: String, description: String? = nil, schema: JSONValue, isStrict: Bool) {
        self.name = name
        self.description = description
        self.schema = schema
        self.isStrict = isStrict
    }
}

/// A function the model may call; the client runs it.
package struct ChatTool: Equatable, Sendable {
    package var name: String
    package var description: String?
    /// JSON Schema of the arguments; nil for a function without any.
    package var parameters: JSONValue?
    package var isStrict: Bool?

    package init(name: String, description: String? = nil, parameters: JSONValue? = nil, isStrict: Bool? = nil) {
        self.name = name
        self.description = description
        self.parameters = parameters
        self.isStrict = isStrict
    }
}

/// Whether and what the model must call.
package enum ToolChoice: Equatable, Sendable {
    case automatic
    case forbidden
    /// Any of the tools.
    case required
    case named(String)
}
