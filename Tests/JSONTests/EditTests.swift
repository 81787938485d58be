// SPDX-License-Identifier: Apache-2.0

import JSON
import Support
import Testing

@Suite struct `Edits` {
    private func edited(_ text: String, _ change: (inout JSONEdit, JSONNode) -> Void) throws -> String {
        let document = try JSONDocument(parsing: Array(text.utf8))
        var edit = JSONEdit(document)
        change(&edit, document.root)
        return String(decoding: edit.apply(), as: UTF8.self)
    }

    @Test func `nothing asked is nothing changed`() throws {
        let text = " { \"a\" : 1.50 , \"b\":[ ] }\n"
        #expect(try edited(text) { _, _ in } == text)
        #expect(try edited(text) { edit, root in edit.removeMember(of: root, "nowhere") } == text)
        #expect(try edited("[1]") { edit, root in edit.setMember(of: root, "a", 1) } == "[1]")
    }

    @Test(arguments: [
        (["a"], #"{ "b" :2, "c": 3 }"#), (["b"], #"{ "a" : 1, "c": 3 }"#), (["c"], #"{ "a" : 1 , "b" :2 }"#),
        (["a", "b"], #"{ "c": 3 }"#), (["b", "c"], #"{ "a" : 1 }"#), (["a", "c"], #"{ "b" :2 }"#),
        (["a", "b", "c"], "{  }"),
    ])
    func `removing takes one comma along`(names: [String], expected: String) throws {
        let text = #"{ "a" : 1 , "b" :2, "c": 3 }"#
        let result = try edited(text) { edit, root in for name in names { edit.removeMember(of: root, name) } }
        #expect(result == expected)
    }

    @Test func `setting keeps the place and the spelling of the rest`() throws {
        let text = #"{"\u006dodel": "a" , "n":1.0,"o":{"x":{}}}"#
        let result = try edited(text) { edit, root in
            edit.setMember(of: root, "model", "other")
            edit.setMember(of: root, "stream", true)
            edit.setMember(of: root, "stream", false)
            if let inner = root["o"]?["x"] {
                edit.setMember(of: inner, "k", rawJSON: Array("[ 1 ]".utf8))
                edit.setMember(of: inner, "l\"", .null)
            }
        }
        #expect(result == #"{"\u006dodel": "other" , "n":1.0,"o":{"x":{"k":[ 1 ],"l\"":null}},"stream":false}"#)
    }

    @Test func `later wishes for a member replace earlier ones`() throws {
        #expect(
            try edited(#"{"a":1,"b":2}"#) { edit, root in
                edit.removeMember(of: root, "a")
                edit.setMember(of: root, "a", 3)
                edit.setMember(of: root, "c", 4)
                edit.removeMember(of: root, "c")
                edit.setMember(of: root, "b", 5)
                edit.removeMember(of: root, "b")
            } == #"{"a":3}"#)
    }

    @Test func `all members can go and others come`() throws {
        #expect(
            try edited(#"{"a":1,"b":2}"#) { edit, root in
                edit.removeMember(of: root, "a")
                edit.removeMember(of: root, "b")
                edit.setMember(of: root, "c", 3)
                edit.setMember(of: root, "d", 4)
            } == #"{"c":3,"d":4}"#)
        #expect(try edited("{}") { edit, root in edit.setMember(of: root, "c", 3) } == #"{"c":3}"#)
        #expect(try edited("{ }") { edit, root in edit.setMember(of: root, "c", 3) } == #"{"c":3 }"#)
    }

    @Test func `the outer change counts`() throws {
        let text = #"{"a":{"b":{"c":1}},"d":[1,2,3]}"#
        #expect(
            try edited(text) { edit, root in
                if let inner = root["a"]?["b"] { edit.setMember(of: inner, "c", 2) }
                if let outer = root["a"] { edit.replace(outer, with: Array("0".utf8)) }
                if let element = root["d"]?[1] { edit.replace(element, with: Array("\"two\"".utf8)) }
            } == #"{"a":0,"d":[1,"two",3]}"#)
        #expect(
            try edited(text) { edit, root in
                if let inner = root["a"]?["b"] { edit.setMember(of: inner, "c", 2) }
                edit.removeMember(of: root, "a")
            } == #"{"d":[1,2,3]}"#)
        #expect(
            try edited("{}") { edit, root in
                edit.setMember(of: root, "a", 1)
                edit.replace(root, with: Array("[]".utf8))
            } == "[]")
    }

    @Test func `a node of another document is left alone`() throws {
        let other = try JSONDocument(parsing: Array(#"{"a":1}"#.utf8))
        #expect(
            try edited(#"{"a":1}"#) { edit, _ in
                edit.replace(other.root, with: [])
                edit.setMember(of: other.root, "b", 1)
                edit.removeMember(of: other.root, "a")
            } == #"{"a":1}"#)
    }

    /// The same wishes to the text and to a tree.
    @Test func `edits of the text do what they do to a tree`() throws {
        print("JSON edit seed: GATEHOUSE_SEED=\(SeededGenerator.seed)")
        var random = SeededGenerator()
        for _ in 0..<2_000 {
            var tree = RandomJSON.object(&random, names: ["a", "b", "c", "d", "é\n", "f"])
            let document = try JSONDocument(parsing: RandomJSON.text(tree, &random))
            var edit = JSONEdit(document)
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                let name = ["a", "b", "c", "é\n", "g", "h"].randomElement(using: &random) ?? ""
                if Bool.random(using: &random) {
                    let value = RandomJSON.value(&random, depth: 1)
                    tree[name] = value
                    edit.setMember(of: document.root, name, value)
                } else {
                    tree[name] = nil
                    edit.removeMember(of: document.root, name)
                }
            }
            let result = try JSONValue(parsing: edit.apply())
            #expect(sorted(result) == sorted(tree), "\(document.root.rawText)")
        }
    }

    /// Removing and setting again keeps the place in the text, and moves a member of a tree to its end.
    private func sorted(_ value: JSONValue) -> [String] {
        (value.object?.members ?? []).map { "\($0.name): \($0.value)" }.sorted()
    }
}
