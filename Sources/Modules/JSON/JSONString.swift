// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Strings of JSON texts (RFC 8259 §7): finding their end, and reading what they say.
enum JSONString {
    static let quote = UInt8(ascii: "\"")
    private static let backslash = UInt8(ascii: "\\")

    /// The string whose opening quote stands at `start`: its bytes are judged (UTF-8, control characters, escapes) and
    /// counted as they will be after unescaping.
    static func scan(
        _ bytes: Span<UInt8>, at start: Int, refusingLoneSurrogates: Bool
    ) throws(JSONError) -> JSONEntry {
        var index = start &+ 1
        // What unescaping will save; 6 bytes of text become at most 3, so the count stays positive.
        var savedBytes = 0
        var hasEscapes = false
        while true {
            index = pastPlain(bytes, from: index)
            guard index < bytes.count else { throw JSONError(.unexpectedEnd, at: bytes.count) }
            let byte = bytes[index]
            if byte == quote {
                let count = index &- start &- 1 &- savedBytes
                return JSONEntry(
                    .string, start: start, end: index &+ 1, extent: UInt32(truncatingIfNeeded: count), flag: hasEscapes)
            } else if byte == backslash {
                let escape = try escape(bytes, at: index)
                if refusingLoneSurrogates, escape.isLoneSurrogate { throw JSONError(.loneSurrogate, at: index) }
                hasEscapes = true
                savedBytes &+= escape.byteCount &- escape.scalar.utf8.count
                index &+= escape.byteCount
            } else if byte >= 0x80 {
                // One script keeps to itself, so its sequences are taken in a row.
                while index < bytes.count, bytes[index] >= 0x80 {
                    let length = bytes.utf8Sequence(at: index)
                    guard length > 0 else { throw JSONError(.invalidUTF8, at: index) }
                    index &+= length
                }
            } else {
                throw JSONError(.controlCharacter, at: index)
            }
        }
    }

