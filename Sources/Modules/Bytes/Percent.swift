// SPDX-License-Identifier: Apache-2.0

/// Percent-encoding of parts of a URL (RFC 3986 §2.1).
package enum Percent {
    /// The text with every byte outside of the unreserved set (RFC 3986 §2.3) as `%XX`. Right for a single path
    /// segment, query name or query value; `/` is encoded too.
    package static func encode(_ text: some StringProtocol) -> String {
        var encoded: [UInt8] = []
        encoded.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            if byte.isASCIIDigit || byte.isASCIILetter || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
                || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "~")
            {
                encoded.append(byte)
            } else {
                encoded.append(UInt8(ascii: "%"))
                encoded.append(digit(byte >> 4))
                encoded.append(digit(byte & 15))
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }

    /// The bytes with every `%XX` replaced by the byte it names; nil if a `%` is not followed by two hexadecimal
    /// digits. The result may be any bytes (NUL and broken UTF-8 included): judge it after decoding, once.
    ///
    /// - Parameter plusIsSpace: true for a query in the way of HTML forms, in which `+` stands for a space.
    package static func decode(_ bytes: Span<UInt8>, plusIsSpace: Bool = false) -> [UInt8]? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "%") {
                guard bytes.count - index > 2,
                    let high = bytes[index + 1].hexDigitValue, let low = bytes[index + 2].hexDigitValue
                else { return nil }
                decoded.append(high << 4 | low)
                index += 3
            } else {
                decoded.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
                index += 1
            }
        }
        return decoded
    }

    /// The text with every `%XX` decoded; nil if it is malformed or the result is not UTF-8.
    package static func decode(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
        let bytes = Array(text.utf8)
        guard let decoded = decode(bytes.span, plusIsSpace: plusIsSpace), decoded.span.isValidUTF8 else { return nil }
        return String(decoding: decoded, as: UTF8.self)
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") &+ value : UInt8(ascii: "A") &+ value &- 10
    }
}
