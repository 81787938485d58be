// SPDX-License-Identifier: Apache-2.0

/// The four kinds of strings. Each reader stands on the first quote and ends behind the last.
extension TOMLParser {
    /// `"…"` with escapes.
    mutating func readBasicString() throws(TOMLError) -> String {
        let start = position
        advance()
        var text: [UInt8] = []
        while let byte = peek() {
            switch byte {
            case UInt8(ascii: "\""):
                advance()
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                try readEscape(into: &text)
            default:
                try readOneLine(byte, into: &text, start)
            }
        }
        throw TOMLError(.stringUnterminated, at: start)
    }

    /// `'…'`, taken as it stands.
    mutating func readLiteralString() throws(TOMLError) -> String {
        let start = position
        advance()
        var text: [UInt8] = []
        while let byte = peek() {
            if skip(UInt8(ascii: "'")) { return String(decoding: text, as: UTF8.self) }
            try readOneLine(byte, into: &text, start)
        }
        throw TOMLError(.stringUnterminated, at: start)
    }

    /// `"""…"""`: over lines, with escapes; a backslash at the end of a line swallows all blanks that follow.
    mutating func readBasicText() throws(TOMLError) -> String {
        let start = try openText()
        var text: [UInt8] = []
        while let byte = peek() {
            switch byte {
            case UInt8(ascii: "\""):
                if closeText(byte, &text) { return String(decoding: text, as: UTF8.self) }
            case UInt8(ascii: "\\"):
                if try !skipFoldedLines() { try readEscape(into: &text) }
            default:
                try readOverLines(byte, into: &text)
            }
        }
        throw TOMLError(.stringUnterminated, at: start)
    }

    /// `'''…'''`: over lines, taken as it stands.
    mutating func readLiteralText() throws(TOMLError) -> String {
        let start = try openText()
        var text: [UInt8] = []
        while let byte = peek() {
            if byte == UInt8(ascii: "'") {
                if closeText(byte, &text) { return String(decoding: text, as: UTF8.self) }
            } else {
                try readOverLines(byte, into: &text)
            }
        }
        throw TOMLError(.stringUnterminated, at: start)
    }

    // MARK: Bytes

    private mutating func readOneLine(_ byte: UInt8, into text: inout [UInt8], _ start: TOMLPosition) throws(TOMLError)
    {
        if byte == UInt8(ascii: "\n") || (byte == UInt8(ascii: "\r") && peek(1) == UInt8(ascii: "\n")) {
            // Where the string begins is where the quote was forgotten more often than not.
            throw TOMLError(.lineBreakInString, at: start)
        }
        guard !Self.isControl(byte) else { throw controlError(byte) }
        text.append(byte)
        advance()
    }

    private mutating func readOverLines(_ byte: UInt8, into text: inout [UInt8]) throws(TOMLError) {
        let isLineBreak =
            byte == UInt8(ascii: "\n") || (byte == UInt8(ascii: "\r") && peek(1) == UInt8(ascii: "\n"))
        guard isLineBreak || !Self.isControl(byte) else { throw controlError(byte) }
        text.append(byte)
        advance()
    }

    // MARK: Text over lines

    /// Three quotes, and a line break right behind them, which is not part of the text.
    private mutating func openText() throws(TOMLError) -> TOMLPosition {
        let start = position
        for _ in 0..<3 { advance() }
        _ = try skipLineBreak()
        return start
    }

    /// At a quote: up to two of them are text; three close, and may have up to two of the text before them.
    private mutating func closeText(_ quote: UInt8, _ text: inout [UInt8]) -> Bool {
        var count = 0
        while count < 5, skip(quote) { count += 1 }
        text.append(contentsOf: repeatElement(quote, count: count >= 3 ? count - 3 : count))
        return count >= 3
    }

    /// A backslash, blanks and a line break, and then every blank and line break until there is text.
    private mutating func skipFoldedLines() throws(TOMLError) -> Bool {
        // Blanks after a backslash are passed once only: if no line break follows them, it is an error.
        let next = peek(1)
        let blanks: [UInt8?] = [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r")]
        guard blanks.contains(next) else { return false }
        let backslash = position
        advance()
        skipBlanks()
        guard try skipLineBreak() else { throw TOMLError(.escapeUnknown, at: backslash) }
        repeat { skipBlanks() } while try skipLineBreak()
        return true
    }

    // MARK: Escapes

    private mutating func readEscape(into text: inout [UInt8]) throws(TOMLError) {
        let backslash = position
        advance()
        guard let byte = peek() else { throw TOMLError(.escapeUnknown, at: backslash) }
        switch byte {
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): text.append(byte)
        case UInt8(ascii: "u"): return try readScalar(digits: 4, backslash, into: &text)
        case UInt8(ascii: "U"): return try readScalar(digits: 8, backslash, into: &text)
        default: throw TOMLError(.escapeUnknown, at: backslash)
        }
        advance()
    }

    private mutating func readScalar(
        digits: Int, _ backslash: TOMLPosition, into text: inout [UInt8]
    ) throws(TOMLError) {
        advance()
        var code: UInt32 = 0
        for _ in 0..<digits {
            guard let byte = peek(), let digit = Self.digit(byte, base: 16) else {
                throw TOMLError(.escapeMalformed, at: backslash)
            }
            // Eight digits of four bits fit exactly.
            code = code << 4 | UInt32(digit)
            advance()
        }
        guard let scalar = Unicode.Scalar(code) else { throw TOMLError(.escapeNotScalar, at: backslash) }
        text.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }

    /// The value of a digit, or nil if it is none in this base (2, 8, 10 or 16).
    static func digit(_ byte: UInt8, base: Int) -> Int? {
        let value: Int
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): value = Int(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): value = Int(byte - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): value = Int(byte - UInt8(ascii: "A")) + 10
        default: return nil
        }
        return value < base ? value : nil
    }
}
