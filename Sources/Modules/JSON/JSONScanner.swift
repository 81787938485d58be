// SPDX-License-Identifier: Apache-2.0

import Bytes

/// The one grammar of JSON in the house (RFC 8259): one pass over the bytes, which leaves an index and no tree.
///
/// There is no recursion. The stack of open arrays and objects is kept in the index itself: while one is open, its
/// `extent` names the one around it. So memory is the index alone, and depth is a number to compare.
enum JSONScanner {
    private static let none = UInt32.max

    /// The index over `bytes`: the root is its first entry.
    static func scan(
        _ bytes: Span<UInt8>, limits: JSONLimits, strictness: JSONStrictness
    ) throws(JSONError) -> JSONTape {
        guard bytes.count <= limits.bytesMax else { throw JSONError(.tooLarge, at: limits.bytesMax) }
        // A chat has a value for every ten bytes or so and the index then fits at once; a dense text makes it grow, by
        // doubling. Large texts are large strings, so the reserve stops at 1 MiB.
        // Of small texts nearly all have few values: room for these is a block that the thread's own store of memory has, and
        // where it is not enough it is doubled.
        let capacity = bytes.count < 4096 ? min(bytes.count / 8 + 16, 64) : min(bytes.count / 8 + 16, 1 << 16)
        var tape = JSONTape(capacity: capacity, countMax: limits.valuesMax)
        try scan(bytes, limits, strictness, into: &tape)
        return tape
    }

