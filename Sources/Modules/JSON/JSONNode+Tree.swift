// SPDX-License-Identifier: Apache-2.0

import Bytes

extension JSONNode {
    /// The value copied out into a tree.
    package var value: JSONValue {
        var builder = TreeBuilder()
        let end = JSONNode.following(index, storage)
        for index in index..<end { builder.take(storage.tape[Int(index)], storage) }
        return builder.root
    }
}

/// Builds a tree from entries in the order of the text. The open arrays and objects are a stack, so nothing recurses.
private struct TreeBuilder {
    private struct Level {
        var elements: [JSONValue] = []
        var members: [(name: String, value: JSONValue)] = []
        var name: String?
        var isObject: Bool
        var remaining: Int
    }

    var root = JSONValue.null
    private var levels: [Level] = []

    mutating func take(_ entry: JSONEntry, _ storage: JSONDocument.Storage) {
        if let top = levels.indices.last, levels[top].isObject, levels[top].name == nil {
            levels[top].name = JSONNode.string(entry, storage)
            return
        }
        switch entry.kind {
        case .null: put(.null)
        case .bool: put(.bool(entry.flag))
        case .number: put(.number(storage.lend(entry.range) { JSONNumber(scanned: $0) }))
        case .string: put(.string(JSONNode.string(entry, storage)))
        case .array where entry.count == 0: put(.array([]))
        case .object where entry.count == 0: put(.object([:]))
        case .array, .object:
            var level = Level(isObject: entry.kind == .object, remaining: entry.count)
            if level.isObject {
                level.members.reserveCapacity(entry.count)
            } else {
                level.elements.reserveCapacity(entry.count)
            }
            levels.append(level)
        }
    }

    /// Puts a finished value where it belongs, and finishes what it completes.
    private mutating func put(_ value: JSONValue) {
        var value = value
        while let top = levels.indices.last {
            if let name = levels[top].name.take() {
                levels[top].members.append((name, value))
            } else {
                levels[top].elements.append(value)
            }
            levels[top].remaining -= 1
            guard levels[top].remaining == 0 else { return }
            let level = levels.removeLast()
            value = level.isObject ? .object(JSONObject(level.members)) : .array(level.elements)
        }
        root = value
    }
}
