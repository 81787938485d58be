// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import JSON

/// A view says what the nodes of the same document say.
@Suite struct ViewTests {
    private static let texts = [
        #"{"a":1,"b":"x","c":[1,{"a":2}],"long_name_of_a_member":null}"#, #"{"\u0061":1,"b":{}}"#, #"{"a":1,"a":2}"#,
        #"{"a":1,"\u0061":"last"}"#, #"{}"#, "[]", "7", #""a""#, #"{"":1,"ab":2,"aab":3,"acb":4}"#,
        #"{"a":{"a":{"a":1}},"b":[[[{"b":1}]]]}"#,
    ]
    private static let names: [StaticString] = ["a", "b", "c", "long_name_of_a_member", "", "ab", "aab", "acb"]

    @Test(arguments: texts)
    func `finds the members that nodes find, one by one and at once`(_ text: String) throws {
        let document = try JSONDocument(parsing: Array(text.utf8), strictness: .rfc8259)
        let all = MemberNames("a", "b", "c", "long_name_of_a_member", "", "ab", "aab", "acb")
        document.read { view in
            let places = view.values(of: all, in: 0)
            for (index, name) in Self.names.enumerated() {
                let node = document.root["\(name)"]
                #expect(
                    view.value(of: Array("\(name)".utf8).span, in: 0) == node.map { Int($0.index) })
                #expect(Int(places[index]) == node.map { Int($0.index) } ?? 0)
            }
        }
    }

    @Test func `takes no long name for the short one that it begins with and whose mark it has`() throws {
        let long = "model" + String(repeating: "x", count: 4095) + "l"
        #expect(JSONEntry.mark(long.utf8.span) == JSONWord("model").mark)
        for (text, isThere) in [(#"{"\#(long)":1}"#, false), (#"{"\#(long)":1,"model":2}"#, true)] {
            let document = try JSONDocument(parsing: Array(text.utf8))
            let places = document.read { $0.values(of: MemberNames("model"), in: 0) }
            #expect(places[0] == (isThere ? 4 : 0))
            #expect(document.read { $0.string(1, says: JSONWord("model")) } == false)
        }
    }

    @Test(arguments: ["", "a", "abcdefg", "abcdefgh", "abcdefghi", "a name of many more bytes than eight"])
    func `a word is itself and nothing that is near it`(_ word: String) throws {
        let near = [word + "x", "x" + word, String(word.dropLast()), String(word.dropFirst())]
        for (number, other) in ([word] + near.filter { $0 != word }).enumerated() {
            // With and without bytes behind the string, and with its first letter escaped.
            let escaped = other.isEmpty ? "" : "\\u00" + String(other.utf8.first ?? 0, radix: 16) + other.dropFirst()
            for text in ["\"\(other)\"", "[\"\(other)\"        ]", "\"\(escaped)\""] {
                let document = try JSONDocument(parsing: Array(text.utf8))
                let place = text.hasPrefix("[") ? 1 : 0
                #expect(document.read { $0.string(place, says: JSONWord(word.utf8.span)) } == (number == 0))
            }
        }
    }

    @Test(arguments: texts)
    func `says of each value what its node says`(_ text: String) throws {
        let document = try JSONDocument(parsing: Array(text.utf8), strictness: .rfc8259)
        func compare(_ node: JSONNode) {
            node.read { view, place in
                #expect(view.kind(of: place) == node.kind)
                #expect(view.range(of: place) == node.range)
                #expect(view.count(of: place) == node.count)
                #expect(view.isNull(place) == node.isNull)
                #expect(view.bool(place) == node.bool)
                #expect(view.int(place) == node.int)
                #expect(view.double(place) == node.double)
                #expect(view.string(place) == node.string)
                #expect(view.stringByteCount(place) == node.stringByteCount)
                #expect(view.end(of: place) == Int(JSONNode.following(node.index, node.storage)))
            }
            for element in node.elements { compare(element) }
            for member in node.members { compare(member.value) }
        }
        compare(document.root)
    }

    @Test func `a member is left out with the comma before it`() throws {
        let text = #"{"a":{"x":[1,2]} , "b" : null ,"c":1}"#
        let document = try JSONDocument(parsing: Array(text.utf8))
        let cuts = document.read { view in
            ["a", "b", "c"].map { name in
                view.value(of: name.utf8.span, in: 0).flatMap { view.rangeBehindPrevious($0, in: 0) }
            }
        }
        #expect(
            cuts.map { $0.map { String(decoding: Array(text.utf8)[$0], as: UTF8.self) } } == [
                nil, #" , "b" : null"#, #" ,"c":1"#,
            ])
    }

    @Test(arguments: [1, 15, 16, 17, 1_000, 100_000])
    func `an index grows with a dense text`(_ count: Int) throws {
        let text = "[" + Array(repeating: "7", count: count).joined(separator: ",") + "]"
        let document = try JSONDocument(parsing: Array(text.utf8))
        #expect(document.root.count == count)
        #expect(document.root.elements.allSatisfy { $0.int == 7 })
    }

    @Test func `a text is lent without being kept, and refused as always`() throws {
        let bytes = Array(#"{"a":[true,false]}"#.utf8)
        #expect(try JSONDocument.read(bytes, limits: .request, strictness: .interoperable) { $0.count(of: 2) } == 2)
        #expect(throws: JSONError(.duplicateName, at: 7)) {
            try JSONDocument.read(Array(#"{"a":1,"a":2}"#.utf8), limits: .request, strictness: .interoperable) { _ in }
        }
    }

    @Test func `short numbers are the doubles that the standard library reads`() throws {
        var random = SystemRandomNumberGenerator()
        var texts = ["0", "-0", "0.1", "0.7", "-273.15", "123456789012345", "0.000000000000001", "9007199254740993"]
        for _ in 0..<20_000 {
            let digits = String(UInt64.random(in: 0..<10_000_000_000_000_000, using: &random))
            let places = Int.random(in: 0...digits.count, using: &random)
            let text = "\(digits.dropLast(places).isEmpty ? "0" : digits.dropLast(places)).\(digits.suffix(places))"
            texts.append((Bool.random() ? "-" : "") + (places == 0 ? digits : text))
        }
        for text in texts {
            let document = try JSONDocument(parsing: Array(text.utf8))
            let read = try #require(document.read { $0.double(0) })
            #expect(read.bitPattern == Double(text)?.bitPattern, "\(text)")
        }
    }
}
