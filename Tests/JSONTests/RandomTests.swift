// SPDX-License-Identifier: Apache-2.0

import JSON
import Support
import Testing

/// Random values and random damage. `GATEHOUSE_SEED` repeats a run.
@Suite struct `Random texts` {
    @Test func `what is written is read back`() throws {
        print("JSON round trip seed: GATEHOUSE_SEED=\(SeededGenerator.seed)")
        var random = SeededGenerator()
        for _ in 0..<1_500 {
            let value = RandomJSON.value(&random, depth: 4)
            let text = RandomJSON.text(value, &random)
            #expect(try JSONValue(parsing: value.serialized()) == value)
            #expect(try JSONValue(parsing: text) == value)
            let document = try JSONDocument(parsing: text)
            #expect(agree(document.root, value), "\(document.root.rawText)")
            #expect(ReferenceParser.parse(text) == value)
        }
    }

    /// Every damaged text is read or refused as a plain parser does it, with the same value, and nothing else happens.
    @Test func `damage is seen as a plain parser sees it`() throws {
        print("JSON damage seed: GATEHOUSE_SEED=\(SeededGenerator.seed)")
        var random = SeededGenerator(SeededGenerator.seed &+ 1)
        var samples = (0..<200).map { _ in RandomJSON.text(RandomJSON.value(&random, depth: 3), &random) }
        samples = samples.filter { $0.count < 150 } + [Array(#"{"a":[1,-2.5e3,"\ud83d\ude00\n"],"b":{"a":null}}"#.utf8)]
        let alphabet = Array("[]{}:,\"\\u0aenft-+.19dD8 \n".utf8) + [0, 0x1F, 0x7F, 0x80, 0xBF, 0xC3, 0xED, 0xF0, 0xFF]
        var accepted = 0
        var refused = 0
        for turn in 0..<100_000 {
            guard var bytes = samples.randomElement(using: &random) else { break }
            for _ in 0...Int.random(in: 0...2, using: &random) {
                let place = Int.random(in: 0...bytes.count, using: &random)
                let byte = alphabet.randomElement(using: &random) ?? 0
                switch Int.random(in: 0...3, using: &random) {
                case 0: bytes.insert(byte, at: place)
                case 1 where place < bytes.count: bytes[place] = byte
                case 2 where place < bytes.count: bytes.remove(at: place)
                default: bytes.removeSubrange(place..<min(bytes.count, place + 3))
                }
            }
            let document = try? JSONDocument(parsing: bytes)
            if document == nil { refused += 1 } else { accepted += 1 }
            // The plain parser is slow, so it looks at some of them.
            if turn % 16 == 0, document?.root.value != ReferenceParser.parse(bytes) {
                Issue.record("disagreement about \(String(decoding: bytes, as: UTF8.self))")
            }
        }
        #expect(accepted > 1_000 && refused > 1_000, "\(accepted) accepted, \(refused) refused")
    }

    /// The document, asked value by value, says what the tree says.
    private func agree(_ node: JSONNode, _ value: JSONValue) -> Bool {
        guard node.kind == value.kind else { return false }
        switch value {
        case .null: return node.isNull
        case .bool(let bool): return node.bool == bool
        case .number(let number):
            return node.int == number.int && node.double == number.double && node.rawText == number.text
        case .string(let string):
            return node.string == string && node.stringByteCount == string.utf8.count && node.stringEquals(string)
        case .array(let elements):
            return node.count == elements.count && zip(node.elements, elements).allSatisfy { agree($0, $1) }
                && elements.indices.allSatisfy { node[$0]?.range == Array(node.elements)[$0].range }
        case .object(let object):
            return node.count == object.count
                && zip(node.members, object.members).allSatisfy {
                    $0.name == $1.name && $0.nameEquals($1.name) && agree($0.value, $1.value)
                        && node[$1.name]?.range == $0.value.range
                }
        }
    }
}
