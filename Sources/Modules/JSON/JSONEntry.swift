// SPDX-License-Identifier: Apache-2.0

/// What a JSON value is.
package enum JSONKind: UInt8, Sendable, CaseIterable {
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
struct JSONEntry: Sendable {
    /// Offset of the first byte, quotes and brackets included.
    var start: UInt32
    /// Offset behind the last byte.
    var end: UInt32
    /// Of an array or object: the index of the entry behind its last one; while it is open, the index of the container
    /// around it. Of a string: the number of its bytes after unescaping. Otherwise 0.
    var extent: UInt32
    /// Bits 0–2 the kind, bit 3 the flag, bits 4–31 the count.
    private var tag: UInt32

    init(_ kind: JSONKind, start: Int, end: Int, extent: UInt32 = 0, flag: Bool = false) {
        self.start = UInt32(truncatingIfNeeded: start)
        self.end = UInt32(truncatingIfNeeded: end)
        self.extent = extent
        tag = UInt32(kind.rawValue) | (flag ? 8 : 0)
    }

    var kind: JSONKind { JSONKind(rawValue: UInt8(truncatingIfNeeded: tag & 7)) ?? .null }

    /// It is an array or an object.
    var isContainer: Bool { tag & 7 >= UInt32(JSONKind.array.rawValue) }

    /// The index behind this value, which stands at `index`, and all within it.
    func following(_ index: UInt32) -> UInt32 { isContainer ? extent : index &+ 1 }

    /// Of a string: it has escapes. Of a number: it has neither fraction nor exponent. Of a bool: it is true.
    var flag: Bool { tag & 8 != 0 }

    /// Elements of an array, members of an object.
    var count: Int { Int(tag >> 4) }

    /// Counts one more element or member; the scanner's limit on values keeps it below 28 bits.
    mutating func countOneMore() { tag &+= 16 }

    var range: Range<Int> { Int(start)..<Int(end) }

    /// Of a string: its bytes without the quotes.
    var content: Range<Int> { (Int(start) &+ 1)..<(Int(end) &- 1) }
}