    /// The offset of the first byte at or behind `index` that is a quote, a backslash, a control character or not ASCII;
    /// `bytes.count` if there is none. `index` is from 0 to that.
    @inline(__always)
    static func pastPlain(_ bytes: Span<UInt8>, from index: Int) -> Int {
        var index = index
        // What is longer than names and words is mostly a text.
        let long = index &+ 16
        while index <= bytes.count &- 16 {
            // In bounds: sixteen bytes from `index` on, which is not negative, are before the end, as was just compared.
            let block = unsafe bytes.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: SIMD16<Int8>.self)
            let found = notPlain(block)
            if found[0] != 0 { return index &+ found[0].trailingZeroBitCount &>> 3 }
            if found[1] != 0 { return index &+ 8 &+ found[1].trailingZeroBitCount &>> 3 }
            index &+= 16
            if index == long { index = pastPlainBlocks(bytes, from: index) }
        }
        return pastPlainEnd(bytes, from: index)
    }

    /// The same for the last bytes of a text.
    @inline(never)
    private static func pastPlainEnd(_ bytes: Span<UInt8>, from index: Int) -> Int {
        var index = index
        let ones: UInt64 = 0x0101_0101_0101_0101
        while true {
            // Behind the end there are zeros, which are control characters: the search ends there at the latest.
            let word = bytes.wordOrZeros(at: index)
            // The high bit of a byte is set if it is what we look for. A borrow may set it wrongly as well, but only
            // behind a byte where it is set rightly, and the first one counts.
            let controls = (word ^ (ones &* 0x02)) &- (ones &* 0x21)
            let backslashes = (word ^ (ones &* UInt64(backslash))) &- ones
            let found = (controls | backslashes | word) & (ones &* 0x80)
            if found != 0 { return index &+ found.trailingZeroBitCount &>> 3 }
            index &+= 8
        }
    }

    /// Behind the blocks of 32 bytes from `index` on, which is not negative, in which there is no such byte.
    @inline(never)
    private static func pastPlainBlocks(_ bytes: Span<UInt8>, from index: Int) -> Int {
        unsafe bytes.withUnsafeBytes { text in
            var index = index
            while index <= text.count &- 32 {
                // SAFETY: thirty-two bytes from `index` on were found to be in bounds just now.
                let first = unsafe text.loadUnaligned(fromByteOffset: index, as: SIMD16<Int8>.self)
                let second = unsafe text.loadUnaligned(fromByteOffset: index &+ 16, as: SIMD16<Int8>.self)
                let found = notPlain(first) | notPlain(second)
                guard found[0] | found[1] == 0 else { break }
                index &+= 32
            }
            return index
        }
    }

    /// All bits of the bytes that are a quote, a backslash, a control character or not ASCII, the first byte lowest.
    ///
    /// By one bit the quote changes places with the space, and so stands next to the control characters; what is not ASCII is
    /// below zero as a signed number, and so below both.
    // With the types of the vectors: without them the compiler takes other operators, and compares lane by lane.
    @inline(__always)
    private static func notPlain(_ bytes: SIMD16<Int8>) -> SIMD2<UInt64> {
        // The backslash is 0x5C, and 0x5E by that bit.
        let changed = bytes ^ SIMD16<Int8>(repeating: 0x02)
        let found = (changed .< SIMD16<Int8>(repeating: 0x21)) .| (changed .== SIMD16<Int8>(repeating: 0x5E))
        return unsafe unsafeBitCast(found, to: SIMD2<UInt64>.self)
    }

    /// One escape of a string, read.
    struct Escape {
        /// What it stands for; U+FFFD for half of a surrogate pair.
        var scalar: Unicode.Scalar
        /// Its bytes in the text: 2, 6 or 12.
        var byteCount: Int
        var isLoneSurrogate = false
    }

    /// The escape whose backslash stands at `index`.
    static func escape(_ bytes: Span<UInt8>, at index: Int) throws(JSONError) -> Escape {
        guard bytes.count &- index >= 2 else { throw JSONError(.unexpectedEnd, at: bytes.count) }
        switch bytes[index &+ 1] {
        case quote: return Escape(scalar: "\"", byteCount: 2)
        case backslash: return Escape(scalar: "\\", byteCount: 2)
        case UInt8(ascii: "/"): return Escape(scalar: "/", byteCount: 2)
        case UInt8(ascii: "b"): return Escape(scalar: "\u{8}", byteCount: 2)
        case UInt8(ascii: "f"): return Escape(scalar: "\u{C}", byteCount: 2)
        case UInt8(ascii: "n"): return Escape(scalar: "\n", byteCount: 2)
        case UInt8(ascii: "r"): return Escape(scalar: "\r", byteCount: 2)
        case UInt8(ascii: "t"): return Escape(scalar: "\t", byteCount: 2)
        case UInt8(ascii: "u"): break
        default: throw JSONError(.malformedEscape, at: index)
        }
        guard let unit = fourDigits(bytes, at: index &+ 2) else { throw JSONError(.malformedEscape, at: index) }
        if let scalar = Unicode.Scalar(unit) { return Escape(scalar: scalar, byteCount: 6) }
        // A surrogate: the first half of a pair must be followed at once by an escape of the second half.
        if unit < 0xDC00, bytes.count &- index >= 12, bytes[index &+ 6] == backslash,
            bytes[index &+ 7] == UInt8(ascii: "u"), let second = fourDigits(bytes, at: index &+ 8),
            0xDC00...0xDFFF ~= second,
            let scalar = Unicode.Scalar(0x10000 &+ (unit &- 0xD800) &<< 10 &+ (second &- 0xDC00))
        {
            return Escape(scalar: scalar, byteCount: 12)
        }
        return Escape(scalar: "\u{FFFD}", byteCount: 6, isLoneSurrogate: true)
    }

    private static func fourDigits(_ bytes: Span<UInt8>, at index: Int) -> UInt32? {
        guard bytes.count &- index >= 4 else { return nil }
        var number: UInt32 = 0
        for place in 0..<4 {
            guard let digit = bytes[index &+ place].hexDigitValue else { return nil }
            number = number &<< 4 | UInt32(digit)
        }
        return number
    }

    /// True if the text between two quotes stands for `text`.
    static func content(_ content: Span<UInt8>, isEscaped: Bool, equals text: Span<UInt8>) -> Bool {
        guard isEscaped else { return content.equals(text) }
        let unescaped = unescape(content)
        return unescaped.span.equals(text)
    }

    /// The UTF-8 that the text between two quotes stands for. The text has been scanned before.
    static func unescape(_ content: Span<UInt8>) -> [UInt8] {
        var unescaped: [UInt8] = []
        unescaped.reserveCapacity(content.count)
        var index = 0
        while index < content.count {
            let plain = index
            index = content.firstIndex(of: backslash, from: plain) ?? content.count
            unescaped.append(content.extracting(plain..<index))
            guard index < content.count, let escape = try? escape(content, at: index) else { break }
            unescaped.append(contentsOf: escape.scalar.utf8)
            index &+= escape.byteCount
        }
        return unescaped
    }
}

extension Span<UInt8> {
    /// Where the quote stands that ends a JSON string (RFC 8259 §7) whose text begins at `start`, from 0 to `count`. What is before
    /// it means itself: nil where there is an escape, a control character, no UTF-8 or no quote.
    package func endOfPlainJSONString(from start: Int) -> Int? {
        var index = start
        while true {
            index = JSONString.pastPlain(self, from: index)
            guard index < count else { return nil }
            if self[index] == JSONString.quote { return index }
            let length = self[index] >= 0x80 ? utf8Sequence(at: index) : 0
            guard length > 0 else { return nil }
            index &+= length
        }
    }
}
