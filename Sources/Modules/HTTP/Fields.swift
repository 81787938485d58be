// SPDX-License-Identifier: Apache-2.0

import Bytes

/// The header fields of a message, in order. Names are compared without regard to case (RFC 9110 §5.1); values are kept
/// byte for byte.
///
/// One array holds all bytes (for a parsed message: its whole head) and another the places of names and values in it,
/// so a head of twenty fields costs two allocations.
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

        var name: Range<Int> { Int(nameStart)..<Int(nameStart + nameCount) }
        var value: Range<Int> { Int(valueStart)..<Int(valueStart + valueCount) }
    }

    private(set) var storage: [UInt8]
    private(set) var entries: [Entry]

    /// No fields.
    package init() {
        storage = []
        entries = []
    }

    /// For the parser, which has checked the entries against the storage.
    init(storage: [UInt8], entries: [Entry]) {
        self.storage = storage
        self.entries = entries
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
        return entries.indices.filter { matches($0, name, hash) }.map(value(at:))
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
        guard name.utf8.allSatisfy(CharacterSet128.token.contains), !name.isEmpty,
            value.utf8.allSatisfy(\.isFieldContent),
            storage.count + name.utf8.count + value.utf8.count <= Int(Int32.max)
        else { return false }
        let start = storage.count
        storage.append(utf8: name)
        let valueStart = storage.count
        storage.append(utf8: value)
        entries.append(
            Entry(
                nameStart: Int32(start), nameCount: Int32(valueStart - start), valueStart: Int32(valueStart),
                valueCount: Int32(storage.count - valueStart), hash: Self.hash(of: name)))
        return true
    }

    /// Adds a field with a number.
    @discardableResult
    package mutating func append(_ name: String, _ value: Int) -> Bool {
        append(name, String(value))
    }

    /// Adds all fields of `other`, in order.
    package mutating func append(contentsOf other: Fields) {
        guard storage.count + other.storage.count <= Int(Int32.max) else { return }
        let offset = Int32(storage.count)
        storage.append(contentsOf: other.storage)
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

    /// One step of the hash of a name. It is not keyed: lookups are linear in at most `fieldsMax` entries, so collisions
    /// made on purpose gain nothing.
    @inline(__always)
    static func hash(_ hash: UInt32, _ byte: UInt8) -> UInt32 {
        (hash &* 31) &+ UInt32(byte.asciiLowercased)
    }

    static func hash(of name: String) -> UInt32 {
        var value: UInt32 = 0
        for byte in name.utf8 { value = hash(value, byte) }
        return value
    }
}

extension Span where Element == UInt8 {
    func equalsIgnoringASCIICase(_ text: String) -> Bool {
        guard count == text.utf8.count else { return false }
        var index = 0
        for byte in text.utf8 {
            guard self[index].asciiLowercased == byte.asciiLowercased else { return false }
            index &+= 1
        }
        return true
    }

    func equalsIgnoringASCIICase(_ text: StaticString) -> Bool {
        // A literal's memory lives as long as the program.
        let literal = unsafe UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        guard count == literal.count else { return false }
        for index in 0..<count where unsafe self[index].asciiLowercased != literal[index].asciiLowercased {
            return false
        }
        return true
    }
}
