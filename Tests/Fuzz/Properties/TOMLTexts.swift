// SPDX-License-Identifier: Apache-2.0

import Bytes
import TOML

extension Property {
    /// A TOML document keeps its values when it is written again, and each value when it stands alone.
    package static let toml = Property("TOML") { (bytes) throws(Broken) -> Bool in
        let root: TOMLTable
        do throws(TOMLError) {
            root = try TOMLDocument(parsing: bytes).root
        } catch {
            try TOMLTexts.check(error.position, bytes)
            try demand(error.message.isOneLine, "a message of several lines")
            return false
        }
        var tally = 0
        try TOMLTexts.check(root, bytes, &tally)
        try demand(tally <= TOMLLimits.keysMax, "more keys than keysMax")
        // Behind a comment, on lines of its own, it says the same.
        let moved = try? TOMLDocument(parsing: Array("# é\n\n".utf8) + bytes + Array("\n# end".utf8))
        let hasMark = bytes.starts(with: [0xEF, 0xBB, 0xBF])
        try demand(hasMark || moved.map { TOMLTexts.isSame($0.root, root) } == true, "moved, it says something else")
        // Dotted names, headers and inline tables are three spellings of one tree.
        let text = root.members.map { "\(TOMLTexts.quoted($0.key)) = \(TOMLTexts.inline($0.value))\n" }.joined()
        switch Result(catching: { () throws(TOMLError) in try TOMLDocument(parsing: Array(text.utf8)) }) {
        case .success(let again): try demand(TOMLTexts.isSame(again.root, root), "written, it says something else")
        case .failure(let error):
            let isLarge = [.tooLarge, .tooManyKeys, .numberTooLong].contains(error.reason)
            try demand(isLarge, "written, it is refused: \(error.message)")
        }
        return true
    }
}

enum TOMLTexts {
    static func check(_ position: TOMLPosition, _ bytes: [UInt8]) throws(Broken) {
        try demand((0...bytes.count).contains(position.offset), "a place outside of the text")
        let before = bytes[..<position.offset]
        try demand(position.line == 1 + before.count { $0 == 0x0A }, "line \(position.line) is another")
        try demand(position.column >= 1 && position.column <= position.offset + 1, "a column outside of its line")
    }

    static func check(_ table: TOMLTable, _ bytes: [UInt8], _ tally: inout Int) throws(Broken) {
        for member in table.members {
            tally += 1
            try check(member.position, bytes)
            let range = member.value.range
            try demand(range.upperBound <= bytes.count, "a range outside of the text")
            if let inner = member.value.table { try check(inner, bytes, &tally) }
            guard !range.isEmpty, tally < 40 else { continue }
            let alone = try? TOMLDocument(parsing: Array("x = ".utf8) + bytes[range] + [0x0A])
            try demand(
                alone?.root["x"].map { isSame($0, member.value) } == true, "alone, \(member.key) is another value")
        }
    }

    static func isSame(_ first: TOMLTable, _ second: TOMLTable) -> Bool {
        first.members.count == second.members.count
            && zip(first.members, second.members).allSatisfy {
                $0.key.isSameBytes(as: $1.key) && isSame($0.value, $1.value)
            }
    }

    static func isSame(_ first: TOMLValue, _ second: TOMLValue) -> Bool {
        switch (first.content, second.content) {
        case (.string(let one), .string(let other)): one.isSameBytes(as: other)
        case (.integer(let one), .integer(let other)): one == other
        case (.float(let one), .float(let other)): one.isNaN && other.isNaN || one.bitPattern == other.bitPattern
        case (.boolean(let one), .boolean(let other)): one == other
        case (.dateTime(let one), .dateTime(let other)): one == other
        case (.array(let one), .array(let other)):
            one.count == other.count && zip(one, other).allSatisfy { isSame($0, $1) }
        case (.table(let one), .table(let other)): isSame(one, other)
        default: false
        }
    }

    static func inline(_ value: TOMLValue) -> String {
        switch value.content {
        case .string(let text): quoted(text)
        case .integer(let number): String(number)
        case .float(let number): float(number)
        case .boolean(let isTrue): String(isTrue)
        case .dateTime(let time): time.text
        case .array(let elements): "[" + elements.map(inline).joined(separator: ", ") + "]"
        case .table(let table):
            "{" + table.members.map { "\(quoted($0.key)) = \(inline($0.value))" }.joined(separator: ", ") + "}"
        }
    }

    private static func float(_ number: Double) -> String {
        if number.isNaN { return "nan" }
        if number.isInfinite { return number < 0 ? "-inf" : "inf" }
        return number.description
    }

    static func quoted(_ text: String) -> String {
        var output = "\""
        for scalar in text.unicodeScalars {
            let isPlain = scalar.value >= 0x20 && scalar != "\"" && scalar != "\\" && scalar.value != 0x7F
            let digits = String(scalar.value, radix: 16)
            if isPlain {
                output.unicodeScalars.append(scalar)
            } else {
                output += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
        }
        return output + "\""
    }
}
