// SPDX-License-Identifier: Apache-2.0

package import JSON

extension FieldTable {
    /// The table as a JSON Schema for `/openapi.json`: what the route takes for at least one kind of provider. Which kind
    /// takes what is narrower than a schema of the route can say.
    package var schema: JSONValue { Shape.object(fields).schema }
}

extension Shape {
    /// The shape as JSON Schema 2020-12.
    var schema: JSONValue {
        switch self {
        case .any: return [:]
        case .bool: return ["type": "boolean"]
        case .integer(let range): return Self.bounded("integer", .int(range.lowerBound), .int(range.upperBound))
        case .number(let range): return Self.bounded("number", .double(range.lowerBound), .double(range.upperBound))
        // Lengths are of bytes here and of characters in a schema, so only the least is said.
        case .string(let range):
            return range.lowerBound > 0 ? ["type": "string", "minLength": 1] : ["type": "string"]
        case .choice(let choices): return ["type": "string", "enum": .array(choices.map(JSONValue.string))]
        case .address: return ["type": "string", "format": "uri"]
        case .fileData: return ["type": "string"]
        case .array(let element, let range):
            return [
                "type": "array", "items": element.schema, "minItems": .int(range.lowerBound),
                "maxItems": .int(range.upperBound),
            ]
        case .map(let element, let range):
            return [
                "type": "object", "additionalProperties": element.schema, "maxProperties": .int(range.upperBound),
            ]
        case .free: return ["type": "object"]
        case .either(let shapes): return ["anyOf": .array(shapes.map(\.schema))]
        case .object(let fields): return Self.object(fields, tag: nil)
        case .tagged(let name, let fallback, let tags):
            let offered = tags.filter { $0.isOffered }
            return [
                "oneOf": .array(offered.map { Self.object($0.fields, tag: (name, $0.name, $0.name == fallback)) })
            ]
        }
    }

    private static func bounded(_ type: JSONValue, _ low: JSONValue, _ high: JSONValue) -> JSONValue {
        ["type": type, "minimum": low, "maximum": high]
    }

    /// Optional members may be null; those nobody can have, only that.
    private static func object(
        _ fields: [Field], tag: (name: String, value: String, isDefault: Bool)?
    ) -> JSONValue {
        var properties = JSONObject()
        var required: [JSONValue] = []
        if let tag {
            properties.append(
                tag.name, tag.isDefault ? ["enum": [.string(tag.value), .null]] : ["const": .string(tag.value)])
            if !tag.isDefault { required.append(.string(tag.name)) }
        }
        for field in fields {
            if field.isRequired {
                properties.append(field.name, field.shape.schema)
                required.append(.string(field.name))
            } else if field.isOffered {
                properties.append(field.name, ["anyOf": [field.shape.schema, ["type": "null"]]])
            } else {
                properties.append(field.name, ["type": "null"])
            }
        }
        return [
            "type": "object", "properties": .object(properties), "required": .array(required),
            "additionalProperties": false,
        ]
    }
}

extension Treatment {
    /// Whether some value can be had.
    fileprivate var isOffered: Bool {
        switch self {
        case .pass, .hint, .within: true
        case .only(let values, _, _): !values.isEmpty
        case .refused, .unknown: false
        }
    }
}

extension Field {
    fileprivate var isOffered: Bool { openai.isOffered || anthropic.isOffered || builtin.isOffered }
}

extension Tag {
    fileprivate var isOffered: Bool { openai.isOffered || anthropic.isOffered || builtin.isOffered }
}
