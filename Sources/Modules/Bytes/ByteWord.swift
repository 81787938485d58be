// SPDX-License-Identifier: Apache-2.0

/// Eight bytes that are looked at together. What is asked of them is answered by a word in which the top bit of each byte
/// that fits is set, and every other bit is clear; the answers are exact for each byte, since nothing carries from one to
/// the next (Hacker's Delight, §6-1).
@usableFromInline package struct ByteWord: Equatable {
    @usableFromInline let bits: UInt64

    @inlinable @inline(__always)
    package init(_ bits: UInt64) { self.bits = bits }

    @usableFromInline static let all: UInt64 = 0x8080_8080_8080_8080
    @usableFromInline static let ones: UInt64 = 0x0101_0101_0101_0101

    /// The bytes that are neither below `low` nor above `high`, two ASCII characters.
    @inlinable @inline(__always)
    package func bytes(in low: UInt8, _ high: UInt8) -> UInt64 {
        let seven = bits & ~Self.all
        let isAtLeast = seven &+ Self.ones &* UInt64(0x80 &- low)
        let isAbove = seven &+ Self.ones &* UInt64(0x7F &- high)
        return isAtLeast & ~isAbove & ~bits & Self.all
    }

    /// The bytes `A`–`Z` and `a`–`z`.
    @inlinable @inline(__always)
    package var letters: UInt64 {
        // Among ASCII characters only letters become small letters by this bit.
        ByteWord(bits | Self.ones &* 0x20).bytes(in: UInt8(ascii: "a"), UInt8(ascii: "z"))
    }

    /// `A`–`Z` made small, every other byte unchanged.
    @inlinable @inline(__always)
    package var asciiLowercased: ByteWord {
        ByteWord(bits | bytes(in: UInt8(ascii: "A"), UInt8(ascii: "Z")) &>> 2)
    }

    /// True if these are the bytes of `small` but for the case of letters. `small` is of small letters, digits and `-`, of
    /// which the letters alone have the bit 0x40: there, and nowhere else, the bit that tells the cases apart is passed over.
    @inlinable @inline(__always)
    package func isSame(asSmall small: ByteWord) -> Bool {
        let letters = small.bits & (Self.ones &* 0x40)
        return (bits ^ small.bits) & ~(letters &>> 1) == 0
    }

    @inlinable @inline(__always)
    package static func == (left: ByteWord, right: ByteWord) -> Bool { left.bits == right.bits }

    /// True if these are all eight.
    @inlinable @inline(__always)
    package static func areAll(_ found: UInt64) -> Bool { found == all }
}

extension Span where Element == UInt8 {
    /// True if `test` is true for words that together hold every byte, some of them twice; true without a call for no
    /// bytes. Whether a test fits must depend on each byte alone.
    @inlinable @inline(__always)
    package func allWords(_ test: (ByteWord) -> Bool) -> Bool {
        unsafe withUnsafeBytes { bytes in
            let count = bytes.count
            guard count >= 8 else { return unsafe count == 0 || test(ByteWord(upTo8: bytes)) }
            var start = 0
            // SAFETY: eight bytes from `start` on are in bounds, and so are the last eight.
            while start < count &- 8 {
                guard unsafe test(ByteWord(bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))) else {
                    return false
                }
                start &+= 8
            }
            return unsafe test(ByteWord(bytes.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)))
        }
    }
}

extension ByteWord {
    /// One to seven bytes, some of them more than once, so that there are eight; in the same way for each count.
    @inlinable @inline(__always)
    package init(upTo8 bytes: UnsafeRawBufferPointer) {
        let count = bytes.count
        // SAFETY: the first and the last four (two, one) bytes are in bounds where there are as many.
        if count >= 4 {
            let first = unsafe bytes.loadUnaligned(as: UInt32.self)
            let last = unsafe bytes.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
            bits = UInt64(first) | UInt64(last) &<< 32
        } else if count >= 2 {
            let first = unsafe bytes.loadUnaligned(as: UInt16.self)
            let last = unsafe bytes.loadUnaligned(fromByteOffset: count &- 2, as: UInt16.self)
            bits = (UInt64(first) | UInt64(last) &<< 16) &* 0x0000_0001_0000_0001
        } else {
            bits = unsafe UInt64(bytes[0]) &* Self.ones
        }
    }
}

/// True if both are the same bytes but for the case of `A`–`Z`.
@inlinable @inline(__always)
package func areEqualIgnoringASCIICase(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    let count = left.count
    guard right.count == count else { return false }
    guard count >= 8 else {
        return unsafe count == 0 || ByteWord(upTo8: left).asciiLowercased == ByteWord(upTo8: right).asciiLowercased
    }
    var start = 0
    while true {
        // SAFETY: `start` is eight bytes at least before the end of both, which are as long as each other.
        let (first, second) = unsafe (
            ByteWord(left.loadUnaligned(fromByteOffset: start, as: UInt64.self)),
            ByteWord(right.loadUnaligned(fromByteOffset: start, as: UInt64.self))
        )
        guard first == second || first.asciiLowercased == second.asciiLowercased else { return false }
        guard start < count &- 8 else { return true }
        start = min(start &+ 8, count &- 8)
    }
}
