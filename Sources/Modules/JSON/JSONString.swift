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
    /// `bytes.count` if there is none.
    @inline(__always)
    static func pastPlain(_ bytes: Span<UInt8>, from index: Int) -> Int {
        var index = index
        // What is longer than names and words is mostly a text.
        let long = index &+ 16
        let ones: UInt64 = 0x0101_0101_0101_0101
        while bytes.count &- index >= 8 {
            let word = bytes.word(at: index)
            // The high bit of a byte is set if it is what we look for. A borrow may set it wrongly as well, but only
            // behind a byte where it is set rightly, and the first one counts.
            let control = word &- (ones &* 0x20)
            let quotes = (word ^ (ones &* UInt64(quote))) &- ones
            let backslashes = (word ^ (ones &* UInt64(backslash))) &- ones
            let found = (control | quotes | backslashes | word) & (ones &* 0x80)
            if found != 0 { return index &+ found.trailingZeroBitCount &>> 3 }
            index &+= 8
            if index == long { index = pastPlainBlocks(bytes, from: index) }
        }
        while index < bytes.count {
            let byte = bytes[index]
            if byte < 0x20 || byte >= 0x80 || byte == quote || byte == backslash { return index }
            index &+= 1
        }
        return index
    }

    /// Behind the blocks of 32 bytes from `index` on, which is not negative, in which there is no such byte.
    @inline(never)
    private static func pastPlainBlocks(_ bytes: Span<UInt8>, from index: Int) -> Int {
        unsafe bytes.withUnsafeBytes { text in
            var index = index
            while text.count &- index >= 32 {
                // SAFETY: thirty-two bytes from `index` on were found to be in bounds just now.
                let first = unsafe text.loadUnaligned(fromByteOffset: index, as: SIMD16<Int8>.self)
                let second = unsafe text.loadUnaligned(fromByteOffset: index &+ 16, as: SIMD16<Int8>.self)
                let found = unsafe unsafeBitCast(notPlain(first) .| notPlain(second), to: SIMD2<UInt64>.self)
                guard found[0] | found[1] == 0 else { break }
                index &+= 32
            }
            return index
        }
    }

    /// As signed numbers what is not ASCII is below zero, and so below the space as control characters are.
    // All of it as vectors: with a number beside it the compiler would compare lane by lane.
    @inline(__always)
    private static func notPlain(_ bytes: SIMD16<Int8>) -> SIMDMask<SIMD16<Int8>> {
        (bytes .< SIMD16<Int8>(repeating: 0x20)) .| (bytes .== SIMD16(repeating: Int8(bitPattern: quote)))
            .| (bytes .== SIMD16(repeating: Int8(bitPattern: backslash)))
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
