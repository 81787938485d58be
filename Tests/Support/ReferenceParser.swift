// SPDX-License-Identifier: Apache-2.0

package import JSON

/// JSON read in the plainest way, by recursion over Unicode scalars, to compare the real scanner with. Nil for a text
/// that is not JSON or not interoperable.
package struct ReferenceParser {
    private var scalars: [Unicode.Scalar]
    private var position = 0

    /// The value of the text; nil for what is refused.
    package static func parse(_ bytes: [UInt8]) -> JSONValue? {
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        var parser = ReferenceParser(scalars: Array(text.unicodeScalars))
        guard let value = parser.value(depth: 0) else { return nil }
        parser.space()
        return parser.position == parser.scalars.count ? value : nil
    }

    private var next: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard next == scalar else { return false }
        position += 1
        return true
    }

    private mutating func space() {
        while let scalar = next, " \n\r\t".unicodeScalars.contains(scalar) { position += 1 }
    }

    private mutating func value(depth: Int) -> JSONValue? {
        space()
        if take("\"") { return string().map(JSONValue.string) }
        if take("[") { return depth < 64 ? array(depth: depth + 1) : nil }
        if take("{") { return depth < 64 ? object(depth: depth + 1) : nil }
        for (word, value) in [("null", .null), ("true", .bool(true)), ("false", .bool(false))] as [(String, JSONValue)]
        {
            if scalars[position...].starts(with: word.unicodeScalars) {
                position += word.count
                return value
            }
        }
        return number()
    }

    private mutating func array(depth: Int) -> JSONValue? {
        var elements: [JSONValue] = []
        space()
        if take("]") { return .array([]) }
        while true {
            guard let element = value(depth: depth) else { return nil }
            elements.append(element)
            space()
            if take("]") { return .array(elements) }
            guard take(",") else { return nil }
        }
    }

    private mutating func object(depth: Int) -> JSONValue? {
        var object = JSONObject()
        var names: Set<[UInt8]> = []
        space()
        if take("}") { return .object([:]) }
        while true {
            space()
            guard take("\""), let name = string() else { return nil }
            space()
            guard take(":"), let value = value(depth: depth) else { return nil }
            guard names.insert(Array(name.utf8)).inserted else { return nil }
            object.append(name, value)
            space()
            if take("}") { return .object(object) }
            guard take(",") else { return nil }
        }
    }

    private mutating func string() -> String? {
        var units: [UInt16] = []
        while let scalar = next {
            position += 1
            if scalar == "\"" { return String(validating: units, as: UTF16.self) }
            guard scalar.value >= 0x20 else { return nil }
            guard scalar == "\\" else {
                units += Array(Character(scalar).utf16)
                continue
            }
            guard let escape = next else { return nil }
            position += 1
            let simple: [Unicode.Scalar: UInt16] = [
                "\"": 0x22, "\\": 0x5C, "/": 0x2F, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9,
            ]
            if let unit = simple[escape] {
                units.append(unit)
            } else {
                guard escape == "u", scalars.count - position >= 4 else { return nil }
                let digits = scalars[position..<(position + 4)]
                guard digits.allSatisfy({ $0.isASCII && $0.properties.isASCIIHexDigit }) else { return nil }
                units.append(UInt16(digits.map { String($0) }.joined(), radix: 16) ?? 0)
                position += 4
            }
        }
        return nil
    }

    private mutating func number() -> JSONValue? {
        let first = position
        _ = take("-")
        if !take("0") { guard digits() else { return nil } }
        if take(".") { guard digits() else { return nil } }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            guard digits() else { return nil }
        }
        let text = String(String.UnicodeScalarView(scalars[first..<position]))
        guard text.utf8.count <= 128, let double = Double(text), double.isFinite else { return nil }
        return try? JSONValue(parsing: Array(text.utf8))
    }

    private mutating func digits() -> Bool {
        let first = position
        while let scalar = next, ("0"..."9").contains(scalar) { position += 1 }
        return position > first
    }
}
