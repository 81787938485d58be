// SPDX-License-Identifier: Apache-2.0

import Bytes

/// The header fields of a message, in order. Names are compared without regard to case (RFC 9110 §5.1); values are kept
/// byte for byte.
///
/// One array holds all bytes (for a parsed message: its whole head) and another the places of names and values in it,
/// so a head of twenty fields costs two allocations. What is appended stands there as it does in a message, so that the
/// fields of an answer are written by copying them once.
///
/// What is not a token as a name, or holds a control character in its value, cannot be put in: nobody who copies outside
/// text into an answer can start a second field or a second answer with it.
package struct Fields: Sendable {
    /// Where one field stands in `storage`.
    struct Entry: Sendable {
        let nameStart: Int32
        let nameCount: Int32
        let valueStart: Int32
        let valueCount: Int32
        /// Of the name in lower case: lookups compare it before they compare bytes.
        let hash: UInt32

        var name: Range<Int> { Int(nameStart)..<(Int(nameStart) &+ Int(nameCount)) }
        var value: Range<Int> { Int(valueStart)..<(Int(valueStart) &+ Int(valueCount)) }
    }

    private(set) var storage: [UInt8]
    private(set) var entries: [Entry]
    /// True while the storage is nothing but the entries in order, each as `name: value` and a line end, and none of them
    /// is the message writer's own (`FramingFields`).
    private(set) var isWireForm: Bool

    /// No fields.
    package init() {
        storage = []
        entries = []
        isWireForm = true
    }

    /// For the parser, which has checked the entries against the storage.
    init(storage: [UInt8], entries: [Entry]) {
        self.storage = storage
        self.entries = entries
        isWireForm = false
    }

    /// Makes room for so many more bytes and fields.
    package mutating func reserve(bytes: Int, fields: Int) {
        storage.reserveCapacity(storage.count + bytes)
        entries.reserveCapacity(entries.count + fields)
    }

    /// The number of field lines.
    package var count: Int { entries.count }

    /// True without any field line.
    package var isEmpty: Bool { entries.isEmpty }

    /// The value of the first field with this name. Bytes that are not UTF-8 appear as U+FFFD.
    package subscript(_ name: String) -> String? {
        firstIndex(of: name).map(value(at:))
    }

    /// The values of all fields with this name, in order.
    package func all(_ name: String) -> [String] {
        let hash = Self.hash(of: name)
        var values: [String] = []
        for index in entries.indices where matches(index, name, hash) { values.append(value(at: index)) }
        return values
    }

    /// True if there is a field with this name.
    package func contains(_ name: String) -> Bool {
        firstIndex(of: name) != nil
    }

    /// The number of fields with this name.
    package func count(of name: String) -> Int {
        let hash = Self.hash(of: name)
        var count = 0
        for index in entries.indices where matches(index, name, hash) { count += 1 }
        return count
    }

    /// True if a comma-separated list in one of the fields with this name has the element `token`, compared without
    /// regard to case (`connection: keep-alive, close`).
    package func contains(token: StaticString, in name: String) -> Bool {
        let hash = Self.hash(of: name)
        var isFound = false
        for index in entries.indices where matches(index, name, hash) {
            let value = storage.span.extracting(entries[index].value)
            value.forEachListElement { isFound = isFound || value.extracting($0).equalsIgnoringASCIICase(token) }
        }
        return isFound
    }

    /// Lends the value's bytes of the first field with this name to `body`; nil without calling it if there is none.
    package func withValue<Result>(of name: String, _ body: (Span<UInt8>) -> Result) -> Result? {
        guard let index = firstIndex(of: name) else { return nil }
        return body(storage.span.extracting(entries[index].value))
    }

    /// Adds a field at the end.
    ///
    /// - Returns: false, and the fields are unaltered, if the name is not a token or the value holds a control character
    ///   other than a tab.
    @discardableResult
    package mutating func append(_ name: String, _ value: String) -> Bool {
        append(name.utf8.span, value.utf8.span)
    }

    /// Adds a field with a number.
    @discardableResult
    package mutating func append(_ name: String, _ value: Int) -> Bool {
        DecimalDigits(value).withSpan { append(name.utf8.span, $0) }
    }

    private mutating func append(_ name: Span<UInt8>, _ value: Span<UInt8>) -> Bool {
        guard name.isToken, value.isFieldContent,
            name.count <= Int(Int32.max) / 4, value.count <= Int(Int32.max) / 4, storage.count <= Int(Int32.max) / 4
        else { return false }
        let start = storage.count
        storage.append(addingCapacity: name.count + value.count + 4) { (output: inout OutputSpan<UInt8>) in
            output.append(name)
            output.append(Octet.colon)
            output.append(Octet.space)
            output.append(value)
            output.append(Octet.carriageReturn)
            output.append(Octet.lineFeed)
        }
        entries.append(
            Entry(
                nameStart: Int32(start), nameCount: Int32(name.count), valueStart: Int32(start + name.count + 2),
                valueCount: Int32(value.count), hash: Self.hash(of: name)))
        if isWireForm, FramingFields.contain(name) { isWireForm = false }
        return true
    }

    /// Adds all fields of `other`, in order.
    package mutating func append(contentsOf other: Fields) {
        guard !other.isEmpty, storage.count <= Int(Int32.max) / 4, other.storage.count <= Int(Int32.max) / 4
        else { return }
        if isEmpty {
            self = other
            return
        }
        let offset = Int32(storage.count)
        storage.append(contentsOf: other.storage)
        isWireForm = isWireForm && other.isWireForm
        for entry in other.entries {
            entries.append(
                Entry(
                    nameStart: entry.nameStart + offset, nameCount: entry.nameCount,
                    valueStart: entry.valueStart + offset, valueCount: entry.valueCount, hash: entry.hash))
        }
    }

    /// Removes every field with this name, then adds this one at the end.
    ///
    /// - Returns: false, and the fields are unaltered, where `append` would say so.
    @discardableResult
    package mutating func set(_ name: String, _ value: String) -> Bool {
        let present = count(of: name)
        guard append(name, value) else { return false }
        guard present > 0, let added = entries.popLast() else { return true }
        isWireForm = false
        remove(name)
        entries.append(added)
        return true
    }

    /// Removes every field with this name.
    package mutating func remove(_ name: String) {
        let hash = Self.hash(of: name)
        let kept = entries.indices.filter { !matches($0, name, hash) }
        guard kept.count < entries.count else { return }
        entries = kept.map { entries[$0] }
        isWireForm = false
    }
}

