// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
package import JSON

/// The body of a request, an object whose members are known: what is not known is refused by name, before anything happens.
package struct JSONBody: Sendable {
    private let object: JSONObject
    /// What stands before a member's name in an error: `limits.`.
    private let path: String

    /// - Throws: `unsupported_media_type`, `payload_too_large`, `invalid_json`, `unknown_parameter`.
    package init(_ exchange: Exchange, bytesMax: Int, known: [String]) async throws(Failure) {
        let bytes = try await Self.bytes(of: exchange, bytesMax: bytesMax)
        try self.init(parsing: bytes, known: known)
    }

    /// The body's bytes, if it says that it is JSON.
    package static func bytes(of exchange: Exchange, bytesMax: Int) async throws(Failure) -> [UInt8] {
        let type = exchange.request.head.fields["content-type"].flatMap(HeaderParameters.init)?.value
        guard type == "application/json" else {
            throw Failure(.unsupportedMediaType, "the body must be sent as content-type: application/json")
        }
        return try await exchange.body(max: bytesMax)
    }

    package init(parsing bytes: [UInt8], known: [String]) throws(Failure) {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw Failure(.invalidJSON, "the body is not valid JSON: \(error.message)")
        }
        guard let object = value.object else { throw Failure(.invalidParameter, "the body must be a JSON object") }
        try self.init(object, known: known, path: "")
    }

    package init(_ object: JSONObject, known: [String], path: String) throws(Failure) {
        for (name, _) in object.members where !known.contains(name) {
            throw Failure(.unknownParameter, "unknown parameter", param: path + String(name.prefix(64)))
        }
        self.object = object
        self.path = path
    }

    /// Whether the member is there, null included.
    package func has(_ name: String) -> Bool { object[name] != nil }

    /// The member; nil where it is absent or null.
    package subscript(_ name: String) -> JSONValue? {
        guard let value = object[name], !value.isNull else { return nil }
        return value
    }

    /// - Parameter bytes: its length.
    package func string(_ name: String, bytes: ClosedRange<Int>) throws(Failure) -> String? {
        guard let value = self[name] else { return nil }
        guard let text = value.string else { throw refusal(name, "must be a string") }
        guard bytes.contains(text.utf8.count) else {
            throw refusal(name, "must have \(bytes.lowerBound) to \(bytes.upperBound) bytes")
        }
        return text
    }

    /// One line of text, without control characters.
    package func line(_ name: String, bytesMax: Int) throws(Failure) -> String? {
        guard let text = try string(name, bytes: 1...bytesMax) else { return nil }
        guard text.isOneLine else { throw refusal(name, "must be one line without control characters") }
        return text
    }

    package func int(_ name: String, in range: ClosedRange<Int>) throws(Failure) -> Int? {
        guard let value = self[name] else { return nil }
        guard let number = value.int, range.contains(number) else {
            throw refusal(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    package func bool(_ name: String) throws(Failure) -> Bool? {
        guard let value = self[name] else { return nil }
        guard let bool = value.bool else { throw refusal(name, "must be true or false") }
        return bool
    }

    /// One word of a closed list.
    package func choice<Choice>(_ name: String, _: Choice.Type = Choice.self) throws(Failure) -> Choice?
    where Choice: RawRepresentable & CaseIterable, Choice.RawValue == String {
        guard let value = self[name] else { return nil }
        guard let text = value.string, let choice = Choice(rawValue: text) else {
            throw refusal(
                name, "must be one of " + Choice.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", "))
        }
        return choice
    }

    package func object(_ name: String, known: [String]) throws(Failure) -> JSONBody? {
        guard let value = self[name] else { return nil }
        guard let object = value.object else { throw refusal(name, "must be an object") }
        return try JSONBody(object, known: known, path: "\(path)\(name).")
    }

    package func refusal(_ name: String, _ message: String) -> Failure {
        Failure(.invalidParameter, message, param: path + name)
    }

    /// A member that must be there.
    package func required<Value>(_ name: String, _ value: Value?) throws(Failure) -> Value {
        guard let value else { throw refusal(name, "must be given") }
        return value
    }
}

extension String {
    /// Whether this is text that a list can show: no control characters, line breaks, or characters that are not there.
    package var isOneLine: Bool {
        unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned: false
            default: true
            }
        }
    }
}
