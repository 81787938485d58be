// SPDX-License-Identifier: Apache-2.0

import Bytes
import Crypto
import Platform

/// A recovery key as it is printed on paper: 32 random bytes and three of checksum, in 14 groups of four characters of
/// Crockford's base32.
///
///     ghr-0000-0000-0000-0000-0000-0000-0000-0000-0000-0000-0000-0000-0000-0000
///
/// It is a key and not a password: no scrypt is needed to make guessing hopeless.
enum RecoveryKey {
    private static let prefix = "GHR"
    private static let byteCount = 32
    private static let checksumByteCount = 3
    private static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)
    private static let characterCount = (byteCount + checksumByteCount) * 8 / 5

    /// Why a text is no recovery key.
    enum Problem: Error, Equatable {
        /// It does not look like one at all.
        case other
        /// It looks like one, and was mistyped.
        case mistyped
    }

    /// The text of a key of 32 bytes. It is a secret as the key is.
    static func text(of key: SecretBytes) -> String {
        var bytes = key.withBytes { key in key.indices.map { key[$0] } }
        defer { SecretBytes.wipe(&bytes) }
        bytes += checksum(bytes)
        var text = prefix.asciiLowercased
        for (index, value) in digits(bytes).enumerated() {
            if index.isMultiple(of: 4) { text += "-" }
            text.unicodeScalars.append(Unicode.Scalar(alphabet[Int(value)]))
        }
        return text
    }

    /// Reads what was typed: small letters, missing hyphens, blanks, and `O`, `I`, `L` for the digits they look like.
    static func parse(_ text: some Sequence<UInt8>) throws(Problem) -> SecretBytes {
        var characters: [UInt8] = []
        defer { SecretBytes.wipe(&characters) }
        for byte in text where byte != UInt8(ascii: "-") && !byte.isASCIIWhitespace {
            guard characters.count < 256 else { throw .other }
            characters.append(byte.asciiUppercased)
        }
        guard characters.starts(with: prefix.utf8) else { throw .other }
        guard characters.count == prefix.utf8.count + characterCount else { throw .mistyped }
        var bytes: [UInt8] = []
        defer { SecretBytes.wipe(&bytes) }
        var (word, bits): (UInt32, UInt32) = (0, 0)
        for character in characters.dropFirst(prefix.utf8.count) {
            guard let value = value(of: character) else { throw .mistyped }
            word = word << 5 | UInt32(value)
            bits += 5
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: word >> bits))
            }
        }
        var key = Array(bytes[..<byteCount])
        guard checksum(key) == Array(bytes[byteCount...]) else {
            SecretBytes.wipe(&key)
            throw .mistyped
        }
        return SecretBytes(taking: &key)
    }

    private static func value(of character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "O"): 0
        case UInt8(ascii: "I"), UInt8(ascii: "L"): 1
        default: alphabet.firstIndex(of: character).map { UInt8($0) }
        }
    }

    /// Five bits each, the highest first.
    private static func digits(_ bytes: [UInt8]) -> [UInt8] {
        var digits: [UInt8] = []
        var (word, bits): (UInt32, UInt32) = (0, 0)
        for byte in bytes {
            word = word << 8 | UInt32(byte)
            bits += 8
            while bits >= 5 {
                bits -= 5
                digits.append(UInt8(word >> bits & 31))
            }
        }
        return digits
    }

    private static func checksum(_ key: [UInt8]) -> [UInt8] {
        Array(SHA256.digest(Array("gatehouse recovery key".utf8) + key).bytes[..<checksumByteCount])
    }
}