extension Fields: Sequence {
    /// Name, as written, and value of each field line in order.
    package struct Iterator: IteratorProtocol {
        private let fields: Fields
        private var index = 0

        init(_ fields: Fields) { self.fields = fields }

        package mutating func next() -> (name: String, value: String)? {
            guard index < fields.entries.count else { return nil }
            defer { index += 1 }
            let name = String(decoding: fields.storage.span.extracting(fields.entries[index].name))
            return (name, fields.value(at: index))
        }
    }

    package func makeIterator() -> Iterator { Iterator(self) }
}

extension Fields: ExpressibleByDictionaryLiteral {
    /// Fields in the order of the literal; what `append` refuses is left out.
    package init(dictionaryLiteral elements: (String, String)...) {
        self.init()
        for (name, value) in elements { append(name, value) }
    }
}

extension Fields {
    func value(at index: Int) -> String {
        String(decoding: storage.span.extracting(entries[index].value))
    }

    func firstIndex(of name: String) -> Int? {
        let hash = Self.hash(of: name)
        for index in entries.indices where matches(index, name, hash) { return index }
        return nil
    }

    @inline(__always)
    private func matches(_ index: Int, _ name: String, _ hash: UInt32) -> Bool {
        guard entries[index].hash == hash else { return false }
        return storage.span.extracting(entries[index].name).equalsIgnoringASCIICase(name)
    }

    /// Length, first and last letter of a name: enough to pass over nearly all others without a loop. It is not keyed:
    /// lookups are linear in at most `fieldsMax` entries, so collisions made on purpose gain nothing.
    @inline(__always)
    static func hash(of name: Span<UInt8>) -> UInt32 {
        guard !name.isEmpty else { return 0 }
        return UInt32(truncatingIfNeeded: name.count) << 16 | UInt32(name[0].asciiLowercased) << 8
            | UInt32(name[name.count - 1].asciiLowercased)
    }

    @inline(__always)
    static func hash(of name: String) -> UInt32 { hash(of: name.utf8.span) }
}

extension Span where Element == UInt8 {
    func equalsIgnoringASCIICase(_ text: String) -> Bool { equalsIgnoringASCIICase(text.utf8.span) }
}
