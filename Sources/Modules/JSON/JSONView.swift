// SPDX-License-Identifier: Apache-2.0

import Bytes

/// A document lent for one reading: values are named by their places in the index, the root by 0, and no reference is
/// counted. What `JSONNode` does for code that keeps values, this does for code that looks at every request.
///
/// Asking a value for something of another kind gives nil or nothing. A place that is none of the document's stops the
/// process; all are given out here.
@usableFromInline package struct JSONView: ~Escapable {
    @usableFromInline let entries: Span<JSONEntry>
    @usableFromInline let bytes: Span<UInt8>

    @_lifetime(copy entries, copy bytes)
    @usableFromInline
    init(_ entries: Span<JSONEntry>, _ bytes: Span<UInt8>) {
        self.entries = entries
        self.bytes = bytes
    }

    @inlinable @inline(__always) package func kind(of place: Int) -> JSONKind { entries[place].kind }

    /// Elements of an array, members of an object; 0 for anything else.
    @inlinable @inline(__always) package func count(of place: Int) -> Int {
        entries[place].isContainer ? entries[place].count : 0
    }

    @inlinable @inline(__always) package func isNull(_ place: Int) -> Bool { entries[place].kind == .null }

    @inlinable @inline(__always) package func bool(_ place: Int) -> Bool? {
        let entry = entries[place]
        return entry.kind == .bool ? entry.flag : nil
    }

    /// As `JSONNode.int`.
    package func int(_ place: Int) -> Int? {
        let entry = entries[place]
        guard entry.kind == .number, entry.flag else { return nil }
        return JSONNumber.int(bytes.extracting(entry.range))
    }

    /// As `JSONNode.double`.
    package func double(_ place: Int) -> Double? {
        let entry = entries[place]
        return entry.kind == .number ? JSONNumber.double(bytes.extracting(entry.range)) : nil
    }

    /// As `JSONNode.stringByteCount`.
    @inlinable @inline(__always) package func stringByteCount(_ place: Int) -> Int? {
        let entry = entries[place]
        return entry.kind == .string ? Int(entry.extent) : nil
    }

    /// The text of a string, unescaped.
    package func string(_ place: Int) -> String? {
        let entry = entries[place]
        guard entry.kind == .string else { return nil }
        let content = bytes.extracting(entry.content)
        return entry.flag ? String(decoding: JSONString.unescape(content), as: UTF8.self) : String(decoding: content)
    }

    /// Lends the bytes of a string without escapes; nil, without calling `body`, for anything else.
    package func withPlainString<Result>(_ place: Int, _ body: (Span<UInt8>) -> Result) -> Result? {
        let entry = entries[place]
        guard entry.kind == .string, !entry.flag else { return nil }
        return body(bytes.extracting(entry.content))
    }

    /// True if a string, or a name, says the word.
    package func string(_ place: Int, says word: JSONWord) -> Bool {
        let entry = entries[place]
        guard entry.kind == .string, Int(entry.extent) == Int(word.count) else { return false }
        guard entry.flag else { return word.stands(in: bytes, at: Int(entry.start) &+ 1) }
        let unescaped = JSONString.unescape(bytes.extracting(entry.content))
        return word.stands(in: unescaped.span, at: 0)
    }

    /// True if a string says `text`.
    package func string(_ place: Int, equals text: Span<UInt8>) -> Bool {
        let entry = entries[place]
        guard entry.kind == .string, Int(entry.extent) == text.count else { return false }
        return JSONString.content(bytes.extracting(entry.content), isEscaped: entry.flag, equals: text)
    }

    /// True if a string says `text`.
    package func string(_ place: Int, equals text: StaticString) -> Bool {
        // A literal's memory lives as long as the program.
        let text = unsafe UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        return unsafe string(place, equals: text.span)
    }

    /// The whole text.
    package var text: Span<UInt8> {
        @_lifetime(copy self) get { bytes }
    }

    /// The value's bytes in the text, with quotes, brackets and all between them.
    @inlinable @inline(__always) package func range(of place: Int) -> Range<Int> { entries[place].range }

    /// The bytes from the end of the member before to the end of this value, so with the comma and the name: what to leave
    /// out for the object to be without it. nil for the first member, which has its comma behind it.
    package func rangeBehindPrevious(_ value: Int, in object: Int) -> Range<Int>? {
        var previous = object
        var place = object &+ 2
        while place < value {
            previous = place
            place = following(place) &+ 1
        }
        guard previous > object, place == value else { return nil }
        return entries[previous].range.upperBound..<entries[value].range.upperBound
    }

    /// The places within an array or object are those behind its own and before this one; for another kind there are none.
    /// An array's elements follow each other, of an object's members a value follows its name.
    @inlinable @inline(__always) package func end(of place: Int) -> Int {
        let entry = entries[place]
        return entry.isContainer ? Int(entry.extent) : place &+ 1
    }

    /// A name's mark: names of one text have one mark. With escapes it is unknown.
    @inlinable @inline(__always) package func mark(ofName place: Int) -> UInt32? {
        let entry = entries[place]
        return entry.flag ? nil : entry.mark
    }

    /// The value of the last member of that name; nil if there is none or the place holds no object.
    func value(of name: Span<UInt8>, in object: Int) -> Int? {
        value(marked: JSONEntry.mark(name), in: object) { string($0, equals: name) }
    }

    /// The value of the last member of that name; nil if there is none or the place holds no object.
    package func value(of name: JSONWord, in object: Int) -> Int? {
        value(marked: name.mark, in: object) { string($0, says: name) }
    }

    /// The same; `isNamed` compares a name whose mark does not tell.
    @inline(__always)
    private func value(marked mark: UInt32, in object: Int, _ isNamed: (Int) -> Bool) -> Int? {
        let container = entries[object]
        guard container.kind == .object else { return nil }
        let end = Int(container.extent)
        var found: Int?
        var place = object &+ 1
        while place < end {
            if entries[place].mayBeName(mark), isNamed(place) { found = place &+ 1 }
            place = following(place &+ 1)
        }
        return found
    }

    /// The values of the last members of those names, in the order of the names; 0 for those it has not, and for all where
    /// the place holds no object. One walk for all of them: what is asked of every body.
    package func values(of names: MemberNames, in object: Int) -> SIMD8<Int32> {
        var found = SIMD8<Int32>()
        let container = entries[object]
        guard container.kind == .object else { return found }
        let end = Int(container.extent)
        var place = object &+ 1
        while place < end {
            let entry = entries[place]
            if entry.flag {
                for index in names.words.indices where string(place, says: names.words[index]) {
                    found[index] = Int32(truncatingIfNeeded: place &+ 1)
                }
            } else if let index = names.index(of: entry, in: bytes) {
                found[index] = Int32(truncatingIfNeeded: place &+ 1)
            }
            place = following(place &+ 1)
        }
        return found
    }

    @inline(__always)
    private func following(_ place: Int) -> Int {
        let entry = entries[place]
        return entry.isContainer ? Int(entry.extent) : place &+ 1
    }
}

extension JSONDocument {
    /// Lends the document to `body`.
    @inlinable @inline(__always)
    package func read<Result, Failure: Error>(_ body: (JSONView) throws(Failure) -> Result) throws(Failure) -> Result {
        try body(storage.view)
    }

    /// Reads a text as ``init(parsing:limits:strictness:)`` does and lends it to `body`, for what need not be kept.
    package static func read<Result>(
        _ bytes: [UInt8], limits: JSONLimits, strictness: JSONStrictness, _ body: (JSONView) -> Result
    ) throws(JSONError) -> Result {
        try read(bytes.span, limits: limits, strictness: strictness, body)
    }

    /// The same for a part of a text.
    package static func read<Result>(
        _ bytes: Span<UInt8>, limits: JSONLimits, strictness: JSONStrictness, _ body: (JSONView) -> Result
    ) throws(JSONError) -> Result {
        let tape = try JSONScanner.scan(bytes, limits: limits, strictness: strictness)
        return tape.withSpan { entries in body(JSONView(entries, bytes)) }
    }
}

extension JSONNode {
    /// Lends its document to `body`, with its place in it.
    package func read<Result, Failure: Error>(
        _ body: (JSONView, Int) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(storage.view, Int(index))
    }
}
