// SPDX-License-Identifier: Apache-2.0

import JSON
import Testing

@Suite struct `Patterns` {
    static let table: [(pattern: String, matching: [String], other: [String])] = [
        ("", ["", "x"], []),
        ("abc", ["abc", "xabcx"], ["ab", "aXbc"]),
        ("^abc$", ["abc"], ["abcd", "xabc", "abc\n"]),
        ("a|b|", ["a", "b", ""], []),
        ("^(?:a|bc)$", ["a", "bc"], ["b", "c", "abc"]),
        ("^(a|b)*c$", ["c", "ababc"], ["abx", "ab"]),
        ("^a+$", ["a", "aaa"], ["", "b"]),
        ("^a?b$", ["b", "ab"], ["aab"]),
        ("^a{3}$", ["aaa"], ["aa", "aaaa"]),
        ("^a{2,}$", ["aa", "aaaaa"], ["a"]),
        ("^a{2,3}$", ["aa", "aaa"], ["a", "aaaa"]),
        ("^a{0}$", [""], ["a"]),
        ("^a*?b+?$", ["b", "aabb"], ["a"]),
        ("^(ab){2}$", ["abab"], ["ab", "ababab"]),
        ("^[abc]$", ["a", "c"], ["d", "ab", ""]),
        ("^[a-cx-z]+$", ["abcxyz"], ["d"]),
        ("^[^a-c]$", ["d", "é", "😀"], ["a", ""]),
        ("^[-a]$", ["-", "a"], ["b"]),
        ("^[a-]$", ["-", "a"], ["b"]),
        ("^[a\\-c]$", ["-", "a", "c"], ["b"]),
        ("^[\\]]$", ["]"], ["["]),
        ("^[\\w.-]+$", ["a_1.-"], [" ", "é"]),
        ("^[\\d-x]+$", ["1-x"], ["a"]),
        ("^[a-\\d]+$", ["a-1"], ["b"]),
        ("^[^\\s\\d]+$", ["abc"], ["a1", "a b"]),
        ("^[\\D]$", ["a"], ["1"]),
        ("^[\\S\\s]$", ["a", "\n"], [""]),
        ("^[]$", [], ["", "]"]),
        ("^[^]$", ["a", "\n"], [""]),
        ("^.$", ["a", "😀", "\u{85}"], ["\n", "\r", "\u{2028}", "ab", "e\u{301}"]),
        ("^\\d+$", ["0123456789"], ["１", "a"]),
        ("^\\D+$", ["ab"], ["1"]),
        ("^\\w+$", ["aZ_9"], ["-", "é"]),
        ("^\\W$", ["-", "é"], ["a", "_"]),
        ("^\\s$", [" ", "\t", "\n", "\u{A0}", "\u{FEFF}", "\u{2003}"], ["x", "\u{200B}"]),
        ("^\\S$", ["x"], [" "]),
        ("\\bfoo\\b", ["foo", "a foo b", "-foo-"], ["food", "_foo"]),
        ("o\\Bo", ["foo"], ["o o"]),
        ("^\\B$", [""], ["a"]),
        ("^[\\b]$", ["\u{8}"], ["b"]),
        ("^\\t\\n\\r\\f\\v\\0$", ["\t\n\r\u{C}\u{B}\u{0}"], ["tnrfv0"]),
        ("^\\x41\\u0042\\u{43}\\u{1F600}$", ["ABC😀"], ["ABC"]),
        ("^\\ud83d\\ude00$", ["😀"], ["😁"]),
        ("^\\cA$", ["\u{1}"], ["A"]),
        ("^\\.\\*\\+\\?\\(\\)\\[\\]\\{\\}\\|\\^\\$\\\\\\/$", [".*+?()[]{}|^$\\/"], [""]),
        ("^\\-\\_\\@\\\"\\ $", ["-_@\" "], [""]),
        ("^{x}$", ["{x}"], ["x"]),
        ("^x{,3}$", ["x{,3}"], ["xx"]),
        ("^x{a}]$", ["x{a}]"], ["x"]),
        ("^(?<year>\\d{4})$", ["2025"], ["25"]),
        ("^\\p{Lu}\\p{L}*$", ["Éa", "Ab"], ["a", "1"]),
        ("^\\P{L}$", ["1"], ["a"]),
        ("^[\\p{N}_]+$", ["1_²"], ["a"]),
        ("^[\\P{L}]+$", ["1 2"], ["1a"]),
        ("^[^\\p{L}]$", ["1"], ["é"]),
        ("^\\p{General_Category=Nd}\\p{gc=Nd}\\p{Letter}$", ["1١a"], ["aaa"]),
        ("(a*)*b", ["b", "aaab"], ["aaaa"]),
        ("^((a?){3}){2}$", ["", "aaaaaa"], ["aaaaaaa"]),
        ("^(|a)+$", ["", "aaa"], ["b"]),
        ("a^", [], ["a"]),
        ("$a", [], ["a"]),
        ("^^a$$", ["a"], ["b"]),
        ("a\\b|x", ["a", "ba", "x"], ["ab"]),
        ("^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\\.[a-zA-Z]{2,}$", ["user@example.com"], ["user@", "user@x.c"]),
        ("^#([0-9a-fA-F]{3}){1,2}$", ["#fff", "#A0b1C2"], ["#ff", "#fffff"]),
        ("^\\d{4}-(0[1-9]|1[0-2])-([0-2]\\d|3[01])$", ["2025-12-31"], ["2025-13-01"]),
        ("^[가-힣]+$", ["한글"], ["hangul"]),
    ]

