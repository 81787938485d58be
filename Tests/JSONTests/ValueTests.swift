// SPDX-License-Identifier: Apache-2.0

import JSON
import Testing

@Suite struct `Trees and the writer` {
    @Test func `literals keep their order and write what they say`() {
        let text = "x"
        let value: JSONValue = [
            "type": "text", "text": .string(text), "n": 1, "d": 1.5, "yes": true, "none": .null,
            "list": [1, "two", ["three": 3], []], "empty": [:],
        ]
        #expect(
            value.description
                == #"{"type":"text","text":"x","n":1,"d":1.5,"yes":true,"none":null,"list":[1,"two",{"three":3},[]],"empty":{}}"#
        )
        #expect(value["list"]?[2]?["three"]?.int == 3)
        #expect(value["list"]?[4] == nil)
        #expect(value["nowhere"] == nil)
        #expect(value["d"]?.double == 1.5)
        #expect(value["d"]?.int == nil)
        #expect(value["n"]?.double == 1)
        #expect(value["none"]?.isNull == true)
        #expect(value["yes"]?.bool == true)
        #expect(value["empty"]?.object?.isEmpty == true)
    }

    @Test func `setting a member keeps its place`() {
        var value: JSONValue = ["a": 1, "b": 2, "c": 3]
        value["b"] = "new"
        value["d"] = 4
        value["a"] = nil
        value["nowhere"] = nil
        #expect(value.description == #"{"b":"new","c":3,"d":4}"#)
        var nothing = JSONValue.null
        nothing["a"] = 1
        #expect(nothing == ["a": 1])
        var text: JSONValue = "text"
        text["a"] = 1
        #expect(text == "text")
        #expect(value.object?.names == ["b", "c", "d"])
    }

    @Test func `texts are compared as bytes`() {
        let (one, two) = ("\u{E9}", "e\u{301}")
        #expect(one == two)
        #expect(JSONValue.string(one) != JSONValue.string(two))
        var value: JSONValue = .object(JSONObject([(name: one, value: 1)]))
        #expect(value[two] == nil)
        value[two] = 2
        #expect(value.object?.count == 2)
        #expect(value != .object([one: 1, one: 2]))
    }

    @Test func `numbers keep their text`() throws {
        let text = "[0,-0,1.0,1e5,1E+5,123456789012345678901234567890,0.1e-7,-9223372036854775808,9223372036854775808]"
        let value = try JSONValue(parsing: Array(text.utf8))
        #expect(value.description == text)
        let ints: [Int?] = [0, 0, nil, nil, nil, nil, nil, Int.min, nil]
        #expect(value.array?.map(\.int) == ints)
        let document = try JSONDocument(parsing: Array(text.utf8))
        #expect(document.root.elements.map(\.int) == ints)
        #expect(document.root.elements.map(\.double) == value.array?.map(\.double))
        #expect(document.root[5]?.double == 1.2345678901234568e29)
    }

    @Test func `numbers that JSON does not have are not written`() {
        #expect(JSONValue.double(.infinity) == .null)
        #expect(JSONValue.double(.nan) == .null)
        #expect(JSONNumber(.infinity).text == "1.7976931348623157e+308")
        #expect(JSONNumber(-.infinity).double == -.greatestFiniteMagnitude)
        #expect(JSONNumber(.nan).text == "0")
        var writer = JSONWriter()
        writer.double(.nan)
        #expect(writer.bytes == Array("null".utf8))
    }

    @Test func `escapes what must be escaped and nothing else`() {
        let all = String(String.UnicodeScalarView((0..<0x80).compactMap { Unicode.Scalar($0) }))
        let value = JSONValue.string(all + "é\u{2028}😀")
        let expected =
            #""\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f\u0010\u0011\u0012\u0013"#
            + #"\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f !"#
            + #"\""# + "#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ["
            + #"\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"#
            + "\u{7F}é\u{2028}😀\""
        #expect(value.description == expected)
        #expect((try? JSONValue(parsing: value.serialized())) == value)
    }

    @Test func `the writer sets its own commas`() {
        var writer = JSONWriter(after: Array("data: ".utf8))
        writer.object { writer in
            writer.member("id", "x")
            writer.array("choices") { writer in
                writer.object { writer in writer.member("index", 0) }
                writer.object { _ in }
                writer.array { writer in
                    writer.int(-5)
                    writer.bool(false)
                    writer.null()
                }
            }
            writer.object("usage") { writer in
                writer.member("cost", 0.25)
                writer.member("cached", true)
                writer.member("raw", raw: Array(#"{"a":[1, 2]}"#.utf8))
                writer.member("tree", ["a": .null])
            }
        }
        let expected =
            #"data: {"id":"x","choices":[{"index":0},{},[-5,false,null]],"usage":{"cost":0.25,"cached":true,"#
            + #""raw":{"a":[1, 2]},"tree":{"a":null}}}"#
        #expect(String(decoding: writer.bytes, as: UTF8.self) == expected)
    }

    @Test func `strings of broken bytes become whole`() {
        var writer = JSONWriter()
        let bytes: [UInt8] = [0x61, 0xFF, 0x62]
        writer.string(utf8: bytes.span)
        #expect(String(decoding: writer.bytes, as: UTF8.self) == "\"a\u{FFFD}b\"")
    }
}
