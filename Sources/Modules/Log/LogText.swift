// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Texts from anywhere, made harmless for a line: without secrets and personal data, cut, and escaped as JSON escapes.
enum LogText {
    /// Appends `text` in double quotes, as a JSON string.
    static func append(quoting text: String, _ redaction: Redaction, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        append(text, redaction, isQuoted: true, to: &output)
        output.append(UInt8(ascii: "\""))
    }

    /// Appends `text`. Inside quotes, quotes and backslashes are escaped as well.
    static func append(_ text: String, _ redaction: Redaction, isQuoted: Bool, to output: inout [UInt8]) {
        // What is not to be shown goes first: cut or escaped, it might no longer be known.
        let clean = redaction.secrets.scrubbed(text)
        let bytes = clean.utf8.span
        var room = LogLine.textBytesMax
        var start = 0
        if let masker = redaction.masker {
            for finding in masker.find(in: bytes) {
                append(bytes, start..<finding.range.lowerBound, isQuoted, &room, &output)
                let mark = finding.kind.mark
                if room >= mark.utf8CodeUnitCount { output.append(utf8: mark) }
                room -= mark.utf8CodeUnitCount
                start = finding.range.upperBound
                if room < 0 { break }
            }
        }
        append(bytes, min(start, bytes.count)..<bytes.count, isQuoted, &room, &output)
        if room < 0 { output.append(utf8: "…") }
    }

    /// True for what needs no quotes in a line for people.
    static func isPlain(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") }
    }

    /// Appends whole characters while there is room for them; `room` is negative where there was not.
    private static func append(
        _ text: Span<UInt8>, _ range: Range<Int>, _ isQuoted: Bool, _ room: inout Int, _ output: inout [UInt8]
    ) {
        var index = range.lowerBound
        while index < range.upperBound, room >= 0 {
            let byte = text[index]
            let width = min(byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4, range.upperBound - index)
            room -= width
            if room < 0 { return }
            if byte >= 0x20, byte < 0x7F {
                if isQuoted, byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                    output.append(UInt8(ascii: "\\"))
                }
                output.append(byte)
            } else if byte == 0x0A {
                output.append(utf8: "\\n")
            } else if let unsafe = control(text, at: index, width) {
                let digits = String(unsafe, radix: 16)
                output.append(utf8: "\\u")
                output.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: 4 - digits.utf8.count))
                output.append(utf8: digits)
            } else {
                for offset in 0..<width { output.append(text[index + offset]) }
            }
            index += width
        }
    }

    /// The character of two or three bytes, or below 128, if it is a control (a terminal obeys them), a line separator, or
    /// turns the direction of a text around.
    private static func control(_ text: Span<UInt8>, at index: Int, _ width: Int) -> UInt32? {
        let first = UInt32(text[index])
        if width == 1 { return first }
        let second = UInt32(text[index + 1] & 0x3F)
        if width == 2 { return first == 0xC2 && second < 0x20 ? 0x80 | second : nil }
        guard width == 3, first == 0xE2 || first == 0xEF else { return nil }
        let value = (first & 0x0F) << 12 | second << 6 | UInt32(text[index + 2] & 0x3F)
        switch value {
        case 0x2028, 0x2029, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069, 0xFEFF: return value
        default: return nil
        }
    }
}
