// SPDX-License-Identifier: Apache-2.0

/// One name of a key such as `a."b c".d`.
struct TOMLKeyPart {
    let name: String
    let bytes: [UInt8]
    let position: TOMLPosition
}

/// A reader of TOML 1.0.0 by recursive descent, one byte after the other and never back.
///
/// Here: where it stands, and the document as lines. Keys, strings, values, numbers and dates are beside it.
struct TOMLParser {
    let bytes: [UInt8]
    private(set) var index = 0
    private(set) var line = 1
    private(set) var column = 1

    var builder = TOMLBuilder()
    /// The key whose value is being read or was read last.
    var openValue: TOMLError.OpenValue?
    private var sections = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func parse() throws(TOMLError) -> TOMLTable {
        do {
            try checkEncoding()
            try readDocument()
        } catch {
            var error = error
            error.openValue = openValue
            throw error
        }
        return builder.finish()
    }

    // MARK: The document

    private func checkEncoding() throws(TOMLError) {
        guard bytes.count <= TOMLLimits.bytesMax else { throw TOMLError(.tooLarge, at: .start) }
        do {
            _ = try UTF8Span(validating: bytes.span)
        } catch {
            throw TOMLError(.notUTF8, at: position(of: error.byteOffsets.lowerBound))
        }
    }

    private mutating func readDocument() throws(TOMLError) {
        // A byte order mark at the very beginning is not text.
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { index = 3 }
        var table = TOMLBuilder.root
        var section = nextSection()
        while true {
            skipBlanks()
            guard let byte = peek() else { return }
            switch byte {
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "#"):
                break
            case UInt8(ascii: "["):
                table = try readHeader()
                section = nextSection()
            default:
                try readKeyValue(in: table, section: section)
            }
            try readLineEnd()
        }
    }

    /// `[a.b]` or `[[a.b]]`, to the table whose keys follow.
    private mutating func readHeader() throws(TOMLError) -> Int {
        advance()
        let isElement = skip(UInt8(ascii: "["))
        skipBlanks()
        let path = try readKey()
        guard skip(UInt8(ascii: "]")) else { throw error(.bracketExpected(isElement ? "]]" : "]")) }
        guard isElement else { return try builder.openTable(path) }
        // The two brackets may not have a blank between them.
        guard skip(UInt8(ascii: "]")) else { throw error(.bracketExpected("]]")) }
        return try builder.openElement(path)
    }

    /// `a.b = value`, in a table or an inline table.
    mutating func readKeyValue(in table: Int, section: TOMLBuilder.Section) throws(TOMLError) {
        let path = try readKey()
        let key = path[path.count - 1]
        guard skip(UInt8(ascii: "=")) else { throw error(.equalsExpected(afterKey: key.name)) }
        skipBlanks()
        let parent = try builder.openKey(path, in: table, section: section)
        openValue = TOMLError.OpenValue(key: key.name, position: position)
        let value = try readValue(depth: builder.depth(of: parent) + 1)
        try builder.setValue(value, of: key, in: parent)
    }

    mutating func nextSection() -> TOMLBuilder.Section {
        sections += 1
        return sections
    }

    // MARK: Lines

    /// Blanks, a comment if there is one, and a line break or the end of the document.
    private mutating func readLineEnd() throws(TOMLError) {
        skipBlanks()
        try skipComment()
        guard peek() != nil else { return }
        guard try skipLineBreak() else {
            if let byte = peek(), Self.isControl(byte) { throw error(.controlCharacter(byte)) }
            throw error(.lineEndExpected)
        }
    }

    /// Blanks, comments and line breaks: all that may stand between the elements of an array.
    mutating func skipBlankLines() throws(TOMLError) {
        repeat {
            skipBlanks()
            try skipComment()
        } while try skipLineBreak()
    }

    private mutating func skipComment() throws(TOMLError) {
        guard skip(UInt8(ascii: "#")) else { return }
        while let byte = peek(), byte != UInt8(ascii: "\n") {
            if byte == UInt8(ascii: "\r"), peek(1) == UInt8(ascii: "\n") { return }
            guard !Self.isControl(byte) else { throw controlError(byte) }
            advance()
        }
    }

    /// Whether there was a line feed, alone or after a carriage return, to skip.
    mutating func skipLineBreak() throws(TOMLError) -> Bool {
        if skip(UInt8(ascii: "\n")) { return true }
        guard peek() == UInt8(ascii: "\r") else { return false }
        guard peek(1) == UInt8(ascii: "\n") else { throw error(.carriageReturn) }
        advance()
        advance()
        return true
    }

    mutating func skipBlanks() {
        while let byte = peek(), byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") { advance() }
    }

    // MARK: Bytes

    /// The byte `ahead` of the next one, or nil past the end. `ahead` is small and not negative.
    func peek(_ ahead: Int = 0) -> UInt8? {
        ahead < bytes.count - index ? bytes[index + ahead] : nil
    }

    /// Passes one byte; there must be one.
    mutating func advance() {
        let byte = bytes[index]
        index += 1
        if byte == UInt8(ascii: "\n") {
            line += 1
            column = 1
        } else if byte & 0xC0 != 0x80 {
            column += 1
        }
    }

    /// Passes `byte` if it is next.
    mutating func skip(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        advance()
        return true
    }

    /// Everything below a space but the tab, and DEL.
    static func isControl(_ byte: UInt8) -> Bool {
        (byte < 0x20 && byte != UInt8(ascii: "\t")) || byte == 0x7F
    }

    // MARK: Places

    var position: TOMLPosition { TOMLPosition(line: line, column: column, offset: index) }

    func error(_ reason: TOMLError.Reason) -> TOMLError { TOMLError(reason, at: position) }

    func controlError(_ byte: UInt8) -> TOMLError {
        error(byte == UInt8(ascii: "\r") ? .carriageReturn : .controlCharacter(byte))
    }

    /// The place of a byte, counted from the beginning.
    private func position(of offset: Int) -> TOMLPosition {
        var line = 1
        var column = 1
        for byte in bytes[..<offset] {
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
        return TOMLPosition(line: line, column: column, offset: offset)
    }
}
