// SPDX-License-Identifier: Apache-2.0

import JSON

extension Property {
    /// An edit of a text does to it what the same changes do to its tree. The input is seven choices and a JSON text.
    package static let jsonEdit = Property("JSONEdit") { (bytes) throws(Broken) -> Bool in
        var choices = Choices(bytes)
        let place = choices.byte()
        let operations = (0..<3).map { _ in (kind: choices.below(4), member: choices.byte()) }
        guard let document = try? JSONDocument(parsing: Array(choices.rest)) else { return false }
        var objects: [[Step]] = []
        collect(document.root, [], &objects)
        guard !objects.isEmpty else { return false }
        let path = objects[place % objects.count]
        guard let object = path.reduce(document.root as JSONNode?, { $0.flatMap($1.of) }) else {
            throw Broken("a way that leads nowhere")
        }
        var expected = object.value
        var edit = JSONEdit(document)
        var touched: [String] = []
        for (kind, member) in operations {
            let names = object.members.map(\.name)
            let isNew = names.isEmpty || kind == 3
            let name = isNew ? "new\(member)" : names[member % names.count]
            guard !touched.contains(where: { $0.utf8.elementsEqual(name.utf8) }) else { continue }
            touched.append(name)
            switch kind {
            case 0: edit.removeMember(of: object, name)
            case 1:
                if let node = object[name] { edit.replace(node, with: Array(#"{"b":[]}"#.utf8)) } else { continue }
            default: edit.setMember(of: object, name, ["b": []])
            }
            expected[name] = kind == 0 ? nil : ["b": []]
        }
        let edited = edit.apply()
        try demand(!edit.isEmpty || edited == document.bytes, "an edit of nothing changed something")
        guard let again = try? JSONDocument(parsing: edited) else { throw Broken("edited, it is no JSON") }
        let wanted = replaced(document.root.value, path, expected)
        try demand(again.root.value == wanted, "the edit differs from the same change of the tree")
        return true
    }

    private enum Step {
        case element(Int)
        case member(String)

        func of(_ node: JSONNode) -> JSONNode? {
            switch self {
            case .element(let index): node[index]
            case .member(let name): node[name]
            }
        }
    }

    /// The ways to the first objects of a text.
    private static func collect(_ node: JSONNode, _ path: [Step], _ objects: inout [[Step]]) {
        guard objects.count < 16 else { return }
        if node.kind == .object {
            objects.append(path)
            for member in node.members { collect(member.value, path + [.member(member.name)], &objects) }
        } else {
            for (index, element) in node.elements.enumerated() {
                collect(element, path + [.element(index)], &objects)
            }
        }
    }

    private static func replaced(_ value: JSONValue, _ path: [Step], _ new: JSONValue) -> JSONValue {
        guard let first = path.first else { return new }
        let rest = Array(path.dropFirst())
        switch (first, value) {
        case (.element(let index), .array(var elements)) where elements.indices.contains(index):
            elements[index] = replaced(elements[index], rest, new)
            return .array(elements)
        case (.member(let name), .object(var object)):
            object[name] = object[name].map { replaced($0, rest, new) }
            return .object(object)
        default: return value
        }
    }
}
