// SPDX-License-Identifier: Apache-2.0

import Bytes

/// One value of a document: a reference to the document and a number. Asking it for something of another kind gives nil.
package struct JSONNode: Sendable {
    let storage: JSONDocument.Storage
    let index: UInt32

    init(_ storage: JSONDocument.Storage, _ index: Int) {
        self.storage = storage
        self.index = UInt32(truncatingIfNeeded: index)
    }

    var entry: JSONEntry { storage.tape[Int(index)] }

    package var kind: JSONKind { entry.kind }

    /// The value's bytes in the document, with quotes, brackets and all between them.
    package var range: Range<Int> { entry.range }

    /// Elements of an array, members of an object; 0 for anything else.
    package var count: Int { entry.count }

    package var isNull: Bool { kind == .null }

    package var bool: Bool? {
        let entry = entry
        return entry.kind == .bool ? entry.flag : nil
    }

    /// The number if it is written as an integer (no fraction, no exponent) and fits.
    package var int: Int? {
        let entry = entry
        guard entry.kind == .number, entry.flag else { return nil }
        return storage.lend(entry.range, JSONNumber.int)
    }

    /// The number as the nearest double; nil if it is beyond the range of one.
    package var double: Double? {
        let entry = entry
        guard entry.kind == .number else { return nil }
        return storage.lend(entry.range, JSONNumber.double)
    }

    /// The text of the string, unescaped.
    package var string: String? {
        let entry = entry
        guard entry.kind == .string else { return nil }
        return JSONNode.string(entry, storage)
    }

    /// The number of bytes of `string`, without making it.
    package var stringByteCount: Int? {
        let entry = entry
        return entry.kind == .string ? Int(entry.extent) : nil
    }

    /// True if this is a string and says `text`; makes no string.
    package func stringEquals(_ text: String) -> Bool {
        let entry = entry
        return entry.kind == .string && JSONNode.equals(entry, text, storage)
    }

    /// The value's bytes as they came.
    package var rawBytes: [UInt8] { Array(storage.bytes[range]) }

    /// The value's text as it came.
    package var rawText: String { storage.lend(range) { String(decoding: $0) } }

    /// The member of that name, compared after unescaping; nil if there is none or this is not an object. Where the
    /// document was let through with two of one name, the last. Goes through the members one by one.
    package subscript(_ name: String) -> JSONNode? {
        let place = storage.view.value(of: name.utf8.span, in: Int(index))
        return place.map { JSONNode(storage, $0) }
    }

    /// The element at `index`; nil if there is none or this is not an array. Goes through the elements before it: to
    /// visit all, walk `elements`.
    package subscript(_ index: Int) -> JSONNode? {
        guard index >= 0, index < count else { return nil }
        var iterator = elements.makeIterator()
        for _ in 0..<index { _ = iterator.next() }
        return iterator.next()
    }

    /// The elements of an array in their order; nothing for another kind.
    package var elements: JSONElements { JSONElements(self) }

    /// The members of an object in their order; nothing for another kind.
    package var members: JSONMembers { JSONMembers(self) }

    /// The index of the entry behind this value and all within it.
    static func following(_ index: UInt32, _ storage: JSONDocument.Storage) -> UInt32 {
        storage.tape[Int(index)].following(index)
    }

    static func string(_ entry: JSONEntry, _ storage: JSONDocument.Storage) -> String {
        storage.lend(entry.content) { content in
            entry.flag
                ? String(decoding: JSONString.unescape(content), as: UTF8.self)
                : String(decoding: content)
        }
    }

    static func equals(_ entry: JSONEntry, _ text: String, _ storage: JSONDocument.Storage) -> Bool {
        guard Int(entry.extent) == text.utf8.count else { return false }
        return storage.lend(entry.content) { JSONString.content($0, isEscaped: entry.flag, equals: text.utf8.span) }
    }
}

/// The elements of an array.
package struct JSONElements: Sequence, Sendable {
    let array: JSONNode

    init(_ array: JSONNode) { self.array = array }

    package func makeIterator() -> Iterator { Iterator(array) }

    package struct Iterator: IteratorProtocol {
        private let storage: JSONDocument.Storage
        private var index: UInt32
        private let end: UInt32

        init(_ array: JSONNode) {
            storage = array.storage
            let entry = array.entry
            index = array.index &+ 1
            end = entry.kind == .array ? entry.extent : 0
        }

        package mutating func next() -> JSONNode? {
            guard index < end else { return nil }
            defer { index = JSONNode.following(index, storage) }
            return JSONNode(storage, Int(index))
        }
    }
}

/// One member of an object.
package struct JSONMember: Sendable {
    /// The member's value.
    package let value: JSONNode
    private let nameEntry: JSONEntry

    init(_ storage: JSONDocument.Storage, name: UInt32) {
        nameEntry = storage.tape[Int(name)]
        value = JSONNode(storage, Int(name) &+ 1)
    }

    /// The name, unescaped.
    package var name: String { JSONNode.string(nameEntry, value.storage) }

    /// The number of bytes of `name`, without making it.
    package var nameByteCount: Int { Int(nameEntry.extent) }

    /// True if the name is `text` after unescaping; makes no string.
    package func nameEquals(_ text: String) -> Bool { JSONNode.equals(nameEntry, text, value.storage) }

    /// The name's bytes in the document, quotes included.
    package var nameRange: Range<Int> { nameEntry.range }
}

/// The members of an object.
package struct JSONMembers: Sequence, Sendable {
    let object: JSONNode

    init(_ object: JSONNode) { self.object = object }

    package func makeIterator() -> Iterator { Iterator(object) }

    package struct Iterator: IteratorProtocol {
        private let storage: JSONDocument.Storage
        private var index: UInt32
        private let end: UInt32

        init(_ object: JSONNode) {
            storage = object.storage
            let entry = object.entry
            index = object.index &+ 1
            end = entry.kind == .object ? entry.extent : 0
        }

        package mutating func next() -> JSONMember? {
            guard index < end else { return nil }
            defer { index = JSONNode.following(index &+ 1, storage) }
            return JSONMember(storage, name: index)
        }
    }
}
