// SPDX-License-Identifier: Apache-2.0

extension TOMLParser {
    /// Any value, which is `depth` deep in tables and arrays.
    mutating func readValue(depth: Int) throws(TOMLError) -> TOMLValue {
        guard depth <= TOMLLimits.depthMax else { throw error(.tooDeep) }
        let start = position
        let content = try readContent(depth: depth)
        return TOMLValue(content: content, position: start, range: start.offset..<index)
    }

    private mutating func readContent(depth: Int) throws(TOMLError) -> TOMLValue.Content {
        switch peek() {
        case UInt8(ascii: "\"")?:
            .string(isTextAhead(UInt8(ascii: "\"")) ? try readBasicText() : try readBasicString())
        case UInt8(ascii: "'")?:
            .string(isTextAhead(UInt8(ascii: "'")) ? try readLiteralText() : try readLiteralString())
        case UInt8(ascii: "[")?: .array(try readArray(depth: depth))
        case UInt8(ascii: "{")?: .table(try readInlineTable(depth: depth))
        default: try readWord()
        }
    }

    private func isTextAhead(_ quote: UInt8) -> Bool { peek(1) == quote && peek(2) == quote }

    /// `[1, 2]`, over lines, with comments and with a comma behind the last element if one likes.
    private mutating func readArray(depth: Int) throws(TOMLError) -> [TOMLValue] {
        advance()
        var elements: [TOMLValue] = []
        while true {
            try skipBlankLines()
            if skip(UInt8(ascii: "]")) { return elements }
            elements.append(try readValue(depth: depth + 1))
            try skipBlankLines()
            if skip(UInt8(ascii: "]")) { return elements }
            guard skip(UInt8(ascii: ",")) else { throw error(.commaOrBracketExpected("]")) }
        }
    }

    /// `{ a = 1, b.c = 2 }` on one line, without a comma behind the last member.
    private mutating func readInlineTable(depth: Int) throws(TOMLError) -> TOMLTable {
        let table = builder.openInline(at: position, depth: depth)
        let section = nextSection()
        let outer = openValue
        advance()
        skipBlanks()
        if !skip(UInt8(ascii: "}")) {
            repeat {
                skipBlanks()
                try refuseBreakInInlineTable()
                if peek() == UInt8(ascii: "}") { throw error(.trailingComma) }
                try readKeyValue(in: table, section: section)
                skipBlanks()
            } while skip(UInt8(ascii: ","))
            try refuseBreakInInlineTable()
            guard skip(UInt8(ascii: "}")) else { throw error(.commaOrBracketExpected("}")) }
        }
        openValue = outer
        return builder.closeInline(table)
    }

    private func refuseBreakInInlineTable() throws(TOMLError) {
        guard let byte = peek() else { throw error(.commaOrBracketExpected("}")) }
        if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "#") {
            throw error(.lineBreakInInlineTable)
        }
    }

    // MARK: Words

    /// What has no quotes or brackets: a boolean, a number, a date or a time.
    private mutating func readWord() throws(TOMLError) -> TOMLValue.Content {
        let start = position
        skipWord()
        // One blank may stand for the T of a date-time; nothing else that begins like a date goes on after a blank.
        if index - start.offset == 10, peek() == UInt8(ascii: " "), let byte = peek(1),
            Self.digit(byte, base: 10) != nil,
            bytes[start.offset + 4] == UInt8(ascii: "-")
        {
            advance()
            skipWord()
        }
        let word = bytes[start.offset..<index]
        guard let first = word.first else {
            if let byte = peek(), Self.isControl(byte) { throw controlErrorUnlessLineEnd(byte) }
            throw error(.valueExpected)
        }
        guard word.count <= TOMLLimits.numberBytesMax else { throw TOMLError(.numberTooLong, at: start) }
        do {
            return try TOMLWord(Array(word), first).read()
        } catch {
            throw TOMLError(error, at: start)
        }
    }

    private func controlErrorUnlessLineEnd(_ byte: UInt8) -> TOMLError {
        let isLineEnd = byte == UInt8(ascii: "\n") || (byte == UInt8(ascii: "\r") && peek(1) == UInt8(ascii: "\n"))
        return isLineEnd ? error(.valueExpected) : controlError(byte)
    }

    /// To the next byte that cannot be in a word.
    private mutating func skipWord() {
        while let byte = peek() {
            switch byte {
            case 0...0x20, 0x7F, UInt8(ascii: "#"), UInt8(ascii: ","), UInt8(ascii: "="), UInt8(ascii: "\""),
                UInt8(ascii: "'"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "{"), UInt8(ascii: "}"):
                return
            default: advance()
            }
        }
    }
}
