// SPDX-License-Identifier: Apache-2.0

import JSON

extension ModelRoute {
    /// One line for `/openapi.json` and `gatehouse routes`.
    var summary: String {
        switch self {
        case .chat: "OpenAI chat completions, streaming and not"
        case .completions: "OpenAI text completions"
        case .embeddings: "OpenAI embeddings"
        case .responses: "OpenAI responses, stateless"
        case .messages: "Anthropic messages, streaming and not"
        case .countTokens: "Anthropic token counting"
        }
    }

    /// The fields of the body, named; their types and ranges are those of the protocol whose route it is.
    var bodySchema: JSONValue {
        let required = table.fields.filter(\.isRequired).map { JSONValue.string($0.name) }
        var properties = JSONObject()
        for field in table.fields { properties[field.name] = [:] }
        return ["type": "object", "required": .array(required), "properties": .object(properties)]
    }
}