    /// The whole text: one value, with white space around it. Each turn of the outer loop is one value with its name, each
    /// of the inner one the end of an array or object. One function with its state in locals: a text is some hundred of
    /// these steps, and handing the state from one to the next was half of what they cost.
    private static func scan(
        _ bytes: Span<UInt8>, _ limits: JSONLimits, _ strictness: JSONStrictness, into tape: inout JSONTape
    ) throws(JSONError) {
        let refusesLoneSurrogates = strictness.contains(.refuseLoneSurrogates)
        // The innermost open array or object, whether it is an object, and its elements or members so far. Those of the
        // containers around it stand in their entries meanwhile.
        var (innermost, isInObject, count, depth) = (none, false, 0 as UInt32, 0)
        var position = pastWhitespace(bytes, 0)
        while true {
            // The limit on values keeps it below 28 bits.
            count &+= 1
            if isInObject {
                guard byte(bytes, position) == JSONString.quote else { throw wrong(bytes, at: position) }
                let name = try string(bytes, at: position, refusesLoneSurrogates, isName: true)
                guard tape.append(name) else { throw JSONError(.tooManyValues, at: position) }
                position = pastWhitespace(bytes, Int(name.end))
                guard byte(bytes, position) == UInt8(ascii: ":") else { throw wrong(bytes, at: position) }
                position = pastWhitespace(bytes, position &+ 1)
            }
            let first = byte(bytes, position)
            if first == JSONString.quote {
                let entry = try string(bytes, at: position, refusesLoneSurrogates, isName: false)
                guard tape.append(entry) else { throw JSONError(.tooManyValues, at: position) }
                position = pastWhitespace(bytes, Int(entry.end))
            } else if first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
                guard depth < limits.depthMax else { throw JSONError(.tooDeep, at: position) }
                if innermost != none { tape[Int(innermost)].setCount(count) }
                isInObject = first == UInt8(ascii: "{")
                let entry = JSONEntry(isInObject ? .object : .array, start: position, end: position, extent: innermost)
                guard tape.append(entry) else { throw JSONError(.tooManyValues, at: position) }
                innermost = UInt32(truncatingIfNeeded: tape.count &- 1)
                count = 0
                depth &+= 1
                position = pastWhitespace(bytes, position &+ 1)
                guard byte(bytes, position) == end(ofObject: isInObject) else { continue }
            } else {
                guard position < bytes.count else { throw JSONError(.unexpectedEnd, at: position) }
                let entry = try scalar(bytes, at: position, limits, strictness)
                guard tape.append(entry) else { throw JSONError(.tooManyValues, at: position) }
                position = pastWhitespace(bytes, Int(entry.end))
            }
            while innermost != none {
                let next = byte(bytes, position)
                if next == UInt8(ascii: ","), count > 0 { break }
                guard next == end(ofObject: isInObject) else { throw wrong(bytes, at: position) }
                position &+= 1
                if isInObject, count > 1, strictness.contains(.refuseDuplicateNames) {
                    try refuseDuplicates(in: Int(innermost), count: Int(count), tape, bytes)
                }
                var entry = tape[Int(innermost)]
                let outer = entry.extent
                entry.end = UInt32(truncatingIfNeeded: position)
                entry.extent = UInt32(truncatingIfNeeded: tape.count)
                entry.setCount(count)
                tape[Int(innermost)] = entry
                innermost = outer
                depth &-= 1
                if outer != none {
                    isInObject = tape[Int(outer)].kind == .object
                    count = UInt32(truncatingIfNeeded: tape[Int(outer)].count)
                }
                position = pastWhitespace(bytes, position)
            }
            if innermost == none {
                guard position == bytes.count else { throw JSONError(.trailingBytes, at: position) }
                return
            }
            // Behind the comma another one is due.
            position = pastWhitespace(bytes, position &+ 1)
        }
    }

    /// The byte at a position that is not negative; 0, which stands nowhere outside of strings, behind the last.
    @inline(__always)
    private static func byte(_ bytes: Span<UInt8>, _ position: Int) -> UInt8 {
        // In bounds: positions begin at 0 and only grow, and the end was just compared with.
        position < bytes.count ? unsafe bytes[unchecked: position] : 0
    }

    /// What to say of a place where something else is due.
    private static func wrong(_ bytes: Span<UInt8>, at position: Int) -> JSONError {
        JSONError(position < bytes.count ? .unexpectedByte : .unexpectedEnd, at: position)
    }

    /// The string whose opening quote stands at `start`; here as far as it is plain.
    @inline(__always)
    private static func string(
        _ bytes: Span<UInt8>, at start: Int, _ refusesLoneSurrogates: Bool, isName: Bool
    ) throws(JSONError) -> JSONEntry {
        let quote = JSONString.pastPlain(bytes, from: start &+ 1)
        var entry: JSONEntry
        if byte(bytes, quote) == JSONString.quote {
            entry = JSONEntry(plain: start, quote)
        } else {
            entry = try JSONString.scan(bytes, at: start, refusingLoneSurrogates: refusesLoneSurrogates)
        }
        if isName, !entry.flag { entry.setMark(JSONEntry.mark(bytes, from: start &+ 1, to: Int(entry.end) &- 1)) }
        return entry
    }

    @inline(__always)
    private static func end(ofObject isObject: Bool) -> UInt8 { isObject ? UInt8(ascii: "}") : UInt8(ascii: "]") }

    private static func refuseDuplicates(
        in object: Int, count: Int, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) throws(JSONError) {
        let offset = tape.withSpan { JSONNames.duplicate(in: $0, object: object, count: count, bytes) }
        if let offset { throw JSONError(.duplicateName, at: offset) }
    }

    /// A number, or one of the three words.
    private static func scalar(
        _ bytes: Span<UInt8>, at start: Int, _ limits: JSONLimits, _ strictness: JSONStrictness
    ) throws(JSONError) -> JSONEntry {
        switch bytes[start] {
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            if let end = pastSmallNumber(bytes, start, digitsMax: limits.numberBytesMax) {
                JSONEntry(.number, start: start, end: end, flag: true)
            } else {
                try number(bytes, at: start, limits, strictness)
            }
        case UInt8(ascii: "t"): try word("true", .bool, true, bytes, at: start)
        case UInt8(ascii: "f"): try word("false", .bool, false, bytes, at: start)
        case UInt8(ascii: "n"): try word("null", .null, false, bytes, at: start)
        default: throw JSONError(.unexpectedByte, at: start)
        }
    }

    /// Behind a count or a time, such as most numbers are: up to 18 digits and nothing else of a number. nil for others.
    @inline(__always)
    private static func pastSmallNumber(_ bytes: Span<UInt8>, _ start: Int, digitsMax: Int) -> Int? {
        let end = min(bytes.count, start &+ min(digitsMax, 19))
        var position = start
        while position < end, bytes[position].isASCIIDigit { position &+= 1 }
        // At the end of what is looked at, more may follow.
        guard position < end, position > start else { return nil }
        let next = bytes[position]
        guard next != UInt8(ascii: "."), next | 0x20 != UInt8(ascii: "e") else { return nil }
        return bytes[start] != UInt8(ascii: "0") || position == start &+ 1 ? position : nil
    }

    private static func word(
        _ word: StaticString, _ kind: JSONKind, _ flag: Bool, _ bytes: Span<UInt8>, at start: Int
    ) throws(JSONError) -> JSONEntry {
        let end = start &+ word.utf8CodeUnitCount
        guard end <= bytes.count, bytes.extracting(start..<end).equals(word) else {
            throw JSONError(.unexpectedByte, at: start)
        }
        return JSONEntry(kind, start: start, end: end, flag: flag)
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?` RFC 8259 §6
    private static func number(
        _ bytes: Span<UInt8>, at start: Int, _ limits: JSONLimits, _ strictness: JSONStrictness
    ) throws(JSONError) -> JSONEntry {
        var position = start
        if bytes[position] == UInt8(ascii: "-") { position &+= 1 }
        if position < bytes.count, bytes[position] == UInt8(ascii: "0") {
            position &+= 1
        } else {
            position = try pastDigits(bytes, position)
        }
        var isInteger = true
        var exponentDigits = 0
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            isInteger = false
            position = try pastDigits(bytes, position &+ 1)
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            isInteger = false
            position &+= 1
            if position < bytes.count, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") {
                position &+= 1
            }
            let first = position
            position = try pastDigits(bytes, position)
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
        return JSONEntry(.number, start: start, end: position, flag: isInteger)
    }

    /// Behind one digit or more.
    private static func pastDigits(_ bytes: Span<UInt8>, _ first: Int) throws(JSONError) -> Int {
        var position = first
        while position < bytes.count, bytes[position].isASCIIDigit { position &+= 1 }
        guard position > first else {
            throw JSONError(position < bytes.count ? .malformedNumber : .unexpectedEnd, at: position)
        }
        return position
    }

    @inline(__always)
    private static func pastWhitespace(_ bytes: Span<UInt8>, _ position: Int) -> Int {
        var position = position
        // Mostly there is none, and one comparison tells.
        while position < bytes.count, unsafe bytes[unchecked: position] <= 0x20, bytes[position].isASCIIWhitespace {
            position &+= 1
        }
        return position
    }
}
