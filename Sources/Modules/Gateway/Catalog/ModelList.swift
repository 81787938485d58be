// SPDX-License-Identifier: Apache-2.0

import JSON

/// Models as `GET /v1/models` shows them. OpenAI and Anthropic share the path and not the shape; the client's SDK says which
/// it wants by the field `anthropic-version`, which Anthropic demands.
enum ModelList {
    /// - Parameter models: each with the name to show, which is one that the key may use.
    static func list(_ models: [(name: String, model: Model)], isAnthropic: Bool) -> JSONValue {
        let data = JSONValue.array(models.map { entry($0.model, named: $0.name, isAnthropic: isAnthropic) })
        guard isAnthropic else { return ["object": "list", "data": data] }
        return [
            "data": data, "has_more": false,
            "first_id": models.first.map { .string($0.name) } ?? .null,
            "last_id": models.last.map { .string($0.name) } ?? .null,
        ]
    }

    static func entry(_ model: Model, named name: String, isAnthropic: Bool) -> JSONValue {
        if isAnthropic {
            return [
                "type": "model", "id": .string(name), "display_name": .string(name),
                "created_at": "1970-01-01T00:00:00Z",
            ]
        }
        // Unknown here, and demanded by the SDK's type.
        return [
            "id": .string(name), "object": "model", "created": 0,
            "owned_by": .string(model.provider.kind == .builtin ? "gatehouse-builtin" : model.provider.name),
        ]
    }
}
