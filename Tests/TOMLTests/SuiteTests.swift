// SPDX-License-Identifier: Apache-2.0

import Support
import TOML
import Testing

/// https://github.com/toml-lang/toml-test, the files of its list for TOML 1.0.0.
@Suite(.enabled(if: Suites.isPresent, Comment(rawValue: Suites.absence)))
struct SuiteTests {
    static let folder = Suites.path("toml/tests")

    /// The documents of the list below one folder.
    private func documents(_ kind: String) throws -> [String] {
        try TestFile.lines("\(Self.folder)/files-toml-1.0.0")
            .filter { $0.hasPrefix("\(kind)/") && $0.hasSuffix(".toml") }
    }

    @Test func `the suite is the one that was meant`() throws {
        #expect(try documents("valid").count == 210)
        #expect(try documents("invalid").count == 499)
    }

    @Test func `reads every valid document, value by value`() throws {
        for name in try documents("valid") {
            let expected = try TaggedJSON.read(TestFile.bytes("\(Self.folder)/\(name.dropLast(5)).json"))
            let bytes = try TestFile.bytes("\(Self.folder)/\(name)")
            do {
                let root = try TOMLDocument(parsing: bytes).root
                #expect(agree(.table(root), expected), "\(name)")
            } catch {
                Issue.record("\(name) is refused: \(error)")
            }
        }
    }

    @Test func `refuses every invalid document`() throws {
        for name in try documents("invalid") {
            let bytes = try TestFile.bytes("\(Self.folder)/\(name)")
            let error = #expect(throws: TOMLError.self, "\(name)") { try TOMLDocument(parsing: bytes) }
            guard let error else { continue }
            #expect(error.position.offset <= bytes.count, "\(name)")
            #expect(error.position.line >= 1 && error.position.column >= 1, "\(name)")
            #expect(!error.message.isEmpty)
        }
    }

    private func agree(_ value: TOMLValue.Content, _ expected: Expected) -> Bool {
        switch (value, expected) {
        case (.table(let table), .table(let members)):
            table.members.count == members.count
                && table.members.allSatisfy { member in
                    members[Array(member.key.utf8)].map { agree(member.value.content, $0) } ?? false
                }
        case (.array(let elements), .array(let others)):
            elements.count == others.count && zip(elements, others).allSatisfy { agree($0.content, $1) }
        case (.string(let text), .scalar("string", let other)):
            Array(text.utf8) == Array(other.utf8)
        case (.integer(let number), .scalar("integer", let other)):
            String(number) == other
        case (.boolean(let flag), .scalar("bool", let other)):
            String(flag) == other
        case (.float(let number), .scalar("float", let other)):
            number.isNaN ? other == "nan" : Double(other).map { $0 == number && $0.sign == number.sign } ?? false
        case (.dateTime(let dateTime), .scalar(let type, let other)):
            type == name(dateTime.kind) && withoutTrailingZeros(dateTime.text) == withoutTrailingZeros(other)
        default: false
        }
    }

    private func name(_ kind: TOMLDateTime.Kind) -> String {
        switch kind {
        case .offsetDateTime: "datetime"
        case .localDateTime: "datetime-local"
        case .localDate: "date-local"
        case .localTime: "time-local"
        }
    }

    /// The suite writes milliseconds with three digits; we keep what stood there.
    private func withoutTrailingZeros(_ text: String) -> String {
        guard let dot = text.firstIndex(of: ".") else { return text }
        let digits = text[text.index(after: dot)...].prefix { $0.isNumber }
        let kept = String(digits.reversed().drop { $0 == "0" }.reversed())
        return text[..<dot] + (kept.isEmpty ? "" : ".\(kept)") + text[digits.endIndex...]
    }
}
