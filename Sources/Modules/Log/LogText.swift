// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Texts from anywhere, made harmless for a line: without secrets, cut, and escaped as JSON escapes.
enum LogText {
    /// Appends `text` in double quotes, as a JSON string.
    static func append(quoting text: String, _ secrets: SecretNeedles, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        append(text, secrets, isQuoted: true, to: &output)
        output.append(UInt8(ascii: "\""))
    }

    /// Appends `text`. Inside quotes, quotes and backslashes are escaped as well.
    static func append(_ text: String, _ secrets: SecretNeedles, isQuoted: Bool, to output: inout [UInt8]) {
        // Secrets first: cut or escaped, one might no longer be known.
        let clean = secrets.scrubbed(text)
        var count = 0
        for scalar in clean.unicodeScalars {
            count += UTF8.width(scalar)
            if count > LogLine.textBytesMax {
                output.append(utf8: "…")
                return
            }
            append(scalar, isQuoted: isQuoted, to: &output)
        }
    }

    /// True for what needs no quotes in a line for people.
    static func isPlain(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") }
    }

    private static func append(_ scalar: Unicode.Scalar, isQuoted: Bool, to output: inout [UInt8]) {
        switch scalar.value {
        case 0x22 where isQuoted, 0x5C where isQuoted:
            output.append(UInt8(ascii: "\\"))
            output.append(UInt8(truncatingIfNeeded: scalar.value))
        case 0x0A:
            output.append(utf8: "\\n")
        // Controls (a terminal obeys them), line separators, and what turns the direction of a text around.
        case 0...0x1F, 0x7F...0x9F, 0x2028, 0x2029, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069, 0xFEFF:
            output.append(utf8: "\\u")
            let digits = String(scalar.value, radix: 16)
            output.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: 4 - digits.utf8.count))
            output.append(utf8: digits)
        case ..<0x80:
            output.append(UInt8(truncatingIfNeeded: scalar.value))
        default:
            output.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        }
    }
}
