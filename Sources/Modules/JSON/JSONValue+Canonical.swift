// SPDX-License-Identifier: Apache-2.0

import Bytes

extension JSONValue {
    /// Bytes that are the same for two values exactly if JSON Schema calls these equal: members in any order, numbers by
    /// value (JSON Schema 2020-12, core §4.2.2). They are not JSON.
    var canonical: [UInt8] {
        var bytes: [UInt8] = []
        appendCanonical(to: &bytes)
        return bytes
    }

    private func appendCanonical(to bytes: inout [UInt8]) {
        switch self {
        case .null: bytes.append(UInt8(ascii: "n"))
        case .bool(let bool): bytes.append(bool ? UInt8(ascii: "t") : UInt8(ascii: "f"))
        case .number(let number):
            let decimal = JSONDecimal(number)
            bytes.append(decimal.isNegative ? UInt8(ascii: "-") : UInt8(ascii: "+"))
            bytes.append(contentsOf: decimal.digits.map { $0 &+ 0x30 })
            bytes.append(UInt8(ascii: "e"))
            bytes.append(decimal: decimal.exponent)
            bytes.append(UInt8(ascii: ";"))
        case .string(let string): JSONValue.append(string, to: &bytes)
        case .array(let elements):
            bytes.append(UInt8(ascii: "["))
            for element in elements { element.appendCanonical(to: &bytes) }
            bytes.append(UInt8(ascii: "]"))
        case .object(let object):
            bytes.append(UInt8(ascii: "{"))
            let members = object.members.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
            for member in members {
                JSONValue.append(member.name, to: &bytes)
                member.value.appendCanonical(to: &bytes)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }

    /// With its length before it, a string needs no escapes and cannot be taken for what follows.
    private static func append(_ string: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        bytes.append(decimal: string.utf8.count)
        bytes.append(UInt8(ascii: ":"))
        bytes.append(utf8: string)
    }
}

/// A name that is found by its bytes, where `String` would be found by Unicode's equivalence.
struct JSONName: Hashable, Sendable {
    let text: String

    init(_ text: String) { self.text = text }

    static func == (first: JSONName, second: JSONName) -> Bool { first.text.isSameBytes(as: second.text) }

    func hash(into hasher: inout Hasher) {
        for byte in text.utf8 { hasher.combine(byte) }
        hasher.combine(UInt8(0xFF))
    }
}
