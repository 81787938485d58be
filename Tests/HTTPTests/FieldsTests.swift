// SPDX-License-Identifier: Apache-2.0

import Bytes
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

    @Test func `a label writes what its name would, and refuses what its name would`() {
        let label = FieldLabel("x-b: ")
        var byName: Fields = ["a": "1"]
        var byLabel = byName
        var parsed = byName
        parsed.append("connection", "close")
        for value in ["v", "", "a\tb", "a\nb", "a\u{7F}"] {
            #expect(byLabel.append(label, value) == byName.append("x-b", value))
            parsed.append(label, value)
        }
        byName.append("x-b", -7)
        byLabel.append(label, -7)
        #expect(byLabel.storage == byName.storage && byLabel.isWireForm)
        #expect(text(parsed) == "a: 1|connection: close|x-b: v|x-b: |x-b: a\tb")
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

    @Test func `are written as they stand, but for what the writer says itself`() {
        var fields: Fields = ["a": "1", "b": "2"]
        fields.append("c", -30)
        #expect(fields.isWireForm)
        #expect(String(decoding: fields.storage, as: UTF8.self) == "a: 1\r\nb: 2\r\nc: -30\r\n")
        var removed = fields
        removed.remove("b")
        var replaced = fields
        replaced.set("a", "4")
        var framing = fields
        framing.append("Content-Length", 7)
        var joined = fields
        joined.append(contentsOf: framing)
        for (changed, expected) in [
            (removed, "a: 1\r\nc: -30\r\n"), (replaced, "b: 2\r\nc: -30\r\na: 4\r\n"),
            (framing, "a: 1\r\nb: 2\r\nc: -30\r\n"),
            (joined, "a: 1\r\nb: 2\r\nc: -30\r\na: 1\r\nb: 2\r\nc: -30\r\n"),
        ] {
            #expect(!changed.isWireForm)
            let opening = MessageEncoder.opening(.get, target: "/", authority: "x")
            let head = MessageEncoder.head(opening, changed, bodyBytes: nil)
            #expect(String(decoding: head, as: UTF8.self) == "GET / HTTP/1.1\r\nhost: x\r\n\(expected)\r\n")
        }
    }

    @Test func `known names are found however the fields came to be`() throws {
        func places(_ fields: Fields) -> [Int] {
            [FieldName.host, .origin, .contentType].map { fields.count(of: $0) }
        }
        let head = try RequestHead(parsing: Array("GET / HTTP/1.1\r\nHost: a\r\nORIGIN: b\r\norigin: c\r\n\r\n".utf8))
        var fields = head.fields
        #expect(places(fields) == [1, 2, 0])
        #expect(fields[.origin] == "b")
        #expect(fields[.contentType] == nil)
        fields.append("Content-Type", "d")
        #expect(places(fields) == [1, 2, 1])
        fields.set("origin", "e")
        #expect(places(fields) == [1, 1, 1])
        fields.append(contentsOf: ["content-type": "f", "x": "y"])
        #expect(places(fields) == [1, 1, 2])
        fields.remove("host")
        #expect(places(fields) == [0, 1, 2])
        #expect(!fields.contains(.host) && fields.withValue(of: .host, { _ in true }) == nil)
        // In wire form there is no field that frames a message.
        let written: Fields = ["origin": "g", "content-type": "h"]
        #expect(written.isWireForm)
        #expect(places(written) == [0, 1, 1])
        let framing: Fields = ["host": "i", "origin": "j"]
        #expect(!framing.isWireForm)
        #expect(places(framing) == [1, 1, 0])
    }

    @Test(arguments: [
        (
            CharacterSet128.token,
            "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        ),
        (.path, "/:@!$&'()*+,;=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
        (.query, "?/:@!$&'()*+,;=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
        (.hostName, "-._0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
        (.ipLiteral, ":.0123456789ABCDEFabcdef"),
    ])
    func `the numbers of a set are its characters`(_ set: CharacterSet128, _ members: String) {
        for byte in UInt8.min...UInt8.max { #expect(set.contains(byte) == members.utf8.contains(byte)) }
    }

    @Test func `writes numbers of every length`() {
        let powers = sequence(first: 1) { $0 < Int.max / 10 ? $0 * 10 : nil }
        for number in powers.flatMap({ [$0 - 1, $0, $0 + 1, $0 / 9, $0 / 7 * 5, -$0] }) + [Int.min, Int.max] {
            DecimalDigits(number).withSpan { #expect(String(decoding: $0) == String(number)) }
        }
        DecimalDigits(magnitude: .max).withSpan { #expect(String(decoding: $0) == String(UInt.max)) }
    }

    @Test func `writes every number of four digits`() {
        for number in 0..<10_000 {
            DecimalDigits(number).withSpan { #expect(String(decoding: $0) == String(number)) }
            DecimalDigits(number * 10_000 + 9999 - number).withSpan {
                #expect(String(decoding: $0) == String(number * 10_000 + 9999 - number))
            }
        }
    }

    @Test func `knows every byte that may stand in a value`() {
        for byte in UInt8.min...UInt8.max {
            for place in 0..<40 {
                var value = [UInt8](repeating: UInt8(ascii: "v"), count: 40)
                value[place] = byte
                #expect(value.span.isFieldContent == byte.isFieldContent)
            }
        }
    }
}
