// SPDX-License-Identifier: Apache-2.0

/// The maxima of a schema and of the work with it. Schemas come from clients, and so do most values.
package enum JSONSchemaMaxima {
    /// Subschemas, those behind `$ref` counted once.
    package static let subschemas = 5_000
    /// Instructions of all patterns together.
    package static let patternInstructions = 20_000
    /// Steps of one validation, or of one example with its validations: a subschema or keyword tried, 16 bytes compared, a step of a pattern's automaton.
    package static let steps = 1_000_000
    /// Subschemas within each other while validating, `$ref` and branches included. It keeps the recursion well within
    /// the stack of a loop's thread (1 MiB), also in a debug build.
    package static let depth = 200
    /// Values of an example, and its arrays and strings.
    package static let exampleValues = 5_000
    package static let exampleElements = 100
    package static let exampleScalars = 10_000
}

/// A JSON Schema (2020-12, with the older spellings `definitions`, `dependencies` and `items` as a list), ready to judge
/// values.
///
/// Known are: `type`, `enum`, `const`; the limits of numbers, strings, arrays and objects; `pattern`; `properties`,
/// `patternProperties`, `additionalProperties`, `propertyNames`, `required`, `dependentRequired`, `dependentSchemas`;
/// `prefixItems`, `items`, `contains`, `uniqueItems`; `allOf`, `anyOf`, `oneOf`, `not`, `if`/`then`/`else`; `$ref` within
/// the schema. `format` is not judged. Annotations and unknown keywords mean nothing, as the standard has it; those of
/// the standard that would judge and are not known here (`unevaluatedProperties`, `unevaluatedItems`, `$dynamicRef`) are
/// refused, for a schema must not promise what is not checked.
package struct JSONSchema: Sendable {
    /// The compiled subschemas. The first one is the root.
    let nodes: [[SchemaRule]]

    /// - Throws: `JSONSchemaError` for what is malformed, not supported or too large.
    package init(_ schema: JSONValue) throws(JSONSchemaError) {
        nodes = try SchemaCompiler.compile(schema)
    }

    /// What is wrong with a value; nil if nothing is. Work is bounded by `JSONSchemaMaxima.steps`: a value that needs
    /// more is not accepted, and the violation's keyword is then empty.
    package func validate(_ value: JSONValue) -> JSONSchemaViolation? {
        var steps = JSONSchemaMaxima.steps
        return SchemaValidator.validate(value, nodes, steps: &steps)
    }

    /// A small value that satisfies the schema, the same one each time: with all properties, one element where arrays
    /// have a choice, the first branch of `anyOf`, the first of `enum`. Where recursion allows it is cut at once.
    ///
    /// Best effort: a schema that cannot be satisfied, or only cleverly (patterns against lengths, `not`), gives a value
    /// that violates it.
    package func instance() -> JSONValue { SchemaExample.value(self) }

    /// As `instance()`, from the schema's own tree.
    package static func instance(of schema: JSONValue) throws(JSONSchemaError) -> JSONValue {
        try JSONSchema(schema).instance()
    }
}

/// Why a schema is refused, and where in it.
package struct JSONSchemaError: Error, Equatable, Sendable {
    /// A JSON pointer (RFC 6901) into the schema: `/properties/a/type`, empty for the schema itself.
    package let path: String
    /// A phrase for the schema's author.
    package let reason: String
}

extension JSONSchemaError: CustomStringConvertible {
    package var description: String { path.isEmpty ? reason : "at \(path): \(reason)" }
}

/// Why a value does not satisfy a schema, and where in it.
package struct JSONSchemaViolation: Equatable, Sendable {
    /// A JSON pointer (RFC 6901) into the value: `/items/0/name`, empty for the value itself. Cut when it is very long.
    package let path: String
    /// The keyword that is violated.
    package let keyword: String
    /// A phrase that names the rule and shows nothing of the value.
    package let reason: String
}

extension JSONSchemaViolation: CustomStringConvertible {
    package var description: String { path.isEmpty ? reason : "at \(path): \(reason)" }
}

/// JSON pointers (RFC 6901).
enum JSONPointer {
    /// The pointer of these tokens. What is behind about 500 bytes is left out, as names come from outside.
    static func text(_ tokens: some Sequence<String>) -> String {
        var text = ""
        for token in tokens {
            guard text.utf8.count < 500 else { return text + "/…" }
            text += "/"
            for scalar in token.unicodeScalars.prefix(100) {
                switch scalar {
                case "~": text += "~0"
                case "/": text += "~1"
                default: text.unicodeScalars.append(scalar)
                }
            }
        }
        return text
    }

    /// The tokens of a pointer, unescaped; nil if it is malformed.
    static func tokens(_ text: some StringProtocol) -> [String]? {
        if text.isEmpty { return [] }
        guard text.utf8.first == UInt8(ascii: "/") else { return nil }
        var tokens: [String] = []
        for part in text.unicodeScalars.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            var token = String.UnicodeScalarView()
            var rest = part
            while let scalar = rest.popFirst() {
                guard scalar == "~" else {
                    token.append(scalar)
                    continue
                }
                switch rest.popFirst() {
                case "0": token.append("~")
                case "1": token.append("/")
                default: return nil
                }
            }
            tokens.append(String(token))
        }
        return tokens
    }
}
