// SPDX-License-Identifier: Apache-2.0

import Support
import TOML
import Testing

struct TOMLTests {
    private func parse(_ text: String) throws(TOMLError) -> TOMLTable {
        try TOMLDocument(parsing: Array(text.utf8)).root
    }

    @Test func `keeps the order of keys`() throws {
        let root = try parse("b = 1\na.y = 2\nc = 3\na.x = 4\n")
        #expect(root.members.map(\.key) == ["b", "a", "c"])
        #expect(root["a"]?.table?.members.map(\.key) == ["y", "x"])
    }

    @Test func `keys that only normalisation makes equal are two keys`() throws {
        let root = try parse("\"\u{e9}\" = 1\n\"e\u{301}\" = 2\n")
        #expect(root.members.count == 2)
        #expect(root["e\u{301}"]?.integer == 2)
    }

    @Test func `every key and value knows its place, in scalars and in bytes`() throws {
        let root = try parse("\u{FEFF}'ä' = \"ö\" # x\r\n\n[tab]\n\t'ké' = [ 1,\n  2 ]\n")
        let first = try #require(root.members.first)
        #expect(first.position == TOMLPosition(line: 1, column: 1, offset: 3))
        #expect(first.value.position == TOMLPosition(line: 1, column: 7, offset: 10))
        #expect(first.value.range == 10..<14)
        let table = try #require(root.members.last)
        #expect(table.position.line == 3 && table.position.column == 2)
        let key = try #require(table.value.table?.members.first)
        #expect(key.position.line == 4 && key.position.column == 2)
        let elements = try #require(key.value.array)
        #expect(elements.map(\.position.line) == [4, 5])
        #expect(elements.map(\.position.column) == [11, 3])
    }

    static let refused: [(text: String, line: Int, column: Int, message: String)] = [
        ("a = 1\na = 2\n", 2, 1, "\"a\" is already set on line 1"),
        ("[a]\n\n[a]\n", 3, 2, "table \"a\" is already defined on line 1"),
        ("a = 1\n[a.b]\n", 2, 2, "\"a\" on line 1 is not a table"),
        ("a = {}\na.b = 1\n", 2, 1, "table \"a\" is defined on line 1 and cannot be added to here"),
        ("[a.b]\n[a]\nb.c = 1\n", 3, 1, "table \"b\" is defined on line 1 and cannot be added to here"),
        ("a = 1\n[[a]]\n", 2, 3, "\"a\" on line 1 is not an array of tables"),
        ("a 1", 1, 3, "expected \"=\" after the key \"a\""),
        ("a = 1 2", 1, 7, "expected the end of the line"),
        ("a =\n", 1, 4, "expected a value"),
        ("'ü' = 'x\n", 1, 7, "the string is not closed on its line"),
        ("\n\na = \"\"\"x\n\n", 3, 5, "the string that begins here has no end"),
        ("a = \"\\q\"", 1, 6, "unknown escape; a backslash is written \"\\\\\""),
        ("a = \"\\ud800\"", 1, 6, "the escape is not a Unicode scalar value"),
        ("a = \"\\u12g4\"", 1, 6, "expected 4 hexadecimal digits after \"\\u\" or 8 after \"\\U\""),
        ("a = yes", 1, 5, "a boolean is written true or false"),
        ("a = True", 1, 5, "a boolean is written true or false"),
        ("a = word", 1, 5, "not a value; text is written in quotes"),
        ("a = 9223372036854775808", 1, 5, "the integer does not fit in 64 bits"),
        ("a = 0x8000000000000000", 1, 5, "the integer does not fit in 64 bits"),
        ("a = 1e999", 1, 5, "the number is too large"),
        ("a = 007", 1, 5, "a number may not begin with 0"),
        ("a = 1__0", 1, 5, "an underscore must stand between two digits"),
        ("a = 1.", 1, 5, "malformed number"),
        ("a = 30s", 1, 5, "malformed number"),
        ("a = 2023-02-29", 1, 5, "no such date or time"),
        ("a = 2023-02-2", 1, 5, "malformed date or time"),
        ("a = [1 2]", 1, 8, "expected \",\" or \"]\""),
        ("a = { b = 1, }", 1, 14, "a comma may not stand before the \"}\" of an inline table"),
        ("a = { b = 1,\n c = 2 }", 1, 13, "an inline table must be on one line"),
        ("a = 1 \u{1} ", 1, 7, "control character U+0001 is not allowed here"),
        ("# \u{7f}", 1, 3, "control character U+007F is not allowed here"),
        ("a = 1\rb = 2", 1, 6, "a carriage return must be followed by a line feed"),
        ("[a", 1, 3, "expected \"]\""),
        ("[[a]", 1, 5, "expected \"]]\""),
        ("= 1", 1, 1, "expected a key"),
        ("\"\"\"a\"\"\" = 1", 1, 1, "a key must be on one line"),
    ]

