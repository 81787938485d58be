// SPDX-License-Identifier: Apache-2.0

import JSON

/// A model as its provider knows it: what the encoders must know beside the conversation.
package struct UpstreamModel: Equatable, Sendable {
    /// How a request for reasoning is put.
    package enum ReasoningStyle: String, CaseIterable, Sendable {
        /// `reasoning_effort`, or Anthropic's `output_config.effort`.
        case effort
        /// Anthropic's `thinking.budget_tokens` (models before adaptive thinking).
        case budget
        /// Not at all: the model does not reason.
        case none
    }

    /// How a JSON Schema for the answer is put to Anthropic's API.
    package enum SchemaStyle: String, CaseIterable, Sendable {
        /// As a tool the model must call, whose input is the answer. Works with every model and every server that speaks
        /// the protocol, and takes any schema whose root is an object.
        case tool
        /// As `output_config.format`: models since Claude Sonnet 4.5, and a subset of JSON Schema.
        case native
    }

    /// Which of the two spellings a provider of kind `openai` understands.
    package enum Dialect: String, CaseIterable, Sendable {
        /// OpenAI itself: role `developer`, `max_completion_tokens`.
        case openai
        /// Servers compatible with it: role `system`, `max_tokens`.
        case compatible
    }

    /// The name the provider knows.
    package let name: String
    /// The same as JSON, for bodies that pass but for it.
    let nameText: [UInt8]
    /// Most output tokens of one answer: sent where the protocol demands a figure and the client gave none.
    package var outputTokensMax: Int
    package var reasoning: ReasoningStyle
    package var schemas: SchemaStyle
    package var dialect: Dialect
    /// Whether the provider is told `store: false` (on the routes where OpenAI's protocol has it).
    package var tellsStore: Bool

    package init(
        name: String, outputTokensMax: Int = 4_096, reasoning: ReasoningStyle = .effort, schemas: SchemaStyle = .tool,
        dialect: Dialect = .compatible, tellsStore: Bool = true
    ) {
        self.name = name
        nameText = JSONValue.string(name).serialized()
        self.outputTokensMax = outputTokensMax
        self.reasoning = reasoning
        self.schemas = schemas
        self.dialect = dialect
        self.tellsStore = tellsStore
    }
}

/// A provider's body, and what its reader must know to turn the answer back.
package struct UpstreamRequest: Equatable, Sendable {
    package var body: [UInt8]
    /// The tool that stands for the answer itself (`SchemaStyle.tool`): its input is text to the client.
    package var answerTool: String?

    package init(body: [UInt8], answerTool: String? = nil) {
        self.body = body
        self.answerTool = answerTool
    }
}
