// SPDX-License-Identifier: Apache-2.0

extension Span where Element == UInt8 {
    /// True if the bytes are well-formed UTF-8 (Unicode 15, table 3-7): no over-long forms, no surrogates, nothing
    /// beyond U+10FFFF, nothing cut off.
    @inlinable package var isValidUTF8: Bool { firstInvalidUTF8 == nil }

    /// The offset of the first byte that does not begin a well-formed UTF-8 sequence, or nil if all do.
    @inlinable package var firstInvalidUTF8: Int? {
        var index = 0
        while index < count {
            index = skipASCII(from: index)
            guard index < count else { return nil }
            let length = utf8Sequence(at: index)
            guard length > 0 else { return index }
            index &+= length
        }
        return nil
    }

    /// The number of bytes (1…4) of the well-formed UTF-8 sequence that begins at `index`, or 0 if none does.
    @inlinable package func utf8Sequence(at index: Int) -> Int {
        let first = self[index]
        if first < 0x80 { return 1 }
        let rest = count &- index
        if first < 0xE0 {
            guard first >= 0xC2, rest >= 2, isContinuation(index &+ 1) else { return 0 }
            return 2
        }
        if first < 0xF0 {
            guard rest >= 3, isContinuation(index &+ 1), isContinuation(index &+ 2) else { return 0 }
            let second = self[index &+ 1]
            if first == 0xE0 && second < 0xA0 { return 0 }  // Over-long.
            if first == 0xED && second > 0x9F { return 0 }  // A surrogate.
            return 3
        }
        guard first <= 0xF4, rest >= 4, isContinuation(index &+ 1), isContinuation(index &+ 2),
            isContinuation(index &+ 3)
        else { return 0 }
        let second = self[index &+ 1]
        if first == 0xF0 && second < 0x90 { return 0 }  // Over-long.
        if first == 0xF4 && second > 0x8F { return 0 }  // Beyond U+10FFFF.
        return 4
    }

    /// The offset of the first byte at or behind `index` that is not ASCII, or `count`.
    @inlinable package func skipASCII(from index: Int) -> Int {
        var index = index
        while count &- index >= 8 {
            guard word(at: index) & 0x8080_8080_8080_8080 == 0 else { break }
            index &+= 8
        }
        while index < count, self[index] < 0x80 { index &+= 1 }
        return index
    }

    @inlinable func isContinuation(_ index: Int) -> Bool { self[index] & 0xC0 == 0x80 }

    /// The eight bytes at `index` as a number whose lowest byte is the first, for scanners that look at eight at once.
    /// Traps like a subscript if `index + 8` is beyond the end.
    @inlinable package func word(at index: Int) -> UInt64 {
        // The load is checked against the span's bounds, and every pattern of 64 bits is a `UInt64`.
        UInt64(littleEndian: unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
    }
}
