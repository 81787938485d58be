// SPDX-License-Identifier: Apache-2.0

import JSON

/// Models as `GET /v1/models` shows them. OpenAI and Anthropic share the path and not the shape; the client's SDK says which
/// it wants by the field `anthropic-version`, which Anthropic demands.
enum ModelList {
    /// One line of the list.
    struct Entry {
        let name: String
        let owner: String

        /// - Parameter name: one of the model's names, which the key may use.
        init(_ model: Model, named name: String) {
            self.name = name
            owner = model.provider.kind == .builtin ? "gatehouse-builtin" : model.provider.name
        }

        init(node alias: String) {
            name = NodePrompt.prefix + alias
            owner = "gatehouse-node"
        }
    }

    static func list(_ entries: [Entry], isAnthropic: Bool) -> JSONValue {
        let data = JSONValue.array(entries.map { entry($0, isAnthropic: isAnthropic) })
        guard isAnthropic else { return ["object": "list", "data": data] }
        return [
            "data": data, "has_more": false,
            "first_id": entries.first.map { .string($0.name) } ?? .null,
            "last_id": entries.last.map { .string($0.name) } ?? .null,
        ]
    }

    static func entry(_ entry: Entry, isAnthropic: Bool) -> JSONValue {
        if isAnthropic {
            return [
                "type": "model", "id": .string(entry.name), "display_name": .string(entry.name),
                "created_at": "1970-01-01T00:00:00Z",
            ]
        }
        // Unknown here, and demanded by the SDK's type.
        return [
            "id": .string(entry.name), "object": "model", "created": 0, "owned_by": .string(entry.owner),
        ]
    }
}
