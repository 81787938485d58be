// SPDX-License-Identifier: Apache-2.0

/// The suite's expected values: JSON in which every scalar is `{"type": "integer", "value": "1"}`. A reader for exactly
/// that, apart from the JSON of the house, so that neither can hide a mistake of the other.
indirect enum Expected: Equatable {
    case scalar(type: String, value: String)
    case array([Expected])
    case table([[UInt8]: Expected])
}

struct TaggedJSON {
    struct Malformed: Error { let offset: Int }

    private let bytes: [UInt8]
    private var index = 0

    static func read(_ bytes: [UInt8]) throws -> Expected {
        var reader = TaggedJSON(bytes: bytes)
        let value = try reader.value()
        reader.blanks()
        guard reader.index == bytes.count else { throw reader.malformed }
        return value
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private var malformed: Malformed { Malformed(offset: index) }

    private mutating func value() throws -> Expected {
        if skip("[") {
            var elements: [Expected] = []
            if skip("]") { return .array([]) }
            repeat { elements.append(try value()) } while skip(",")
            try need("]")
            return .array(elements)
        }
        try need("{")
        if skip("}") { return .table([:]) }
        var members: [[UInt8]: Expected] = [:]
        var strings: [String: String] = [:]
        repeat {
            let name = try string()
            try need(":")
            if isNext("\"") { strings[name] = try string() } else { members[Array(name.utf8)] = try value() }
        } while skip(",")
        try need("}")
        guard strings.isEmpty else {
            guard members.isEmpty, strings.count == 2, let type = strings["type"], let value = strings["value"] else {
                throw malformed
            }
            return .scalar(type: type, value: value)
        }
        return .table(members)
    }

    private mutating func string() throws -> String {
        try need("\"")
        var text = ""
        while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
            if bytes[index] != UInt8(ascii: "\\") {
                let start = index
                while index < bytes.count, bytes[index] != UInt8(ascii: "\""), bytes[index] != UInt8(ascii: "\\") {
                    index += 1
                }
                text += String(decoding: bytes[start..<index], as: UTF8.self)
                continue
            }
            text.unicodeScalars.append(try escape())
        }
        guard index < bytes.count else { throw malformed }
        index += 1
        return text
    }

    private mutating func escape() throws -> Unicode.Scalar {
        guard index + 1 < bytes.count else { throw malformed }
        index += 2
        switch bytes[index - 1] {
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "u"):
            let high = try codeUnit()
            guard high & 0xFC00 == 0xD800 else {
                guard let scalar = Unicode.Scalar(high) else { throw malformed }
                return scalar
            }
            index += 2
            let low = try codeUnit()
            guard let scalar = Unicode.Scalar(0x10000 + (high & 0x3FF) << 10 + low & 0x3FF) else { throw malformed }
            return scalar
        case let byte: return Unicode.Scalar(byte)
        }
    }

    private mutating func codeUnit() throws -> UInt32 {
        guard index + 4 <= bytes.count,
            let code = UInt32(String(decoding: bytes[index..<index + 4], as: UTF8.self), radix: 16)
        else { throw malformed }
        index += 4
        return code
    }

    private mutating func blanks() {
        while index < bytes.count, bytes[index] <= 0x20 { index += 1 }
    }

    private mutating func isNext(_ character: Unicode.Scalar) -> Bool {
        blanks()
        return index < bytes.count && bytes[index] == UInt8(ascii: character)
    }

    private mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard isNext(character) else { return false }
        index += 1
        return true
    }

    private mutating func need(_ character: Unicode.Scalar) throws {
        guard skip(character) else { throw malformed }
    }
}
