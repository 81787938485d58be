// SPDX-License-Identifier: Apache-2.0

/// What a JSON value is.
@usableFromInline package enum JSONKind: UInt8, Sendable, CaseIterable {
    case null
    case bool
    case number
    case string
    case array
    case object
}

/// One value or name in the index ("tape") over a text: 16 bytes.
///
///     [1, {"a": "b"}]  →  array 0..<15 · number 1..<2 · object 4..<14 · string "a" · string "b"
///
/// Entries stand in the order of the text. An array is followed by its elements, an object by name, value, name, value…
@usableFromInline struct JSONEntry: Sendable {
    /// Offset of the first byte, quotes and brackets included.
    @usableFromInline var start: UInt32
    /// Offset behind the last byte.
    @usableFromInline var end: UInt32
    /// Of an array or object: the index of the entry behind its last one; while it is open, the index of the container
    /// around it. Of a string: the number of its bytes after unescaping. Otherwise 0.
    @usableFromInline var extent: UInt32
    /// Bits 0–2 the kind, bit 3 the flag, bits 4–31 the count or, of a name, the mark.
    @usableFromInline var tag: UInt32

    init(_ kind: JSONKind, start: Int, end: Int, extent: UInt32 = 0, flag: Bool = false) {
        self.start = UInt32(truncatingIfNeeded: start)
        self.end = UInt32(truncatingIfNeeded: end)
        self.extent = extent
        tag = UInt32(kind.rawValue) | (flag ? 8 : 0)
    }

    /// A string without escapes, from quote to quote.
    @inline(__always)
    init(plain start: Int, _ quote: Int) {
        self.start = UInt32(truncatingIfNeeded: start)
        end = UInt32(truncatingIfNeeded: quote &+ 1)
        extent = UInt32(truncatingIfNeeded: quote &- start &- 1)
        tag = UInt32(JSONKind.string.rawValue)
    }

    @inlinable @inline(__always) var kind: JSONKind {
        // By cases, which become one comparison: making it of its number goes through an optional.
        switch tag & 7 {
        case 1: .bool
        case 2: .number
        case 3: .string
        case 4: .array
        case 5: .object
        default: .null
        }
    }

    /// Sets a name's mark: a look-up passes over it by one comparison, unless its mark is the one wanted.
    mutating func setMark(_ mark: UInt32) { tag |= mark &<< 4 }

    /// Length, first and last byte of a name without escapes in 28 bits. It is not keyed: a look-up goes through its object
    /// in any case, and a mark that agrees only costs a comparison.
    @inline(__always)
    static func mark(_ name: Span<UInt8>) -> UInt32 { mark(name, from: 0, to: name.count) }

    /// The same of a part of a text.
    @inline(__always)
    static func mark(_ text: Span<UInt8>, from start: Int, to end: Int) -> UInt32 {
        guard start < end else { return 0 }
        precondition(start >= 0 && end <= text.count, "a part of this text")
        // In bounds: it is a part of the text, and not empty.
        let (first, last) = unsafe (text[unchecked: start], text[unchecked: end &- 1])
        return (UInt32(truncatingIfNeeded: end &- start) & 0xFFF) &<< 16 | UInt32(first) &<< 8 | UInt32(last)
    }

    /// Of a name.
    @inlinable @inline(__always) var mark: UInt32 { tag &>> 4 }

    /// Of a name: whether it can be one with this mark. What has escapes is only known when they are read.
    func mayBeName(_ mark: UInt32) -> Bool { tag &>> 4 == mark || flag }

    /// Of a name without escapes: whether it can be the same as another.
    func hasMark(of other: JSONEntry) -> Bool { tag == other.tag && extent == other.extent }

    /// It is an array or an object.
    @inlinable @inline(__always) var isContainer: Bool { tag & 7 >= UInt32(JSONKind.array.rawValue) }

    /// The index behind this value, which stands at `index`, and all within it.
    @inlinable @inline(__always) func following(_ index: UInt32) -> UInt32 { isContainer ? extent : index &+ 1 }

    /// Of a string: it has escapes. Of a number: it has neither fraction nor exponent. Of a bool: it is true.
    @inlinable @inline(__always) var flag: Bool { tag & 8 != 0 }

    /// Elements of an array, members of an object.
    @inlinable @inline(__always) var count: Int { Int(tag >> 4) }

    /// Sets the elements or members, below 2^28.
    mutating func setCount(_ count: UInt32) { tag = tag & 0xF | count &<< 4 }

    @inlinable @inline(__always) var range: Range<Int> { Int(start)..<Int(end) }

    /// Of a string: its bytes without the quotes.
    var content: Range<Int> { (Int(start) &+ 1)..<(Int(end) &- 1) }
}
