// SPDX-License-Identifier: Apache-2.0

import Bytes

/// The one grammar of JSON in the house (RFC 8259): one pass over the bytes, which leaves an index and no tree.
///
/// There is no recursion. The stack of open arrays and objects is kept in the index itself: while one is open, its
/// `extent` names the one around it. So memory is the index alone, and depth is a number to compare.
enum JSONScanner {
    private static let none = UInt32.max

    /// The index over `bytes`, one value with white space around it: its root is the first entry.
    ///
    /// Each turn of the outer loop is one name or value, each of the inner one the end of an array or object. One function
    /// with its state in locals: a text is some hundred of these steps, and handing the state from one to the next was half
    /// of what they cost.
    ///
    /// Whatever is due is judged by eight bytes loaded at once; those behind the end are zeros, which stand nowhere outside
    /// of strings.
    static func scan(
        _ bytes: Span<UInt8>, limits: JSONLimits, strictness: JSONStrictness
    ) throws(JSONError) -> JSONTape {
        guard bytes.count <= limits.bytesMax else { throw JSONError(.tooLarge, at: limits.bytesMax) }
        var tape = JSONTape(capacity: capacity(bytes.count), countMax: limits.valuesMax)
        // The innermost open array or object, whether it is an object, and its elements or members so far, the one that is
        // due included. Those of the containers around it stand in their entries meanwhile.
        var (innermost, isInObject, count, depth) = (none, false, 1 as UInt32, 0)
        var isName = false
        var position = pastWhitespace(bytes, 0)
        next: while true {
            let word = bytes.wordOrZeros(at: position)
            let first = UInt8(truncatingIfNeeded: word)
            if first == JSONString.quote {
                let quote = JSONString.pastPlain(bytes, from: position &+ 1)
                var entry = JSONEntry(plain: position, quote)
                if byte(bytes, quote) == JSONString.quote {
                    if isName { entry.setMark(JSONEntry.mark(bytes, from: position &+ 1, to: quote)) }
                } else {
                    let refusesHalves = strictness.contains(.refuseLoneSurrogates)
                    entry = try JSONString.scan(bytes, at: position, refusingLoneSurrogates: refusesHalves)
                    if isName, !entry.flag {
                        entry.setMark(JSONEntry.mark(bytes, from: position &+ 1, to: Int(entry.end) &- 1))
                    }
                }
                guard tape.append(entry) else { throw JSONError(.tooManyValues, at: position) }
                position = Int(entry.end)
                if isName {
                    let separator = separator(bytes, &position)
                    guard UInt8(truncatingIfNeeded: separator) == UInt8(ascii: ":") else {
                        throw wrong(bytes, at: position)
                    }
                    position = pastBlank(bytes, position &+ 1, separator &>> 8)
                    isName = false
                    continue
                }
            } else if isName {
                throw wrong(bytes, at: position)
            } else if first | 0x20 == UInt8(ascii: "{") {
                // That bit tells a bracket from a brace.
                guard depth < limits.depthMax else { throw JSONError(.tooDeep, at: position) }
                if innermost != none { tape.setCount(of: Int(innermost), count) }
                isInObject = first == UInt8(ascii: "{")
                let entry = JSONEntry(isInObject ? .object : .array, start: position, end: position, extent: innermost)
                guard tape.append(entry) else { throw JSONError(.tooManyValues, at: position) }
                innermost = UInt32(truncatingIfNeeded: tape.count &- 1)
                depth &+= 1
                position = pastBlank(bytes, position &+ 1, word &>> 8)
                count = byte(bytes, position) == end(ofObject: isInObject) ? 0 : 1
                isName = isInObject
                if count > 0 { continue }
            } else {
                let entry = try scalar(bytes, at: position, word, limits, strictness)
                guard tape.append(entry) else { throw JSONError(.tooManyValues, at: position) }
                position = Int(entry.end)
            }
            while innermost != none {
                let separator = separator(bytes, &position)
                if UInt8(truncatingIfNeeded: separator) == UInt8(ascii: ",") {
                    position = pastBlank(bytes, position &+ 1, separator &>> 8)
                    // The limit on values keeps it below 28 bits.
                    count &+= 1
                    isName = isInObject
                    continue next
                }
                guard UInt8(truncatingIfNeeded: separator) == end(ofObject: isInObject) else {
                    throw wrong(bytes, at: position)
                }
                position &+= 1
                if isInObject, count > 1, strictness.contains(.refuseDuplicateNames) {
                    try refuseDuplicates(in: Int(innermost), count: Int(count), tape, bytes)
                }
                let outer = tape.close(Int(innermost), end: position, count: count)
                innermost = outer
                depth &-= 1
                if outer != none {
                    isInObject = tape[Int(outer)].kind == .object
                    count = UInt32(truncatingIfNeeded: tape[Int(outer)].count)
                }
            }
            position = pastWhitespace(bytes, position)
            guard position == bytes.count else { throw JSONError(.trailingBytes, at: position) }
            return tape
        }
    }