    @Test func `match what the table says`() throws {
        for row in Self.table {
            let pattern = try Pattern(row.pattern)
            for text in row.matching { #expect(pattern.matches(text), "\(row.pattern) and \(text.debugDescription)") }
            for text in row.other { #expect(!pattern.matches(text), "\(row.pattern) and \(text.debugDescription)") }
        }
    }

    @Test(
        arguments: [
            ("(", .unbalancedParenthesis), ("(a", .unbalancedParenthesis), (")", .unbalancedParenthesis),
            ("a)", .unbalancedParenthesis),
            ("*", .nothingToRepeat), ("a|+", .nothingToRepeat), ("a**", .nothingToRepeat),
            ("a{2}{3}", .nothingToRepeat),
            ("^*", .nothingToRepeat), ("\\b+", .nothingToRepeat), ("{2}", .nothingToRepeat),
            ("(?:*)", .nothingToRepeat),
            ("a{3,2}", .malformedQuantifier), ("a{1001}", .tooLarge), ("a{0,99999999999999999999}", .tooLarge),
            ("(a{1000}){1000}", .tooLarge), ("((){1000}){1000}", .tooLarge), ("[", .malformedClass),
            ("[a", .malformedClass),
            ("[b-a]", .malformedClass), ("\\", .unexpectedEnd), ("\\q", .malformedEscape), ("\\x4", .malformedEscape),
            ("\\u12", .malformedEscape), ("\\u{}", .malformedEscape), ("\\u{110000}", .malformedEscape),
            ("\\c1", .malformedEscape),
            ("\\01", .malformedEscape), ("[\\q]", .malformedEscape), ("(a)\\1", .backReference),
            ("\\k<a>", .backReference),
            ("(?=a)", .lookaround), ("(?!a)", .lookaround), ("(?<=a)", .lookaround), ("(?<!a)", .lookaround),
            ("(?i)a", .unknownGroup), ("(?P<a>b)", .unknownGroup), ("(?<a-b>c)", .unknownGroup),
            ("(?<a", .unexpectedEnd),
            ("\\p{Greek}", .unknownProperty), ("\\p", .unknownProperty), ("\\p{L", .unknownProperty),
            (String(repeating: "(", count: 51) + String(repeating: ")", count: 51), .tooDeep),
            (String(repeating: "a", count: 4_001), .tooLong),
        ] as [(String, PatternError.Reason)])
    func `refuse what they do not know`(text: String, reason: PatternError.Reason) {
        do throws(PatternError) {
            _ = try Pattern(text)
            Issue.record("accepted \(text)")
        } catch {
            #expect(error.reason == reason)
            #expect(!error.message.isEmpty)
        }
    }

    /// Expressions that take a backtracking matcher ages.
    @Test(arguments: ["(a+)+$", "(a|aa)+$", "(.*a){20}$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x+x+)+y"])
    func `take linear time`(text: String) throws {
        let pattern = try Pattern(text)
        let subject = String(repeating: "a", count: 5_000) + "!"
        var steps = 5_100 * pattern.instructionCount
        #expect(pattern.matches(subject, steps: &steps) == false)
        #expect(steps > 0)
        var few = 1_000
        #expect(pattern.matches(subject, steps: &few) == nil)
    }
}
