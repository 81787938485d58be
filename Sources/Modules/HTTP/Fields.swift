// SPDX-License-Identifier: Apache-2.0

import Bytes

/// The header fields of a message, in order. Names are compared without regard to case (RFC 9110 §5.1); values are kept
/// byte for byte.
///
/// One array holds all bytes and another the places of names and values in it. A parsed message keeps the bytes it was
/// read from. What is appended stands there as it does in a message, so that the fields of an answer are written by
/// copying them once; where each stands is found out only when somebody asks, which for an answer nobody does.
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
        let known: FieldName

        var name: Range<Int> { Int(nameStart)..<(Int(nameStart) &+ Int(nameCount)) }
        var value: Range<Int> { Int(valueStart)..<(Int(valueStart) &+ Int(valueCount)) }
    }

    private(set) var storage: [UInt8]
    /// Empty in wire form, where `entries` finds them.
    private var table: [Entry]
    /// Bits of the known names that stand in `table`, and of those that do more than once.
    private var present: UInt32 = 0
    private var repeated: UInt32 = 0
    /// True while the storage is nothing but the fields in order, each as `name: value` and a line end, and none of them
    /// is the message writer's own (`FramingFields`).
    private(set) var isWireForm: Bool

    /// No fields.
    package init() {
        storage = []
        table = []
        isWireForm = true
    }

    /// For the parser, which has checked the entries against the storage.
    init(storage: [UInt8], entries: [Entry], _ present: UInt32, _ repeated: UInt32) {
        self.storage = storage
        table = entries
        isWireForm = false
        (self.present, self.repeated) = (present, repeated)
    }

    /// Adds an entry of the storage at the end, for the parser.
    mutating func note(new entry: Entry) {
        table.append(entry)
        note(entry)
    }

    /// Where the fields stand, in order.
    var entries: [Entry] { isWireForm ? Self.entries(inWireForm: storage.span) : table }

    /// Lends itself to `body`. It changes nothing: fields that are read out of an object by what does not say so are counted as
    /// held meanwhile.
    package mutating func lend<Result, Failure: Error>(
        _ body: (borrowing Fields) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(self)
    }

    /// Makes room for so many more bytes.
    package mutating func reserve(bytes: Int) {
        storage.reserveCapacity(storage.count + bytes)
    }

    /// No fewer bytes than the lines take when they are written: a parsed one may lack the space behind its colon.
    var lineBytesMax: Int { storage.count + (isWireForm ? 0 : table.count) }

    /// The number of field lines.
    package var count: Int { entries.count }

    /// True without any field line.
    package var isEmpty: Bool { isWireForm ? storage.isEmpty : table.isEmpty }

    /// The value of the first field with this name. Bytes that are not UTF-8 appear as U+FFFD.
    package subscript(_ name: String) -> String? {
        withValue(of: name) { String(decoding: $0) }
    }

    /// The value of the first field with this name. Bytes that are not UTF-8 appear as U+FFFD.
    package subscript(_ name: FieldName) -> String? {
        withValue(of: name) { String(decoding: $0) }
    }

    /// The values of all fields with this name, in order.
    package func all(_ name: String) -> [String] {
        let hash = Self.hash(of: name)
        return entries.filter { matches($0, name, hash) }.map { text($0.value) }
    }

    /// The values of all fields with this name, in order.
    package func all(_ name: FieldName) -> [String] {
        let entries = entries
        var values: [String] = []
        for index in entries.indices where entries[index].known == name { values.append(text(entries[index].value)) }
        return values
    }

    /// True if there is a field with this name.
    package func contains(_ name: String) -> Bool {
        firstPlace(of: name) != nil
    }

    /// True if there is a field with this name.
    package func contains(_ name: FieldName) -> Bool {
        isWireForm ? countStepwise(name) > 0 : present & name.bit != 0
    }

    /// The number of fields with this name.
    package func count(of name: String) -> Int {
        let hash = Self.hash(of: name)
        return entries.count { matches($0, name, hash) }
    }

    /// The number of fields with this name.
    package func count(of name: FieldName) -> Int {
        guard !isWireForm, repeated & name.bit == 0 else { return countStepwise(name) }
        return present & name.bit == 0 ? 0 : 1
    }

    @inline(never)
    private func countStepwise(_ name: FieldName) -> Int {
        guard !isWireForm || !name.isFraming else { return 0 }
        let entries = entries
        var count = 0
        for index in entries.indices where entries[index].known == name { count &+= 1 }
        return count
    }

    /// True if a comma-separated list in one of the fields with this name has the element `token`, compared without
    /// regard to case (`connection: keep-alive, close`).
    package func contains(token: StaticString, in name: String) -> Bool {
        let hash = Self.hash(of: name)
        return entries.contains { matches($0, name, hash) && lists($0, token) }
    }

    /// The same.
    package func contains(token: StaticString, in name: FieldName) -> Bool {
        guard let first = firstPlace(of: name) else { return false }
        if lists(first, token) { return true }
        guard repeated & name.bit != 0 || isWireForm else { return false }
        return entries.contains { $0.known == name && lists($0, token) }
    }

    private func lists(_ entry: Entry, _ token: StaticString) -> Bool { lists(entry.value, token) }

    private func lists(_ place: Range<Int>, _ token: StaticString) -> Bool {
        let value = storage.span.extracting(place)
        var isFound = false
        value.forEachListElement { isFound = isFound || value.extracting($0).equalsIgnoringASCIICase(token) }
        return isFound
    }

    /// Lends the value's bytes of the first field with this name to `body`; nil without calling it if there is none.
    package func withValue<Result>(of name: String, _ body: (Span<UInt8>) -> Result) -> Result? {
        guard let place = firstPlace(of: name) else { return nil }
        return body(storage.span.extracting(place))
    }

    /// Lends the value's bytes of the first field with this name to `body`; nil without calling it if there is none.
    package func withValue<Result>(of name: FieldName, _ body: (Span<UInt8>) -> Result) -> Result? {
        guard let place = firstPlace(of: name) else { return nil }
        return body(storage.span.extracting(place))
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

    /// Adds lines that need no check any more, of so many bytes at most; in wire form only.
    @inline(__always)
    mutating func appendLines(_ countMax: Int, _ body: (inout OutputSpan<UInt8>) -> Void) -> Bool {
        guard storage.count <= Int(Int32.max) / 4 else { return false }
        storage.append(addingCapacity: countMax, initializingWith: body)
        return true
    }

    mutating func append(_ name: Span<UInt8>, _ value: Span<UInt8>) -> Bool {
        guard name.isToken, value.isFieldContent,
            name.count <= Int(Int32.max) / 4, value.count <= Int(Int32.max) / 4, storage.count <= Int(Int32.max) / 4
        else { return false }
        if isWireForm, FramingFields.contain(name) { leaveWireForm() }
        let start = storage.count
        storage.append(addingCapacity: name.count + value.count + 4) { line in
            line.append(name)
            line.append(utf8: ": ")
            line.append(value)
            line.append(utf8: "\r\n")
        }
        if !isWireForm {
            let entry = Entry(name, FieldName(of: name), at: start, valueAt: start + name.count + 2, count: value.count)
            note(new: entry)
        }
        return true
    }

    /// Adds all fields of `other`, in order.
    // Not in line: the arrays of what is added would be counted as held meanwhile.
    @inline(never)
    package mutating func append(contentsOf other: Fields) {
        guard !other.isEmpty, storage.count <= Int(Int32.max) / 4, other.storage.count <= Int(Int32.max) / 4
        else { return }
        if isEmpty, !other.isWireForm {
            self = other
            return
        }
        if !isWireForm || !other.isWireForm {
            leaveWireForm()
            let offset = Int32(storage.count)
            table += other.entries.map { $0.moved(by: offset) }
            noteNames()
        }
        storage.append(other.storage.span)
    }

    /// Removes every field with this name, then adds this one at the end.
    ///
    /// - Returns: false, and the fields are unaltered, where `append` would say so.
    @discardableResult
    package mutating func set(_ name: String, _ value: String) -> Bool {
        let present = count(of: name)
        guard append(name, value) else { return false }
        guard present > 0 else { return true }
        leaveWireForm()
        guard let added = table.popLast() else { return true }
        remove(name)
        table.append(added)
        noteNames()
        return true
    }

    /// Removes every field with this name.
    package mutating func remove(_ name: String) {
        guard contains(name) else { return }
        leaveWireForm()
        let hash = Self.hash(of: name)
        table = table.filter { !matches($0, name, hash) }
        noteNames()
    }
}

