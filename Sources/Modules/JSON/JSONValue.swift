// SPDX-License-Identifier: Apache-2.0

import Bytes

/// A JSON value as a tree, for what is built or translated. Members keep their order, numbers keep their text.
///
/// Two values are equal if they were written alike: `1` and `1.0` differ, and so do objects whose members stand in
/// another order, and strings of other bytes that Unicode calls equivalent.
package enum JSONValue: Sendable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// A number.
    package static func int(_ number: Int) -> JSONValue { .number(JSONNumber(number)) }

    /// A number, or null for one that JSON does not have (infinite, NaN).
    package static func double(_ number: Double) -> JSONValue {
        number.isFinite ? .number(JSONNumber(number)) : .null
    }
}

extension JSONValue {
    /// The text as a tree.
    package init(
        parsing bytes: [UInt8], limits: JSONLimits = .request, strictness: JSONStrictness = .interoperable
    ) throws(JSONError) {
        self = try JSONDocument(parsing: bytes, limits: limits, strictness: strictness).root.value
    }

    /// The value as JSON text, without white space.
    package func serialized() -> [UInt8] {
        var writer = JSONWriter()
        write(to: &writer)
        return writer.bytes
    }

    /// Writes the value where the writer stands.
    package func write(to writer: inout JSONWriter) {
        switch self {
        case .null: writer.null()
        case .bool(let bool): writer.bool(bool)
        case .number(let number): writer.number(number)
        case .string(let string): writer.string(string)
        case .array(let elements):
            writer.beginArray()
            for element in elements { element.write(to: &writer) }
            writer.endArray()
        case .object(let object):
            writer.beginObject()
            for member in object.members {
                writer.name(member.name)
                member.value.write(to: &writer)
            }
            writer.endObject()
        }
    }
}

extension JSONValue {
    /// The member of that name; nil if there is none or this is not an object. Setting it on an object works as on
    /// `JSONObject`; on null it makes an object of this one member; on anything else it does nothing.
    package subscript(_ name: String) -> JSONValue? {
        get { object?[name] }
        set {
            switch self {
            case .object(var object):
                self = .null  // The object has one owner again, and is changed in place.
                object[name] = newValue
                self = .object(object)
            case .null:
                if let newValue { self = .object([name: newValue]) }
            default: break
            }
        }
    }

    /// The element at `index`; nil if there is none or this is not an array.
    package subscript(_ index: Int) -> JSONValue? {
        guard let array, array.indices.contains(index) else { return nil }
        return array[index]
    }

    package var kind: JSONKind {
        switch self {
        case .null: .null
        case .bool: .bool
        case .number: .number
        case .string: .string
        case .array: .array
        case .object: .object
        }
    }

    package var isNull: Bool { if case .null = self { true } else { false } }
    package var bool: Bool? { if case .bool(let bool) = self { bool } else { nil } }
    package var number: JSONNumber? { if case .number(let number) = self { number } else { nil } }
    package var string: String? { if case .string(let string) = self { string } else { nil } }
    package var array: [JSONValue]? { if case .array(let array) = self { array } else { nil } }
    package var object: JSONObject? { if case .object(let object) = self { object } else { nil } }

    /// The number if it is written as an integer and fits; `1.0` is not.
    package var int: Int? { number?.int }
    /// The number as the nearest double, if it is in range.
    package var double: Double? { number?.double }
}

/// Null has no literal: `nil` would then mean null or nothing as the compiler finds it easier. It is written `.null`.
extension JSONValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByStringInterpolation,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int) { self = .int(value) }
    package init(floatLiteral value: Double) { self = .double(value) }
    package init(stringLiteral value: String) { self = .string(value) }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(JSONObject(elements.map { (name: $0.0, value: $0.1) }))
    }
}

extension JSONValue: Equatable {
    package static func == (first: JSONValue, second: JSONValue) -> Bool {
        switch (first, second) {
        case (.null, .null): true
        case (.bool(let first), .bool(let second)): first == second
        case (.number(let first), .number(let second)): first == second
        case (.string(let first), .string(let second)): first.isSameBytes(as: second)
        case (.array(let first), .array(let second)): first == second
        case (.object(let first), .object(let second)): first == second
        default: false
        }
    }
}

extension JSONValue: CustomStringConvertible {
    /// The value as JSON text.
    package var description: String { String(decoding: serialized(), as: UTF8.self) }
}
