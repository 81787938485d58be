// SPDX-License-Identifier: Apache-2.0

import JSON
import Testing

private func document(_ text: String, _ strictness: JSONStrictness = .interoperable) throws(JSONError) -> JSONDocument {
    try JSONDocument(parsing: Array(text.utf8), strictness: strictness)
}

private func failure(
    _ bytes: [UInt8], _ limits: JSONLimits = .request, _ strictness: JSONStrictness = .interoperable
) -> JSONError? {
    do throws(JSONError) {
        _ = try JSONDocument(parsing: bytes, limits: limits, strictness: strictness)
        return nil
    } catch {
        return error
    }
}

private func failure(_ text: String, _ strictness: JSONStrictness = .interoperable) -> JSONError? {
    failure(Array(text.utf8), .request, strictness)
}

@Suite struct `The document` {
    private let chat = #"""
        { "model" : "m\u0065", "stream": true, "max_tokens": 16, "temperature": 7e-1,
          "messages": [ {"role": "user", "content": "h\u00e9\n\ud83d\ude00"}, {"role": "user", "content": []} ],
          "stop": null, "m\u0065ta": {"a": {"b": [[], {}, [1, [2]]]}} }
        """#

    @Test func `finds what a gateway looks for`() throws {
        let root = try document(chat).root
        #expect(root.kind == .object)
        #expect(root.count == 7)
        #expect(root["model"]?.string == "me")
        #expect(root["model"]?.stringEquals("me") == true)
        #expect(root["model"]?.stringEquals("m\\u0065") == false)
        #expect(root["stream"]?.bool == true)
        #expect(root["max_tokens"]?.int == 16)
        #expect(root["temperature"]?.int == nil)
        #expect(root["temperature"]?.double == 0.7)
        #expect(root["stop"]?.isNull == true)
        #expect(root["messages"]?.count == 2)
        #expect(root["messages"]?[0]?["content"]?.string == "hé\n😀")
        #expect(root["messages"]?[0]?["content"]?.stringByteCount == "hé\n😀".utf8.count)
        #expect(root["messages"]?[1]?["content"]?.kind == .array)
        #expect(root["messages"]?[2] == nil)
        #expect(root["messages"]?[-1] == nil)
        #expect(root["meta"]?["a"]?["b"]?[2]?[1]?[0]?.int == 2)
        #expect(root["meta"]?["a"]?["b"]?.elements.map(\.count) == [0, 0, 2])
        #expect(root["nowhere"] == nil)
        #expect(root["model"]?["x"] == nil)
        #expect(root["model"]?[0] == nil)
        #expect(root["messages"]?["role"] == nil)
        #expect(root.members.map(\.name) == root.value.object?.names)
        #expect(root.members.map(\.nameByteCount) == root.value.object?.names.map(\.utf8.count))
    }

    @Test func `leaves the bytes as they came`() throws {
        let document = try document(chat)
        #expect(document.bytes == Array(chat.utf8))
        #expect(document.root["model"]?.rawText == #""m\u0065""#)
        #expect(document.root["temperature"]?.rawText == "7e-1")
        #expect(document.root["meta"]?.rawText == #"{"a": {"b": [[], {}, [1, [2]]]}}"#)
        #expect(document.root["meta"]?.rawBytes == Array(#"{"a": {"b": [[], {}, [1, [2]]]}}"#.utf8))
        let names = document.root.members.map { String(decoding: document.bytes[$0.nameRange], as: UTF8.self) }
        #expect(names.last == #""m\u0065ta""#)
    }

    @Test func `asks nothing of a value of another kind`() throws {
        for text in ["null", "true", "1", "\"s\"", "[]", "{}"] {
            let node = try document(text).root
            #expect([node.bool != nil, node.double != nil, node.string != nil].count(where: { $0 }) <= 1)
            #expect(node.isNull == (text == "null"))
            #expect(node.elements.map(\.kind) == [])
            #expect(node.members.map(\.name) == [])
            #expect((node.stringByteCount != nil) == (text == "\"s\""))
        }
    }

    @Test(
        arguments: [
            ("", .unexpectedEnd, 0), ("  ", .unexpectedEnd, 2), ("{", .unexpectedEnd, 1), (#"{"a""#, .unexpectedEnd, 4),
            (#"{"a":"#, .unexpectedEnd, 5), (#"{"a":1"#, .unexpectedEnd, 6), ("[1,", .unexpectedEnd, 3),
            ("[1,]", .unexpectedByte, 3), (#"{"a":1,}"#, .unexpectedByte, 7), ("[,1]", .unexpectedByte, 1),
            ("[1 2]", .unexpectedByte, 3), ("[1}", .unexpectedByte, 2), (#"{"a" 1}"#, .unexpectedByte, 5),
            ("{1:1}", .unexpectedByte, 1), ("1 1", .trailingBytes, 2), ("[]]", .trailingBytes, 2),
            ("tru", .unexpectedByte, 0),
            ("trux", .unexpectedByte, 0), ("truee", .trailingBytes, 4), ("[nul", .unexpectedByte, 1),
            ("-", .unexpectedEnd, 1), ("-x", .malformedNumber, 1), ("01", .trailingBytes, 1), ("1.", .unexpectedEnd, 2),
            ("1.e1", .malformedNumber, 2), ("1e", .unexpectedEnd, 2), ("1e+x", .malformedNumber, 3),
            (".1", .unexpectedByte, 0),
            ("+1", .unexpectedByte, 0), ("\"abc", .unexpectedEnd, 4), ("\"abc\\", .unexpectedEnd, 5),
            ("\"\\x\"", .malformedEscape, 1), ("\"\\u12g4\"", .malformedEscape, 1), ("\"\\u12", .malformedEscape, 1),
            ("\"a\nb\"", .controlCharacter, 2), ("\"12345678\u{1}\"", .controlCharacter, 9),
            ("\u{FEFF}{}", .unexpectedByte, 0),
            ("nan", .unexpectedByte, 0), ("'a'", .unexpectedByte, 0), ("// c", .unexpectedByte, 0),
            ("[1]\u{0}", .trailingBytes, 3),
        ] as [(String, JSONError.Reason, Int)])
    func `says what is wrong and where`(text: String, reason: JSONError.Reason, offset: Int) {
        #expect(failure(text) == JSONError(reason, at: offset))
        #expect(failure(text, .rfc8259) == JSONError(reason, at: offset))
    }

    @Test func `every reason has a sentence of its own`() {
        #expect(
            Set(JSONError.Reason.allCases.map { JSONError($0, at: 7).message }).count == JSONError.Reason.allCases.count
        )
    }

    /// Numbers and words are read by eight bytes, of which those behind the end of the text are made up.
    @Test func `reads every digit of a number, wherever the text ends`() throws {
        for blanks in 0..<9 {
            let space = String(repeating: " ", count: blanks)
            for count in 1...20 {
                for number in ["12345678901234567890".prefix(count), "-9876543210987654321".prefix(count + 1)] {
                    let root = try document("\(space)\(number)").root
                    #expect(root.int == Int(number))
                    #expect(root.rawText == number)
                    let list = try document("[\(number)\(space),\(space)\(number)]").root
                    #expect(list.elements.map(\.rawText) == [String(number), String(number)])
                    #expect(try document("\(space)\(number).5\(space)").root.rawText == "\(number).5")
                    #expect(try document("\(number)e1").root.int == nil)
                    #expect(failure("\(number)/") == JSONError(.trailingBytes, at: number.count))
                    #expect(failure("\(number):") == JSONError(.trailingBytes, at: number.count))
                }
                #expect(failure("\(space)0" + "12345678901234567890".prefix(count))?.offset == blanks + 1)
            }
            for word in ["true", "false", "null"] {
                #expect(try document("\(space)\(word)\(space)").root.rawText == word)
                for count in 1..<word.count {
                    #expect(failure(space + word.prefix(count)) == JSONError(.unexpectedByte, at: blanks))
                }
            }
        }
    }

    /// A control character, a quote and a broken byte are seen at every place of the scanner, which takes blocks of 16 bytes, of
    /// 32 bytes behind the first two, and words at the end of a text.
    @Test func `sees every byte of a long string`() throws {
        for before in 0..<100 {
            let plain = String(repeating: "x", count: before)
            #expect(failure("\"\(plain)\u{1F}\"")?.reason == .controlCharacter)
            #expect(failure("\"\(plain)\"\"")?.reason == .trailingBytes)
            #expect(failure(Array("\"\(plain)".utf8) + [0xFF, 0x22])?.offset == before + 1)
            #expect(try document("\"\(plain)\\\"é\(plain)\"").root.string == "\(plain)\"é\(plain)")
            // With as much behind it as a block takes.
            let rest = String(repeating: "y", count: 64)
            #expect(failure("\"\(plain)\u{1}\(rest)\"")?.offset == before + 1)
            #expect(failure("\"\(plain)\"\(rest)\"")?.offset == before + 2)
            #expect(try document("\"\(plain)\\n\(rest)\"").root.string == "\(plain)\n\(rest)")
            #expect(failure(Array("\"\(plain)".utf8) + [0x80] + Array("\(rest)\"".utf8))?.offset == before + 1)
            #expect(try document("\"\(plain)é\u{7F}\(rest)\"").root.string == "\(plain)é\u{7F}\(rest)")
            #expect(try document("\"\(plain)\u{7F} !#[]\"").root.stringByteCount == before + 6)
        }
    }
}

@Suite struct `Interoperable strictness` {
    @Test(arguments: [
        (#"{"a":1,"a":1}"#, 7), (#"{"a":1,"\u0061":2}"#, 7), (#"{"\u0061":1,"a":2}"#, 12),
        (#"{"x":[{"a":{},"b":1,"a":[]}]}"#, 20), (#"{"😀":1,"\ud83d\ude00":2}"#, 10), (#"{"":1,"":2}"#, 6),
        (#"{"a":1,"b":{"c":{"a":1}},"a":2}"#, 25), (#"{"\/":1,"/":2}"#, 8),
    ])
    func `refuses a name twice, however it is written`(text: String, offset: Int) throws {
        #expect(failure(text) == JSONError(.duplicateName, at: offset))
        #expect(failure(text, .rfc8259) == nil)
    }

    @Test(arguments: [
        #"{"a":{"a":{"a":1}},"b":{"a":1}}"#, #"[{"a":1},{"a":1}]"#, #"{"a":1,"A":2}"#, #"{"a":1,"a\u0000":2}"#,
        "{\"é\":1,\"e\u{301}\":2}", #"{"a":"a","b":"a"}"#, #"{"\\u0061":1,"a":2}"#,
    ])
    func `lets different names pass`(text: String) {
        #expect(failure(text) == nil)
    }

    @Test func `of two equal names the last one counts where they are let through`() throws {
        let text = #"{"a":1,"b":0,"\u0061":2}"#
        let root = try document(text, .rfc8259).root
        #expect(root["a"]?.int == 2)
        #expect(root.value["a"]?.int == 2)
        #expect(root.value.object?.count == 3)
    }

    /// Both ways of comparing, on both sides of the border between them, with the pair at every place.
    @Test(arguments: [2, 3, 11, 12, 13, 14, 40])
    func `finds the pair among many names`(count: Int) {
        for first in 0..<count {
            for second in (first + 1)..<max(first + 2, count) where second < count {
                for spelling in ["name\(first)", "nam\\u0065\(first)"] {
                    var members = (0..<count).map { "\"name\($0)\":[{}]" }
                    #expect(failure("{\(members.joined(separator: ","))}") == nil)
                    members[second] = "\"\(spelling)\":0"
                    #expect(failure("{\(members.joined(separator: ","))}")?.reason == .duplicateName)
                }
            }
        }
    }

    @Test func `fifty thousand names take no longer than their bytes`() {
        var text: [UInt8] = Array("{".utf8)
        for index in 0..<50_000 { text += Array("\"n\(index)\":0,".utf8) }
        let last = text.count
        #expect(failure(text + Array("\"n50000\":0}".utf8)) == nil)
        #expect(failure(text + Array("\"n77\":0}".utf8)) == JSONError(.duplicateName, at: last))
    }

    @Test(arguments: [
        #""\ud800""#, #""\udc00""#, #""\ud800x""#, #""\ud800\n""#, #""\ud800\ud800""#, #""\udc00\ud800""#,
        #""\ud800\u0061""#, #"{"\ud800":1}"#, #""\ud83d\ude0""#,
    ])
    func `refuses half of a surrogate pair`(text: String) throws {
        let isCut = text.hasSuffix("de0\"")
        #expect(failure(text)?.reason == .loneSurrogate)
        #expect(failure(text, .rfc8259)?.reason == (isCut ? .malformedEscape : nil))
    }

    @Test func `reads half of a surrogate pair as a replacement where it is let through`() throws {
        let root = try document(#"["\ud800","a\udc00b","\ud83d\ude00","\ud83d\ud83d\ude00"]"#, .rfc8259).root
        #expect(root.elements.map(\.string) == ["\u{FFFD}", "a\u{FFFD}b", "😀", "\u{FFFD}😀"])
        #expect(root.elements.map(\.stringByteCount) == [3, 5, 4, 7])
    }

    @Test func `refuses numbers too long to be read alike`() throws {
        let longest = String(repeating: "1", count: JSONLimits.request.numberBytesMax)
        #expect(failure("[\(longest)]") == nil)
        #expect(failure("[\(longest)1]") == JSONError(.numberTooLong, at: 1))
        #expect(failure("[\(longest)1]", .rfc8259) == nil)
        #expect(failure("[1e308,-1e308,1e-400,0e999,1.7976931348623157e308]") == nil)
        #expect(failure("[0,1e309]") == JSONError(.numberTooLong, at: 3))
        #expect(failure("-1e99999") == JSONError(.numberTooLong, at: 0))
        #expect(failure("1e309", .rfc8259) == nil)
        #expect(try document("1e309", .rfc8259).root.double == nil)
        let limits = JSONLimits(numberBytesMax: 1_000)
        #expect(failure(Array(String(repeating: "9", count: 308).utf8), limits) == nil)
        #expect(failure(Array(String(repeating: "9", count: 309).utf8), limits)?.reason == .numberTooLong)
    }
}

@Suite struct `Limits of a text` {
    @Test func `depth is counted in arrays and objects together`() {
        let limits = JSONLimits(depthMax: 4)
        #expect(failure(Array(#"[{"a":[{"a":1}]}]"#.utf8), limits) == nil)
        #expect(failure(Array(#"[{"a":[{"a":[]}]}]"#.utf8), limits) == JSONError(.tooDeep, at: 12))
        #expect(failure(Array("[[],[],[[[]]],[]]".utf8), limits) == nil)
    }

    @Test func `bytes and values are counted`() {
        #expect(failure(Array("[1,2]".utf8), JSONLimits(bytesMax: 5)) == nil)
        #expect(failure(Array("[1,2]".utf8), JSONLimits(bytesMax: 4)) == JSONError(.tooLarge, at: 4))
        #expect(failure(Array("[1,2]".utf8), JSONLimits(valuesMax: 3)) == nil)
        #expect(failure(Array("[1,2,3]".utf8), JSONLimits(valuesMax: 3)) == JSONError(.tooManyValues, at: 5))
        #expect(failure(Array(#"{"a":1}"#.utf8), JSONLimits(valuesMax: 2)) == JSONError(.tooManyValues, at: 5))
    }

    @Test func `no limit can be set beyond what the index holds`() {
        let limits = JSONLimits(bytesMax: .max, depthMax: .max, numberBytesMax: 0, valuesMax: .max)
        #expect(limits.bytesMax == JSONLimits.bytesCeiling)
        #expect(limits.depthMax == JSONLimits.depthCeiling)
        #expect(limits.valuesMax == JSONLimits.valuesCeiling)
        #expect(limits.numberBytesMax == 1)
    }

    @Test func `a hundred thousand brackets are refused at once`() {
        #expect(failure([UInt8](repeating: 0x5B, count: 100_000)) == JSONError(.tooDeep, at: 64))
    }

    @Test func `the deepest tree can be compared, written and freed`() throws {
        let depth = JSONLimits.depthCeiling
        let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        let limits = JSONLimits(depthMax: depth)
        let value = try JSONValue(parsing: Array(text.utf8), limits: limits)
        #expect(value == (try JSONValue(parsing: value.serialized(), limits: limits)))
    }
}
