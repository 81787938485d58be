// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import HTTP
import JSON

/// The configuration as it was read at the start: every key, with what held then. Of secrets it has the places, as the file has.
enum ConfigurationRoute {
    static func all(_ keys: [KeyRecord]) -> [Route] {
        let rows = keys.map { key -> JSONValue in
            let (isDefault, standard): (Bool, JSONValue) =
                switch key.presence {
                case .standard(let text): (key.value == text, .string(text))
                case .optional: (key.value == nil, .null)
                case .required: (false, .null)
                }
            return [
                "object": "config.key", "section": .string(key.section), "key": .string(key.key),
                "type": .string(key.type), "range": key.range.map { .string($0) } ?? .null,
                "value": key.value.map { .string($0) } ?? .null, "default": standard, "is_default": .bool(isDefault),
            ]
        }
        let document: JSONValue = [
            "object": "list", "data": .array(rows), "has_more": false, "next_cursor": .null,
        ]
        return [
            Route(
                .get, "/admin/v1/config", guard: .operator,
                summary: "Every key of the configuration, and its value at the start"
            ) { _ throws(Failure) in .json(document) }
        ]
    }
}
