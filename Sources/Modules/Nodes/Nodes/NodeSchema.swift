// SPDX-License-Identifier: Apache-2.0

import JSON

/// The bodies of the node routes, for `/openapi.json`.
enum NodeSchema {
    static let creation: JSONValue = schema(required: ["alias", "model"])
    static let change: JSONValue = schema(required: [])

    private static func schema(required: [JSONValue]) -> JSONValue {
        [
            "type": "object",
            "required": .array(required),
            "additionalProperties": false,
            "properties": [
                "alias": ["type": "string", "pattern": "^[a-z0-9][a-z0-9._-]*$", "maxLength": 64],
                "model": ["type": "string", "minLength": 1, "maxLength": .int(NodesLimits.modelBytesMax)],
                "system_prompt": ["type": ["string", "null"], "maxLength": .int(NodesLimits.systemPromptBytesMax)],
                "policy": [
                    "type": ["object", "null"],
                    "additionalProperties": false,
                    "properties": ["refusals": ["enum": ["error", "content_filter", .null]]],
                ],
                "memory": ["type": ["boolean", "null"]],
                "retention_seconds": ["type": ["integer", "null"], "minimum": 0],
                "limits": [
                    "type": ["object", "null"],
                    "additionalProperties": false,
                    "properties": [
                        "max_output_tokens": ["type": ["integer", "null"], "minimum": 1],
                        "max_context_messages": ["type": ["integer", "null"], "minimum": 0],
                        "max_input_bytes": ["type": ["integer", "null"], "minimum": 1],
                    ],
                ],
                "tools": ["type": ["array", "null"], "maxItems": .int(NodesLimits.toolsMax)],
                "anonymous": ["const": false],
            ],
        ]
    }
}
