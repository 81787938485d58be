// SPDX-License-Identifier: Apache-2.0

/// Base 64 text (RFC 4648 §4 and §5). Decoding is strict, so that each value has exactly one text: no white space, no
/// characters of the other alphabet, padding exactly as asked for, unused bits zero.
package enum Base64 {
    /// The two last characters of the alphabet: `+` `/`, or `-` `_` which need no escape in a URL.
    package enum Alphabet: Sendable {
        case standard
        case url
    }

    private static let common = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)
    private static let standardDigits = common + Array("+/".utf8)
    private static let urlDigits = common + Array("-_".utf8)
    private static let padding = UInt8(ascii: "=")

    /// The text of `bytes`.
    package static func encode(
        _ bytes: Span<UInt8>, alphabet: Alphabet = .standard, isPadded: Bool = true
    ) -> String {
        let digits = alphabet == .standard ? standardDigits : urlDigits
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        var index = 0
        while index < bytes.count {
            let taken = min(3, bytes.count - index)
            var group = UInt32(bytes[index]) << 16
            if taken > 1 { group |= UInt32(bytes[index + 1]) << 8 }
            if taken > 2 { group |= UInt32(bytes[index + 2]) }
            for place in 0...taken { text.append(digits[Int(group >> UInt32(18 - 6 * place) & 63)]) }
            if isPadded { text.append(contentsOf: repeatElement(padding, count: 3 - taken)) }
            index += taken
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The text of `bytes`.
    package static func encode(_ bytes: [UInt8], alphabet: Alphabet = .standard, isPadded: Bool = true) -> String {
        encode(bytes.span, alphabet: alphabet, isPadded: isPadded)
    }

    /// The bytes of `text`, or nil if it is not exactly what `encode` writes with the same arguments.
    package static func decode(
        _ text: some StringProtocol, alphabet: Alphabet = .standard, isPadded: Bool = true
    ) -> [UInt8]? {
        var digits = 0
        var paddings = 0
        var group: UInt32 = 0
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count / 4 * 3 + 2)
        for character in text.utf8 {
            if character == padding {
                paddings += 1
                continue
            }
            guard paddings == 0, let value = value(of: character, in: alphabet) else { return nil }
            group = group << 6 | UInt32(value)
            digits += 1
            guard digits & 3 == 0 else { continue }
            bytes.append(UInt8(truncatingIfNeeded: group >> 16))
            bytes.append(UInt8(truncatingIfNeeded: group >> 8))
            bytes.append(UInt8(truncatingIfNeeded: group))
            group = 0
        }
        let rest = digits & 3
        guard rest != 1, paddings == (isPadded && rest > 0 ? 4 - rest : 0) else { return nil }
        if rest == 2 {
            guard group & 0x0F == 0 else { return nil }
            bytes.append(UInt8(truncatingIfNeeded: group >> 4))
        } else if rest == 3 {
            guard group & 0x03 == 0 else { return nil }
            bytes.append(UInt8(truncatingIfNeeded: group >> 10))
            bytes.append(UInt8(truncatingIfNeeded: group >> 2))
        }
        return bytes
    }

    private static func value(of character: UInt8, in alphabet: Alphabet) -> UInt8? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): character &- UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): character &- UInt8(ascii: "a") &+ 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character &- UInt8(ascii: "0") &+ 52
        case UInt8(ascii: "+") where alphabet == .standard: 62
        case UInt8(ascii: "/") where alphabet == .standard: 63
        case UInt8(ascii: "-") where alphabet == .url: 62
        case UInt8(ascii: "_") where alphabet == .url: 63
        default: nil
        }
    }
}
