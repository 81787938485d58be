// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HTTP

@Suite struct FieldsTests {
    private func text(_ fields: Fields) -> String {
        fields.map { "\($0.name): \($0.value)" }.joined(separator: "|")
    }

    @Test func `keeps order and case, and compares without case`() {
        var fields: Fields = ["Content-Type": "text/plain", "x-b": "1"]
        fields.append("X-B", 2)
        #expect(text(fields) == "Content-Type: text/plain|x-b: 1|X-B: 2")
        #expect(fields["content-type"] == "text/plain")
        #expect(fields.all("x-B") == ["1", "2"])
        #expect(fields.count(of: "X-b") == 2)
        #expect(fields.contains("x-b"))
        #expect(!fields.contains("x-c"))
    }

    @Test func `sets and removes`() {
        var fields: Fields = ["a": "1", "b": "2", "A": "3"]
        fields.set("a", "4")
        #expect(text(fields) == "b: 2|a: 4")
        fields.set("c", "5")
        fields.remove("B")
        #expect(text(fields) == "a: 4|c: 5")
        fields.append(contentsOf: ["d": "6", "a": "7"])
        #expect(text(fields) == "a: 4|c: 5|d: 6|a: 7")
        #expect(fields["d"] == "6")
    }

    @Test(arguments: [
        ("a", "b\r\nc: d"), ("a", "b\n"), ("a", "b\rc"), ("a", "\0"), ("a", "\u{7F}"), ("a", "\u{1B}[0m"), ("", "b"),
        ("a b", "c"), ("a:", "b"), ("a\r\n", "b"), ("é", "b"),
    ])
    func `refuses what could start a second field`(_ name: String, _ value: String) {
        var fields: Fields = ["x": "y"]
        let isAdded = fields.append(name, value)
        let isSet = fields.set(name, value)
        #expect(!isAdded && !isSet)
        #expect(text(fields) == "x: y")
    }

    @Test func `a refused set leaves the old value`() {
        var fields: Fields = ["x": "y"]
        let isSet = fields.set("x", "\n")
        #expect(!isSet)
        #expect(fields["x"] == "y")
    }

    @Test func `finds tokens in lists`() {
        let fields: Fields = ["connection": "keep-alive , Close", "connection": ",x"]
        #expect(fields.contains(token: "close", in: "Connection"))
        #expect(fields.contains(token: "X", in: "connection"))
        #expect(!fields.contains(token: "keep", in: "connection"))
        #expect(!fields.contains(token: "", in: "connection"))
    }
}
