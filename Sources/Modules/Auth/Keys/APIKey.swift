// SPDX-License-Identifier: Apache-2.0

import Bytes
package import Crypto
import Platform

/// The text of an API key: what a program sends to say who it is.
///
///     ghk_ 43 characters, 32 random bytes as a number in base 62   6 characters, CRC-32 of the 47 before
///     0    4                                                      47                                  53
///
/// The first 12 characters are shown to people and stored; 8 of them are random, so they find a key among millions and say
/// nothing useful about the other 208 bits. The checksum lets programs that look for leaked keys, and us, throw away what
/// is no key without asking anybody.
///
/// The value shows itself as its prefix: a key must not reach a log by being interpolated.
package struct APIKey: Sendable {
    package static let byteCount = 53
    package static let prefixByteCount = 12

    private static let randomByteCount = 32
    private static let randomCharacterCount = 43
    private static let checksumCharacterCount = 6
    private static let brand: StaticString = "ghk_"
    private static let digits: StaticString = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

    private var storage: [53 of UInt8]

    /// A fresh key.
    package static func random() -> APIKey { APIKey(random: Random.bytes(randomByteCount)) }

    /// A text that is a key: of exactly this length, alphabet and checksum. Nil for any other. Allocates nothing.
    package init?(_ text: String) { self.init(text.utf8.span) }

    /// The same for bytes.
    package init?(_ bytes: Span<UInt8>) {
        self.init(unproven: bytes)
        guard hasChecksum else { return nil }
    }

    /// A text of a key's length and alphabet, of which the checksum has still to say whether it is one.
    init?(unproven bytes: Span<UInt8>) {
        guard bytes.count == APIKey.byteCount else { return nil }
        storage = .init(repeating: 0)
        unsafe withUnsafeMutableBytes(of: &storage) { storage in
            // Both are 53 bytes: the guard above.
            unsafe bytes.withUnsafeBytes { unsafe storage.copyMemory(from: $0) }
        }
        guard hasBrand, hasDigits else { return nil }
    }

    /// The key for 32 bytes.
    init(random: [UInt8]) {
        storage = .init(repeating: 0)
        // The brand and the digits live as long as the program, and every index below is within their counts.
        APIKey.brand.withUTF8Buffer { brand in
            for index in 0..<brand.count { unsafe storage[index] = brand[index] }
        }
        // Long division of a number of 256 bits by 62, 43 times; 62^43 is a little more than 2^256.
        var number = random
        for place in (4..<4 + APIKey.randomCharacterCount).reversed() {
            var remainder = 0
            for index in number.indices {
                let value = remainder << 8 | Int(number[index])
                number[index] = UInt8(value / 62)
                remainder = value % 62
            }
            storage[place] = APIKey.digit(remainder)
        }
        let checksum = checksum
        for index in 0..<APIKey.checksumCharacterCount { storage[47 + index] = checksum[index] }
    }

    /// The key itself. It is shown once, to who asked for it.
    package var text: String { withBytes { String(decoding: $0) } }

    /// The 12 characters that may be shown.
    package var prefix: String { String(decoding: storage.span.extracting(first: APIKey.prefixByteCount)) }

    /// Lends the 53 bytes for the length of `body`.
    package func withBytes<Result>(_ body: (Span<UInt8>) -> Result) -> Result { body(storage.span) }

    /// What is stored in place of the key: its HMAC-SHA256 under the pepper.
    package func digest(under pepper: HMACSHA256) -> Digest { withBytes { pepper.code(of: $0) } }

    /// The random characters of the prefix as a number: what an index is kept by.
    var handle: UInt64 {
        var handle: UInt64 = 0
        for index in 4..<APIKey.prefixByteCount { handle = handle << 8 | UInt64(storage[index]) }
        return handle
    }

    /// The same of a stored prefix; nil where it is none.
    static func handle(ofPrefix prefix: String) -> UInt64? {
        guard prefix.utf8.count == prefixByteCount else { return nil }
        return prefix.utf8.dropFirst(4).reduce(0) { $0 << 8 | UInt64($1) }
    }

    // MARK: - Parts

    private var hasBrand: Bool { storage.span.extracting(first: 4).equals(APIKey.brand) }

    private var hasDigits: Bool {
        // Without leaving early: a loop without a jump in it is three times as fast.
        let characters = storage.span
        var others: UInt8 = 0
        for index in 4..<APIKey.byteCount {
            let byte = characters[index]
            others |= (byte &- 0x30 < 10 ? 0 : 1) & ((byte | 0x20) &- 0x61 < 26 ? 0 : 1)
        }
        return others == 0
    }

    var hasChecksum: Bool {
        let checksum = checksum
        for index in 0..<APIKey.checksumCharacterCount where storage[47 + index] != checksum[index] { return false }
        return true
    }

    /// The checksum of the first 47 characters, in six.
    private var checksum: [6 of UInt8] {
        var value = Int(CRC32.checksum(storage.span.extracting(first: 47)))
        var characters: [6 of UInt8] = .init(repeating: 0)
        for place in (0..<APIKey.checksumCharacterCount).reversed() {
            characters[place] = APIKey.digit(value % 62)
            value /= 62
        }
        return characters
    }

    /// A digit of base 62, `value` below 62.
    private static func digit(_ value: Int) -> UInt8 {
        // Static strings live as long as the program, and this one has 62 bytes.
        digits.withUTF8Buffer { unsafe $0[value] }
    }
}

extension APIKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "\(prefix)…" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
