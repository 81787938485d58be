// SPDX-License-Identifier: Apache-2.0

/// Hexadecimal text (RFC 4648 §8), written small.
package enum Hex {
    private static let digits = Array("0123456789abcdef".utf8)

    /// Two small hexadecimal digits for each byte.
    package static func encode(_ bytes: Span<UInt8>) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2)
        for index in 0..<bytes.count {
            text.append(digits[Int(bytes[index] >> 4)])
            text.append(digits[Int(bytes[index] & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Two small hexadecimal digits for each byte.
    package static func encode(_ bytes: [UInt8]) -> String { encode(bytes.span) }

    /// The bytes written by `text` in digits of either case; nil for an odd count or another character.
    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count / 2)
        var high: UInt8?
        for character in text.utf8 {
            guard let digit = character.hexDigitValue else { return nil }
            if let first = high {
                bytes.append(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        return high == nil ? bytes : nil
    }
}