// Where the fields stand.
extension Fields {
    private mutating func leaveWireForm() {
        guard isWireForm else { return }
        table = entries
        isWireForm = false
        noteNames()
    }

    private mutating func noteNames() {
        present = 0
        repeated = 0
        for index in table.indices { note(table[index]) }
    }

    private mutating func note(_ entry: Entry) {
        let bit = entry.known.bit
        repeated |= present & bit
        present |= bit
    }

    /// Finds the fields in what `append` has written: a name without a colon, a value without a line end.
    private static func entries(inWireForm bytes: Span<UInt8>) -> [Entry] {
        var entries: [Entry] = []
        var start = 0
        while let colon = bytes.firstIndex(of: Octet.colon, from: start),
            let lineFeed = bytes.firstIndex(of: Octet.lineFeed, from: colon)
        {
            let name = bytes.extracting(start..<colon)
            entries.append(
                Entry(name, FieldName(of: name), at: start, valueAt: colon + 2, count: lineFeed - colon - 3))
            start = lineFeed + 1
        }
        return entries
    }

    private func text(_ range: Range<Int>) -> String { String(decoding: storage.span.extracting(range)) }

    /// Where the value of the first field with this name stands. The table is looked at where it is: handed on, it would be
    /// counted as one holder more for each question.
    private func firstPlace(of name: String) -> Range<Int>? {
        let hash = Self.hash(of: name)
        guard !isWireForm else { return entries.first { matches($0, name, hash) }?.value }
        for index in table.indices where matches(table[index], name, hash) { return table[index].value }
        return nil
    }

