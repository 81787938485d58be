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

    /// 128 bits as 26 characters of five bits each, the highest first; the first holds three bits.
    static func make(prefix: StaticString, high: UInt64, low: UInt64) -> String {
        let count = prefix.utf8CodeUnitCount + characterCount
        // Static strings live as long as the program; the capacity is the prefix and 26 bytes, all of them written.
        return unsafe String(unsafeUninitializedCapacity: count) { buffer in
            prefix.withUTF8Buffer { prefix in
                for index in 0..<prefix.count { unsafe buffer[index] = prefix[index] }
            }
            alphabet.withUTF8Buffer { alphabet in
                for index in 0..<characterCount {
                    let shift = UInt64(5 * (characterCount - 1 - index))
                    // Five bits of the 128, wherever the border of the halves lies.
                    let bits =
                        shift >= 64 ? high >> (shift - 64) : (shift == 0 ? 0 : high << (64 - shift)) | low >> shift
                    unsafe buffer[prefix.utf8CodeUnitCount + index] = alphabet[Int(bits & 31)]
                }
            }
            return count
        }
    }
}
