// SPDX-License-Identifier: Apache-2.0

import Bytes

/// A name or value to compare with, laid out once, eight bytes to a number, so that a comparison is one of numbers. It has
/// no reference in it and is copied for nothing.
package struct JSONWord: Sendable {
    /// The longest, in bytes: longer names are no protocol's.
    package static let bytesMax = 48

    /// What an index keeps of a name without escapes (`JSONView.mark(ofName:)`).
    package let mark: UInt32
    @usableFromInline let count: Int32
    /// The first byte in the lowest; what is missing is 0.
    private let words: [6 of UInt64]

    /// - Parameter text: of ours, of at most ``bytesMax`` bytes.
    package init(_ text: Span<UInt8>) {
        precondition(text.count <= Self.bytesMax, "a word to compare with is short")
        mark = JSONEntry.mark(text)
        count = Int32(text.count)
        var words: [6 of UInt64] = .init(repeating: 0)
        for index in 0..<text.count { words[index / 8] |= UInt64(text[index]) &<< UInt64(8 * (index % 8)) }
        self.words = words
    }

    package init(_ text: StaticString) {
        // A literal's memory lives as long as the program.
        let bytes = unsafe UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        unsafe self.init(bytes.span)
    }

    /// Whether the word stands at `start`.
    @inline(__always)
    func stands(in bytes: Span<UInt8>, at start: Int) -> Bool {
        var (place, left, index) = (start, Int(count), 0)
        while bytes.count &- place >= 8 {
            let difference = bytes.word(at: place) ^ words[index]
            // Of the last eight bytes only the word's own count, the low ones; of none, none.
            if left <= 8 { return difference << UInt64(64 &- 8 &* left) == 0 }
            guard difference == 0 else { return false }
            (place, left, index) = (place &+ 8, left &- 8, index &+ 1)
        }
        return standsAtEnd(of: bytes, at: start)
    }

    /// The same byte by byte, where a text ends before eight more.
    private func standsAtEnd(of bytes: Span<UInt8>, at start: Int) -> Bool {
        guard bytes.count &- start >= Int(count) else { return false }
        for index in 0..<Int(count) {
            let byte = words[index / 8] &>> UInt64(8 * (index % 8)) & 0xFF
            guard UInt64(bytes[start &+ index]) == byte else { return false }
        }
        return true
    }
}

/// Up to eight names to look for at once.
package final class MemberNames: Sendable {
    /// In the order in which they are asked for.
    let words: [JSONWord]
    /// The number of a name, from 1, in the slot of its mark or the next one that was free; 0 in the others, and most.
    private let slots: [UInt8]

    private static let slotCount = 32

    package init(_ names: StaticString...) {
        precondition(names.count <= 8, "eight names are looked for at once at most")
        var slots = [UInt8](repeating: 0, count: Self.slotCount)
        words = names.map { JSONWord($0) }
        for index in words.indices {
            var slot = Self.slot(words[index].mark)
            while slots[slot] != 0 { slot = (slot &+ 1) & (Self.slotCount &- 1) }
            slots[slot] = UInt8(index &+ 1)
        }
        self.slots = slots
    }

    @inline(__always)
    private static func slot(_ mark: UInt32) -> Int { Int((mark &* 0x9E37_79B1) &>> 27) }

    /// Which of them a name without escapes is; nil for none.
    @inline(__always)
    func index(of name: JSONEntry, in bytes: Span<UInt8>) -> Int? {
        var slot = Self.slot(name.mark)
        while slots[slot] != 0 {
            let index = Int(slots[slot]) &- 1
            // A mark has twelve bits of the length: a very long name may have that of a short one.
            if words[index].mark == name.mark, words[index].count == Int(name.extent),
                words[index].stands(in: bytes, at: Int(name.start) &+ 1)
            {
                return index
            }
            slot = (slot &+ 1) & (Self.slotCount &- 1)
        }
        return nil
    }
}
