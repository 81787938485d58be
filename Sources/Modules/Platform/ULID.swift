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
        let milliseconds = UInt64(clamping: time.milliseconds) & 0xFFFF_FFFF_FFFF
        return make(prefix: prefix, high: milliseconds << 16 | first & 0xFFFF, low: second)
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

    /// The character of five bits: digits, then capitals without I, L, O and U.
    @inline(__always)
    private static func character(_ bits: UInt8) -> UInt8 {
        if bits < 10 { return UInt8(ascii: "0") &+ bits }
        // A to H stand for 10 to 17; each letter left out moves those behind it.
        var letter = UInt8(ascii: "A") &+ bits &- 10
        if bits >= 18 { letter &+= 1 }
        if bits >= 20 { letter &+= 1 }
        if bits >= 22 { letter &+= 1 }
        if bits >= 27 { letter &+= 1 }
        return letter
    }

    /// 128 bits as 26 characters of five bits each, the highest first; the first holds three bits.
    static func make(prefix: StaticString, high: UInt64, low: UInt64) -> String {
        let count = prefix.utf8CodeUnitCount + characterCount
        // Static strings live as long as the program; the capacity is the prefix and 26 bytes, all of them written.
        return unsafe String(unsafeUninitializedCapacity: count) { buffer in
            prefix.withUTF8Buffer { prefix in
                for index in 0..<prefix.count { unsafe buffer[index] = prefix[index] }
            }
            // From the end: five bits at a time leave the low half, and what is left of the high one follows.
            var (high, low) = (high, low)
            for index in stride(from: count - 1, through: count - characterCount, by: -1) {
                unsafe buffer[index] = character(UInt8(truncatingIfNeeded: low & 31))
                low = low &>> 5 | high &<< 59
                high = high &>> 5
            }
            return count
        }
    }
}