    func firstPlace(of name: FieldName) -> Range<Int>? {
        // In wire form there are no framing fields, which are what most questions are about.
        guard !isWireForm else { return name.isFraming ? nil : entries.first { $0.known == name }?.value }
        guard present & name.bit != 0 else { return nil }
        for index in table.indices where table[index].known == name { return table[index].value }
        return nil
    }

    @inline(__always)
    private func matches(_ entry: Entry, _ name: String, _ hash: UInt32) -> Bool {
        guard entry.hash == hash else { return false }
        return storage.span.extracting(entry.name).equalsIgnoringASCIICase(name.utf8.span)
    }

    /// Length, first and last letter of a name: enough to pass over nearly all others without a loop. It is not keyed:
    /// lookups are linear in at most `fieldsMax` entries, so collisions made on purpose gain nothing.
    @inline(__always)
    fileprivate static func hash(of name: Span<UInt8>) -> UInt32 {
        guard !name.isEmpty else { return 0 }
        // This bit tells the cases of letters apart.
        return UInt32(truncatingIfNeeded: name.count) << 16 | UInt32(name[0] | 0x20) << 8
            | UInt32(name[name.count &- 1] | 0x20)
    }

    @inline(__always)
    private static func hash(of name: String) -> UInt32 { hash(of: name.utf8.span) }
}

extension Fields.Entry {
    /// The numbers are no greater than `Int32.max`, which whoever makes an entry has checked.
    @inline(__always)
    init(_ name: Span<UInt8>, _ known: FieldName, at start: Int, valueAt valueStart: Int, count: Int) {
        nameStart = Int32(truncatingIfNeeded: start)
        nameCount = Int32(truncatingIfNeeded: name.count)
        self.valueStart = Int32(truncatingIfNeeded: valueStart)
        valueCount = Int32(truncatingIfNeeded: count)
        hash = Fields.hash(of: name)
        self.known = known
    }

    private init(_ other: Self, movedBy offset: Int32) {
        nameStart = other.nameStart + offset
        nameCount = other.nameCount
        valueStart = other.valueStart + offset
        valueCount = other.valueCount
        hash = other.hash
        known = other.known
    }

    fileprivate func moved(by offset: Int32) -> Self { Self(self, movedBy: offset) }
}

extension Fields: Sequence {
    /// Name, as written, and value of each field line in order.
    package struct Iterator: IteratorProtocol {
        private let fields: Fields
        private let entries: [Entry]
        private var index = 0

        init(_ fields: Fields) {
            self.fields = fields
            entries = fields.entries
        }

        package mutating func next() -> (name: String, value: String)? {
            guard index < entries.count else { return nil }
            defer { index += 1 }
            return (fields.text(entries[index].name), fields.text(entries[index].value))
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
