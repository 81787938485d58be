// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Why a text is not a TOML 1.0.0 document, and where.
package struct TOMLError: Error, Equatable, Sendable {
    package enum Reason: Error, Equatable, Sendable {
        case tooLarge
        case tooDeep
        case tooManyKeys
        case numberTooLong
        case notUTF8
        case controlCharacter(UInt8)
        case carriageReturn

        case keyExpected
        case equalsExpected(afterKey: String)
        case valueExpected
        case lineEndExpected
        case bracketExpected(String)
        case commaOrBracketExpected(String)
        case trailingComma
        case lineBreakInInlineTable
        case keyOverLines

        case stringUnterminated
        case lineBreakInString
        case escapeUnknown
        case escapeMalformed
        case escapeNotScalar

        case wordUnknown
        case booleanMisspelled
        case numberMalformed
        case numberLeadingZero
        case numberUnderscore
        case integerOverflow
        case floatOverflow
        case dateTimeMalformed
        case dateTimeOutOfRange

        case duplicateKey(String, firstLine: Int)
        case duplicateTable(String, firstLine: Int)
        case notTable(String, firstLine: Int)
        case notArrayOfTables(String, firstLine: Int)
        case tableClosed(String, firstLine: Int)
    }

    /// The key whose value was being read, so that whoever shows the line can hide a secret in it.
    package struct OpenValue: Equatable, Sendable {
        package let key: String
        package let position: TOMLPosition
    }

    package let reason: Reason
    package let position: TOMLPosition
    package var openValue: OpenValue?

    init(_ reason: Reason, at position: TOMLPosition) {
        self.reason = reason
        self.position = position
    }

    /// One plain sentence without position, capital or full stop. It repeats names of keys, never a value.
    package var message: String { message { $0.printable() } }

    /// The sentence with names of keys as `shown` writes them: where the text is damaged, a value may be taken for one.
    package func message(naming shown: (String) -> String) -> String {
        switch reason {
        case .tooLarge: "the file is larger than \(TOMLLimits.bytesMax / 1024) KiB"
        case .tooDeep: "nested more than \(TOMLLimits.depthMax) deep"
        case .tooManyKeys: "more than \(TOMLLimits.keysMax) keys"
        case .numberTooLong: "a number or date longer than \(TOMLLimits.numberBytesMax) bytes"
        case .notUTF8: "not UTF-8"
        case .controlCharacter(let byte): "control character U+\(Self.hex(byte)) is not allowed here"
        case .carriageReturn: "a carriage return must be followed by a line feed"
        case .keyExpected: "expected a key"
        case .equalsExpected(let key): "expected \"=\" after the key \"\(shown(key))\""
        case .valueExpected: "expected a value"
        case .lineEndExpected: "expected the end of the line"
        case .bracketExpected(let bracket): "expected \"\(bracket)\""
        case .commaOrBracketExpected(let bracket): "expected \",\" or \"\(bracket)\""
        case .trailingComma: "a comma may not stand before the \"}\" of an inline table"
        case .lineBreakInInlineTable: "an inline table must be on one line"
        case .keyOverLines: "a key must be on one line"
        case .stringUnterminated: "the string that begins here has no end"
        case .lineBreakInString: "the string is not closed on its line"
        case .escapeUnknown: "unknown escape; a backslash is written \"\\\\\""
        case .escapeMalformed: "expected 4 hexadecimal digits after \"\\u\" or 8 after \"\\U\""
        case .escapeNotScalar: "the escape is not a Unicode scalar value"
        case .wordUnknown: "not a value; text is written in quotes"
        case .booleanMisspelled: "a boolean is written true or false"
        case .numberMalformed: "malformed number"
        case .numberLeadingZero: "a number may not begin with 0"
        case .numberUnderscore: "an underscore must stand between two digits"
        case .integerOverflow: "the integer does not fit in 64 bits"
        case .floatOverflow: "the number is too large"
        case .dateTimeMalformed: "malformed date or time"
        case .dateTimeOutOfRange: "no such date or time"
        case .duplicateKey(let name, let line): "\"\(shown(name))\" is already set on line \(line)"
        case .duplicateTable(let name, let line): "table \"\(shown(name))\" is already defined on line \(line)"
        case .notTable(let name, let line): "\"\(shown(name))\" on line \(line) is not a table"
        case .notArrayOfTables(let name, let line): "\"\(shown(name))\" on line \(line) is not an array of tables"
        case .tableClosed(let name, let line):
            "table \"\(shown(name))\" is defined on line \(line) and cannot be added to here"
        }
    }

    private static func hex(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return String(repeating: "0", count: 4 - digits.utf8.count) + digits
    }
}

extension TOMLError: CustomStringConvertible {
    /// `line:column: message`
    package var description: String { "\(position.line):\(position.column): \(message)" }
}