    /// Room for so many entries at first. A chat has a value for every ten bytes or so and the index then fits at once; a dense
    /// text makes it grow, by doubling. Large texts are large strings, so the reserve stops at 1 MiB. Of small texts nearly
    /// all have few values: room for these is a block that the thread's own store of memory has.
    private static func capacity(_ byteCount: Int) -> Int {
        min(byteCount / 8 + 16, byteCount < 4096 ? 64 : 1 << 16)
    }

    /// The byte at a position that is not negative; 0 behind the last.
    @inline(__always)
    private static func byte(_ bytes: Span<UInt8>, _ position: Int) -> UInt8 {
        // In bounds: positions begin at 0 and only grow, and the end was just compared with.
        position < bytes.count ? unsafe bytes[unchecked: position] : 0
    }

    /// What to say of a place where something else is due.
    private static func wrong(_ bytes: Span<UInt8>, at position: Int) -> JSONError {
        JSONError(position < bytes.count ? .unexpectedByte : .unexpectedEnd, at: position)
    }

    /// The eight bytes from the next one on that is not white space, to which `position` is moved.
    @inline(__always)
    private static func separator(_ bytes: Span<UInt8>, _ position: inout Int) -> UInt64 {
        let word = bytes.wordOrZeros(at: position)
        // Hardly anybody writes white space there.
        guard UInt8(truncatingIfNeeded: word) <= 0x20 else { return word }
        position = pastWhitespace(bytes, position)
        return bytes.wordOrZeros(at: position)
    }

    /// Behind the white space at `position`, where `word` begins with the bytes there, two at least. Mostly there is none, or
    /// one blank.
    @inline(__always)
    private static func pastBlank(_ bytes: Span<UInt8>, _ position: Int, _ word: UInt64) -> Int {
        if UInt8(truncatingIfNeeded: word) > 0x20 { return position }
        if UInt8(truncatingIfNeeded: word) == 0x20, UInt8(truncatingIfNeeded: word &>> 8) > 0x20 {
            return position &+ 1
        }
        return pastWhitespace(bytes, position)
    }

    @inline(__always)
    private static func end(ofObject isObject: Bool) -> UInt8 { isObject ? UInt8(ascii: "}") : UInt8(ascii: "]") }

    private static func refuseDuplicates(
        in object: Int, count: Int, _ tape: borrowing JSONTape, _ bytes: Span<UInt8>
    ) throws(JSONError) {
        let offset = tape.withSpan { JSONNames.duplicate(in: $0, object: object, count: count, bytes) }
        if let offset { throw JSONError(.duplicateName, at: offset) }
    }

    /// A number, or one of the three words; `word` begins with the bytes at `start`.
    private static func scalar(
        _ bytes: Span<UInt8>, at start: Int, _ word: UInt64, _ limits: JSONLimits, _ strictness: JSONStrictness
    ) throws(JSONError) -> JSONEntry {
        let first = UInt8(truncatingIfNeeded: word)
        if first.isASCIIDigit || first == UInt8(ascii: "-") {
            // Most numbers are counts and times: up to 15 digits and nothing else of a number.
            var end = start &+ digits(word)
            if end == start &+ 8 { end &+= digits(bytes.wordOrZeros(at: end)) }
            let next = byte(bytes, end)
            if end > start, end &- start <= min(15, limits.numberBytesMax), next != UInt8(ascii: "."),
                next | 0x20 != UInt8(ascii: "e"), first != UInt8(ascii: "0") || end == start &+ 1
            {
                return JSONEntry(.number, start: start, end: end, flag: true)
            }
            return try number(bytes, at: start, limits, strictness)
        }
        let four = UInt32(truncatingIfNeeded: word)
        if four == Words.null { return JSONEntry(.null, start: start, end: start &+ 4) }
        if four == Words.true { return JSONEntry(.bool, start: start, end: start &+ 4, flag: true) }
        if four == Words.fals, UInt8(truncatingIfNeeded: word &>> 32) == UInt8(ascii: "e") {
            return JSONEntry(.bool, start: start, end: start &+ 5)
        }
        throw wrong(bytes, at: start)
    }

    /// The words of JSON as four bytes, the first in the lowest.
    private enum Words {
        static let null: UInt32 = 0x6C6C_756E
        static let `true`: UInt32 = 0x6575_7274
        /// All of `false` but its last.
        static let fals: UInt32 = 0x736C_6166
    }

    /// How many of eight bytes are digits, before the first that is none.
    @inline(__always)
    private static func digits(_ word: UInt64) -> Int {
        // The value of a digit, and 10 at least for anything else; of these the high bit is set by what is added, or is set
        // anyway. A carry may set it wrongly as well, but only behind a byte where it is set rightly, and the first one counts.
        let values = word ^ 0x3030_3030_3030_3030
        let others = (values &+ 0x7676_7676_7676_7676 | values) & 0x8080_8080_8080_8080
        return others.trailingZeroBitCount &>> 3
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

    /// Behind all white space from `position` on.
    @inline(never)
    private static func pastWhitespace(_ bytes: Span<UInt8>, _ position: Int) -> Int {
        var position = position
        // In bounds, as was just compared: positions are not negative.
        while position < bytes.count, unsafe bytes[unchecked: position].isASCIIWhitespace { position &+= 1 }
        return position
    }
}
