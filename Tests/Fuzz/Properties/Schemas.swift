// SPDX-License-Identifier: Apache-2.0

import JSON

extension Property {
    /// A client's JSON Schema is compiled or refused, and judges any value in bounded work. The input is an array of a
    /// schema and values to judge; a value the schema makes itself is JSON.
    package static let schema = Property("Schema") { (bytes) throws(Broken) -> Bool in
        guard let parts = (try? JSONValue(parsing: bytes))?.array, let first = parts.first else { return false }
        guard let schema = try? JSONSchema(first), let again = try? JSONSchema(first) else { return false }
        for value in parts.dropFirst().prefix(8) {
            try demand(schema.validate(value) == again.validate(value), "compiled twice, it judges otherwise")
        }
        let example = schema.instance()
        _ = schema.validate(example)
        try demand((try? JSONValue(parsing: example.serialized())) == example, "the example is no interoperable JSON")
        return true
    }
}
