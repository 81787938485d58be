// SPDX-License-Identifier: Apache-2.0

import Bytes

/// The one grammar of JSON in the house (RFC 8259): one pass over the bytes, which leaves an index and no tree.
///
/// There is no recursion. The stack of open arrays and objects is kept in the index itself: while one is open, its
/// `extent` names the one around it. So memory is the index alone, and depth is a number to compare.
struct JSONScanner {
    private static let none = UInt32.max

    private let limits: JSONLimits
    private let strictness: JSONStrictness
    private var position = 0
    private var entries: [JSONEntry] = []
    /// The innermost open array or object, and whether it is an object.
    private var innermost = JSONScanner.none
    private var isInObject = false
    private var depth = 0

    /// The index over `bytes`: the root is its first entry.
    static func scan(
        _ bytes: Span<UInt8>, limits: JSONLimits, strictness: JSONStrictness
    ) throws(JSONError) -> [JSONEntry] {
        guard bytes.count <= limits.bytesMax else { throw JSONError(.tooLarge, at: limits.bytesMax) }
        var scanner = JSONScanner(limits: limits, strictness: strictness)
        // A chat has a value for every thirty bytes or so and the index then fits at once; a dense text makes it grow,
        // by doubling. Large texts are large strings, so the reserve stops at 1 MiB.
        scanner.entries.reserveCapacity(min(bytes.count / 16 + 16, 1 << 16))
        try scanner.text(bytes)
        return scanner.entries
    }

    private init(limits: JSONLimits, strictness: JSONStrictness) {
        self.limits = limits
        self.strictness = strictness
    }

    /// The whole text: one value, with white space around it. Each turn of the loop is one element, one member, or the
    /// end of the innermost array or object.
    private mutating func text(_ bytes: Span<UInt8>) throws(JSONError) {
        skipWhitespace(bytes)
        try value(bytes)
        while innermost != JSONScanner.none {
            let container = Int(innermost)
            skipWhitespace(bytes)
            guard position < bytes.count else { throw fail(.unexpectedEnd) }
            if bytes[position] == (isInObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                try close(container, bytes)
                continue
            }
            if entries[container].count > 0 {
                guard bytes[position] == UInt8(ascii: ",") else { throw fail(.unexpectedByte) }
                position &+= 1
                skipWhitespace(bytes)
            }
            entries[container].countOneMore()
            if isInObject { try name(bytes) }
            try value(bytes)
        }
        skipWhitespace(bytes)
        guard position == bytes.count else { throw fail(.trailingBytes) }
    }

    /// A scalar, or the beginning of an array or object.
    private mutating func value(_ bytes: Span<UInt8>) throws(JSONError) {
        guard position < bytes.count else { throw fail(.unexpectedEnd) }
        switch bytes[position] {
        case UInt8(ascii: "\""): try string(bytes)
        case UInt8(ascii: "{"): try open(.object)
        case UInt8(ascii: "["): try open(.array)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number(bytes)
        case UInt8(ascii: "t"): try word("true", .bool, true, bytes)
        case UInt8(ascii: "f"): try word("false", .bool, false, bytes)
        case UInt8(ascii: "n"): try word("null", .null, false, bytes)
        default: throw fail(.unexpectedByte)
        }
    }

    private mutating func name(_ bytes: Span<UInt8>) throws(JSONError) {
        guard position < bytes.count else { throw fail(.unexpectedEnd) }
        guard bytes[position] == UInt8(ascii: "\"") else { throw fail(.unexpectedByte) }
        try string(bytes)
        skipWhitespace(bytes)
        guard position < bytes.count else { throw fail(.unexpectedEnd) }
        guard bytes[position] == UInt8(ascii: ":") else { throw fail(.unexpectedByte) }
        position &+= 1
        skipWhitespace(bytes)
    }

