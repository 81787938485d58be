// SPDX-License-Identifier: Apache-2.0

/// Identifiers that sort by the time of their making: 48 bits of milliseconds since 1970 and 80 random bits, written
/// as 26 characters of Crockford's base32 (digits and capitals without I, L, O, U). <https://github.com/ulid/spec>
///
/// Two of one millisecond have no order. With 80 random bits nobody can guess one, yet they are names, not secrets.
package enum ULID {
    /// Characters of an identifier behind its prefix.
    package static let characterCount = 26

    private static let alphabet: StaticString = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

    /// A fresh identifier: `prefix` (`"key_"`) and 26 characters.
    package static func make(prefix: StaticString, at time: WallTime) -> String {
        make(prefix: prefix, at: time, Random.uint64(), Random.uint64())
    }

    /// The same with random bits from a reservoir.
    package static func make(prefix: StaticString, at time: WallTime, from reservoir: inout RandomReservoir) -> String {
        make(prefix: prefix, at: time, reservoir.next(), reservoir.next())
    }

    private static func make(prefix: StaticString, at time: WallTime, _ first: UInt64, _ second: UInt64) -> String {
        make(prefix: prefix, high: high(time, first), low: second)
    }

    /// A prefix of four characters, the first in the lowest byte, and the 26 of a fresh identifier, without making a text of
    /// them.
    package static func characters(
        behind prefix: UInt32, at time: WallTime, from reservoir: inout RandomReservoir
    ) -> [30 of UInt8] {
        let first = reservoir.next()
        let (high, low) = (high(time, first), reservoir.next())
        var text: [30 of UInt8] = .init(repeating: 0)
        unsafe withUnsafeMutableBytes(of: &text) { text in
            // SAFETY: four bytes and 26 fill the 30 of a value that lives for the length of the closure.
            unsafe text.storeBytes(of: prefix.littleEndian, as: UInt32.self)
            unsafe store(high, low, in: text, from: 4)
        }
        return text
    }

    private static func high(_ time: WallTime, _ random: UInt64) -> UInt64 {
        let milliseconds = UInt64(clamping: time.milliseconds) & 0xFFFF_FFFF_FFFF
        return milliseconds << 16 | random & 0xFFFF
    }

    /// True where `text` is `prefix` and 26 characters of the alphabet, the first of them at most `7` (more would
    /// not fit 128 bits). Small letters are not accepted: an identifier has one spelling.
    package static func isValid(_ text: String, prefix: StaticString) -> Bool {
        let utf8 = text.utf8
        guard utf8.count == prefix.utf8CodeUnitCount + characterCount else { return false }
        return prefix.withUTF8Buffer { prefix in
            alphabet.withUTF8Buffer { alphabet in
                // A static string's bytes live as long as the program; `index` is below the prefix's count.
                for (index, byte) in utf8.enumerated() {
                    if index < prefix.count {
                        if unsafe byte != prefix[index] { return false }
                    } else if unsafe !alphabet.contains(byte) || (index == prefix.count && byte > UInt8(ascii: "7")) {
                        return false
                    }
                }
                return true
            }
        }
    }

    /// 128 bits as 26 characters of five bits each, the highest first; the first holds three bits.
    ///
    /// - Parameter text: has room for as many from `start` on.
    @inline(__always)
    private static func store(
        _ high: UInt64, _ low: UInt64, in text: UnsafeMutableRawBufferPointer, from start: Int
    ) {
        let mask: UInt64 = 0xFF_FFFF_FFFF
        let first = UInt16(truncatingIfNeeded: eightCharacters(high &>> 56) &>> 48)
        // Two characters and three times eight.
        unsafe text.storeBytes(of: first, toByteOffset: start, as: UInt16.self)
        unsafe text.storeBytes(of: eightCharacters(high &>> 16 & mask), toByteOffset: start + 2, as: UInt64.self)
        unsafe text.storeBytes(
            of: eightCharacters((low &>> 40 | high &<< 24) & mask), toByteOffset: start + 10, as: UInt64.self)
        unsafe text.storeBytes(of: eightCharacters(low & mask), toByteOffset: start + 18, as: UInt64.self)
    }

    /// 40 bits as eight characters, one in each byte, the first in the lowest: all eight at a time.
    @inline(__always)
    private static func eightCharacters(_ bits: UInt64) -> UInt64 {
        // Halved three times: 20 bits in each half of the word, 10 in each quarter, 5 in each byte.
        var spread = bits &>> 20 | (bits & 0xF_FFFF) &<< 32
        spread = spread &>> 10 & 0x0000_03FF_0000_03FF | (spread & 0x0000_03FF_0000_03FF) &<< 16
        spread = spread &>> 5 & 0x001F_001F_001F_001F | (spread & 0x001F_001F_001F_001F) &<< 8
        let ones: UInt64 = 0x0101_0101_0101_0101
        /// 1 in each byte that is at least `least`, below 32.
        func isAtLeast(_ least: UInt64) -> UInt64 { (spread &+ ones &* (128 &- least)) &>> 7 & ones }
        // Digits stand for 0 to 9, A to H for 10 to 17; each letter left out (I, L, O, U) moves those behind it.
        return spread &+ ones &* 0x30 &+ isAtLeast(10) &* 7 &+ isAtLeast(18) &+ isAtLeast(20) &+ isAtLeast(22)
            &+ isAtLeast(27)
    }

    package static func make(prefix: StaticString, high: UInt64, low: UInt64) -> String {
        let prefixCount = prefix.utf8CodeUnitCount
        let count = prefixCount + characterCount
        // Static strings live as long as the program; the capacity is the prefix and 26 bytes, all of them written.
        return unsafe String(unsafeUninitializedCapacity: count) { buffer in
            prefix.withUTF8Buffer { prefix in
                for index in 0..<prefixCount { unsafe buffer[index] = prefix[index] }
            }
            unsafe store(high, low, in: UnsafeMutableRawBufferPointer(buffer), from: prefixCount)
            return count
        }
    }
}
