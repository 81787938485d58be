// SPDX-License-Identifier: Apache-2.0

package import JSON

/// The routes that reach a model.
package enum ModelRoute: String, CaseIterable, Sendable {
    case chat, completions, embeddings, responses, messages
    case countTokens = "count_tokens"

    /// Its number among all cases.
    var number: Int {
        switch self {
        case .chat: 0
        case .completions: 1
        case .embeddings: 2
        case .responses: 3
        case .messages: 4
        case .countTokens: 5
        }
    }

    /// The route's path, here and (below the base URL's `/v1`) at a provider that speaks its protocol.
    package var path: String {
        switch self {
        case .chat: "/v1/chat/completions"
        case .completions: "/v1/completions"
        case .embeddings: "/v1/embeddings"
        case .responses: "/v1/responses"
        case .messages: "/v1/messages"
        case .countTokens: "/v1/messages/count_tokens"
        }
    }

    /// The fields of its body.
    package var table: FieldTable {
        switch self {
        case .chat: .chat
        case .completions: .completions
        case .embeddings: .embeddings
        case .responses: .responses
        case .messages: .messages
        case .countTokens: .countTokens
        }
    }

    /// Whether errors and streams have Anthropic's shape.
    package var isAnthropic: Bool { self == .messages || self == .countTokens }

    /// Whether a provider of that kind speaks the route's own protocol, so that the client's bytes can reach it.
    package func isNative(to kind: ProviderKind) -> Bool { table.native == kind }

    /// The conversation in a body that the table has passed. Embeddings hold none.
    package func decode(_ root: JSONNode) throws(Fault) -> ChatRequest {
        switch self {
        case .chat: try OpenAIChatDecoder.decode(root)
        case .completions: try OpenAICompletionDecoder.decode(root)
        case .responses: try OpenAIResponsesDecoder.decode(root)
        case .messages, .countTokens: try AnthropicDecoder.decode(root)
        case .embeddings: throw .invalid("model", "This model's provider has no embeddings.")
        }
    }
}