    private mutating func open(_ kind: JSONKind) throws(JSONError) {
        guard depth < limits.depthMax else { throw fail(.tooDeep) }
        depth &+= 1
        let index = UInt32(truncatingIfNeeded: entries.count)
        try append(JSONEntry(kind, start: position, end: position, extent: innermost))
        innermost = index
        isInObject = kind == .object
        position &+= 1
    }

    private mutating func close(_ container: Int, _ bytes: Span<UInt8>) throws(JSONError) {
        if isInObject, strictness.contains(.refuseDuplicateNames),
            let offset = JSONNames.duplicate(in: entries.span, object: container, bytes)
        {
            throw JSONError(.duplicateName, at: offset)
        }
        position &+= 1
        depth &-= 1
        innermost = entries[container].extent
        isInObject = innermost != JSONScanner.none && entries[Int(innermost)].kind == .object
        entries[container].end = UInt32(truncatingIfNeeded: position)
        entries[container].extent = UInt32(truncatingIfNeeded: entries.count)
    }

    private mutating func string(_ bytes: Span<UInt8>) throws(JSONError) {
        let refuses = strictness.contains(.refuseLoneSurrogates)
        let entry = try JSONString.scan(bytes, at: position, refusingLoneSurrogates: refuses)
        try append(entry)
        position = Int(entry.end)
    }

    private mutating func word(
        _ word: StaticString, _ kind: JSONKind, _ flag: Bool, _ bytes: Span<UInt8>
    ) throws(JSONError) {
        let end = position &+ word.utf8CodeUnitCount
        guard end <= bytes.count else { throw fail(.unexpectedByte) }
        guard bytes.extracting(position..<end).equals(word) else { throw fail(.unexpectedByte) }
        try append(JSONEntry(kind, start: position, end: end, flag: flag))
        position = end
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?` RFC 8259 §6
    private mutating func number(_ bytes: Span<UInt8>) throws(JSONError) {
        let start = position
        if bytes[position] == UInt8(ascii: "-") { position &+= 1 }
        if position < bytes.count, bytes[position] == UInt8(ascii: "0") {
            position &+= 1
        } else {
            try digits(bytes)
        }
        var isInteger = true
        var exponentDigits = 0
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            isInteger = false
            position &+= 1
            try digits(bytes)
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            isInteger = false
            position &+= 1
            if position < bytes.count, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") {
                position &+= 1
            }
            let first = position
            try digits(bytes)
            exponentDigits = position - first
        }
        if strictness.contains(.refuseLongNumbers) {
            let length = position - start
            guard length <= limits.numberBytesMax else { throw JSONError(.numberTooLong, at: start) }
            // Beyond a double's range other parsers read infinity, fail, or have numbers of any size. That takes an
            // exponent of three digits, or as many digits as a double's largest exponent.
            if exponentDigits >= 3 || length > 300, JSONNumber.double(bytes.extracting(start..<position)) == nil {
                throw JSONError(.numberTooLong, at: start)
            }
        }
        try append(JSONEntry(.number, start: start, end: position, flag: isInteger))
    }

    private mutating func digits(_ bytes: Span<UInt8>) throws(JSONError) {
        let first = position
        while position < bytes.count, bytes[position].isASCIIDigit { position &+= 1 }
        guard position > first else { throw fail(position < bytes.count ? .malformedNumber : .unexpectedEnd) }
    }

    private mutating func append(_ entry: JSONEntry) throws(JSONError) {
        guard entries.count < limits.valuesMax else { throw JSONError(.tooManyValues, at: Int(entry.start)) }
        entries.append(entry)
    }

    private mutating func skipWhitespace(_ bytes: Span<UInt8>) {
        // Mostly there is none, and one comparison tells.
        while position < bytes.count, bytes[position] <= 0x20, bytes[position].isASCIIWhitespace { position &+= 1 }
    }

    private func fail(_ reason: JSONError.Reason) -> JSONError { JSONError(reason, at: position) }
}