    @Test(arguments: refused)
    func `says what is wrong and where`(text: String, line: Int, column: Int, message: String) throws {
        let error = try #require(throws: TOMLError.self) { try parse(text) }
        #expect(error.message == message)
        #expect(error.position.line == line, "\(error)")
        #expect(error.position.column == column, "\(error)")
    }

    @Test func `says where bytes stop being UTF-8`() throws {
        let error = try #require(throws: TOMLError.self) {
            try TOMLDocument(parsing: Array("a = 1\n# é".utf8) + [0xC3, 0x28])
        }
        #expect(error.reason == .notUTF8)
        #expect(error.position == TOMLPosition(line: 2, column: 4, offset: 10))
    }

    @Test func `an error inside a value names its key`() throws {
        let error = try #require(throws: TOMLError.self) { try parse("[a]\nb = { key = \"\"\"sk\n") }
        #expect(error.openValue?.key == "key")
        #expect(error.openValue?.position == TOMLPosition(line: 2, column: 13, offset: 16))
    }

    static let integers: [(String, Int)] = [
        ("-9223372036854775808", .min), ("+9_223_372_036_854_775_807", .max), ("0x7fff_ffff_ffff_ffff", .max),
        ("0o17", 15), ("0b1_0", 2), ("-0", 0), ("0xDEADbeef", 0xDEAD_BEEF),
    ]

    @Test(arguments: integers)
    func `reads integers to their last bit`(text: String, value: Int) throws {
        #expect(try parse("a = \(text)")["a"]?.integer == value)
    }

    // MARK: Limits

    @Test func `a document has a largest size`() throws {
        let fits = Array("#".utf8) + [UInt8](repeating: UInt8(ascii: "x"), count: TOMLLimits.bytesMax - 1)
        _ = try TOMLDocument(parsing: fits)
        let error = try #require(throws: TOMLError.self) { try TOMLDocument(parsing: fits + fits.prefix(1)) }
        #expect(error.reason == .tooLarge)
    }

    static let nests: [(String, String, String)] = [
        ("[", "]", "a = "), ("{b=", "}", "a = "), ("a.", "b = 1", ""), ("a.", "a]", "["), ("a.", "a]]", "[["),
        ("[{b=", "}]", "a = "),
    ]

    @Test(arguments: nests)
    func `nesting has an end`(open: String, close: String, before: String) throws {
        for count in [TOMLLimits.depthMax + 1, 100_000] {
            let text = before + String(repeating: open, count: count) + close
            let error = try #require(throws: TOMLError.self) { try parse(text) }
            #expect(error.reason == .tooDeep)
        }
    }

    @Test func `nesting to the limit works`() throws {
        let depth = TOMLLimits.depthMax
        let arrays = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        #expect(try parse("a = \(arrays)")["a"]?.array?.count == 1)
        #expect(try parse("[" + String(repeating: "a.", count: depth - 1) + "b]\n")["a"] != nil)
    }

    @Test(arguments: ["k%=1\n", "[k%]\n", "[[k]]\n#%\n", "k%.a=1\n"])
    func `keys are counted`(pattern: String) throws {
        var text = ""
        for number in 0...TOMLLimits.keysMax {
            for character in pattern { if character == "%" { text += String(number) } else { text.append(character) } }
        }
        let error = try #require(throws: TOMLError.self) { try parse(text) }
        #expect(error.reason == .tooManyKeys)
    }

    /// Once: a position counted from the beginning of the line, for each element, was a minute for one megabyte.
    @Test func `work is linear in the size of the document`() throws {
        let count = TOMLLimits.bytesMax / 4
        let time = try ProcessorTime.measure {
            #expect(try parse("a = [" + String(repeating: "1,", count: count) + "]")["a"]?.array?.count == count)
            _ = try parse("a = '''" + String(repeating: "''x\n", count: count / 2 - 8) + "'''")
            _ = try parse(String(repeating: "[[a]]\n", count: TOMLLimits.keysMax))
        }
        #expect(time < .seconds(10))
    }

    @Test func `a number has a largest length`() throws {
        let digits = String(repeating: "1", count: TOMLLimits.numberBytesMax + 1)
        let error = try #require(throws: TOMLError.self) { try parse("a = \(digits)") }
        #expect(error.reason == .numberTooLong)
    }
}
