// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

struct NearestTests {
    static let names = ["burst", "rate", "requests_per_hour", "listen", "tls", "key"]

    static let cases: [(String, String?)] = [
        ("burts", "burst"), ("brust", "burst"), ("Rate", "rate"), ("rates", "rate"),
        ("request_per_hour", "requests_per_hour"),
        ("listn", "listen"), ("kye", "key"), ("ssl", nil), ("x", nil), ("", nil), ("retention", nil),
        (String(repeating: "burst", count: 100), nil), ("burst", nil),
    ]

    @Test(arguments: cases)
    func `finds what was meant, and nothing far away`(word: String, expected: String?) {
        #expect(nearest(to: word, among: Self.names) == expected)
    }

    @Test func `text for people has nothing a terminal obeys`() {
        #expect("a\u{1b}[31m\n\u{202e}é".printable() == "a\u{FFFD}[31m\u{FFFD}\u{FFFD}é")
        #expect("abcdef".printable(max: 3) == "abc…")
        #expect("abc".printable(max: 3) == "abc")
    }
}
