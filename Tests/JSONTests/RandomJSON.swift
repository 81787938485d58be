// SPDX-License-Identifier: Apache-2.0

import JSON

/// Random values, and random texts for them.
enum RandomJSON {
    static func value(_ random: inout some RandomNumberGenerator, depth: Int) -> JSONValue {
        switch Int.random(in: 0...(depth > 0 ? 7 : 5), using: &random) {
        case 0: .null
        case 1: .bool(.random(using: &random))
        case 2: .int(Int(truncatingIfNeeded: random.next()) >> Int.random(in: 0...63, using: &random))
        case 3: .double(Double(bitPattern: random.next()))
        case 4, 5: .string(string(&random))
        case 6: .array((0..<Int.random(in: 0...5, using: &random)).map { _ in value(&random, depth: depth - 1) })
        default:
            object(
                &random, names: (0..<Int.random(in: 0...20, using: &random)).map { _ in string(&random) },
                depth: depth - 1)
        }
    }

    static func object(
        _ random: inout some RandomNumberGenerator, names: [String], depth: Int = 2
    ) -> JSONValue {
        var object = JSONObject()
        var seen: Set<[UInt8]> = []
        for name in names where seen.insert(Array(name.utf8)).inserted && Int.random(in: 0..<4, using: &random) > 0 {
            object.append(name, value(&random, depth: depth))
        }
        return .object(object)
    }

    static func string(_ random: inout some RandomNumberGenerator) -> String {
        let ranges: [ClosedRange<UInt32>] = [
            0...0x1F, 0x20...0x7F, 0x20...0x7F, 0x20...0x7F, 0x80...0x7FF, 0x800...0xFFFF, 0x10000...0x10FFFF,
        ]
        var text = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...20, using: &random) {
            guard let range = ranges.randomElement(using: &random) else { continue }
            text.append(Unicode.Scalar(UInt32.random(in: range, using: &random)) ?? "\u{D7FF}")
        }
        return String(text)
    }

    /// A text of the value with random white space and random escapes.
    static func text(_ value: JSONValue, _ random: inout some RandomNumberGenerator) -> [UInt8] {
        var text = ""
        append(value, to: &text, &random)
        return Array(text.utf8)
    }

    private static func append(_ value: JSONValue, to text: inout String, _ random: inout some RandomNumberGenerator) {
        space(&text, &random)
        switch value {
        case .string(let string): append(string, to: &text, &random)
        case .array(let elements):
            text += "["
            for (index, element) in elements.enumerated() {
                if index > 0 { text += "," }
                append(element, to: &text, &random)
            }
            space(&text, &random)
            text += "]"
        case .object(let object):
            text += "{"
            for (index, member) in object.members.enumerated() {
                if index > 0 { text += "," }
                space(&text, &random)
                append(member.name, to: &text, &random)
                space(&text, &random)
                text += ":"
                append(member.value, to: &text, &random)
            }
            space(&text, &random)
            text += "}"
        default: text += value.description
        }
        space(&text, &random)
    }

    private static func append(_ string: String, to text: inout String, _ random: inout some RandomNumberGenerator) {
        text += "\""
        for scalar in string.unicodeScalars {
            let mustEscape = scalar.value < 0x20 || scalar == "\"" || scalar == "\\"
            if mustEscape || Int.random(in: 0..<6, using: &random) == 0 {
                for unit in Character(scalar).utf16 {
                    let digits = String(unit, radix: 16, uppercase: Bool.random(using: &random))
                    text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }

    private static func space(_ text: inout String, _ random: inout some RandomNumberGenerator) {
        guard Int.random(in: 0..<4, using: &random) == 0 else { return }
        text += [" ", "\n", "\t", "\r", "  \n"].randomElement(using: &random) ?? ""
    }
}
