// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Looking for two equal names in one object, in time linear in its bytes whatever the client sends.
///
/// Few names without escapes are compared in pairs. Otherwise each is hashed, with the seed that the process drew at its
/// start (SipHash, so equal hashes cannot be made from outside), into a table that is at most half full.
enum JSONNames {
    /// Up to this many names are compared in pairs.
    static let pairwiseMax = 12

    /// The offset of a name that stood before in the same object, or nil.
    ///
    /// - Parameter object: index of the object's entry; all entries behind it belong to it.
    /// - Parameter count: of its members, two at least.
    static func duplicate(in entries: Span<JSONEntry>, object: Int, count: Int, _ bytes: Span<UInt8>) -> Int? {
        guard count <= pairwiseMax else { return hashed(entries, object, bytes, count: count) }
        // A bit for each name so far, by its mark: names of different bits are different.
        var seen: UInt64 = 0
        var index = object &+ 1
        while index < entries.count {
            let name = entries[index]
            if name.flag { return hashed(entries, object, bytes, count: count) }
            let bit: UInt64 = 1 &<< UInt64((name.tag &* 0x9E37_79B1) &>> 26)
            if seen & bit != 0, stands(name, before: index, entries, object, bytes) { return Int(name.start) }
            seen |= bit
            index = following(index, entries)
        }
        return nil
    }

    /// The index of the name behind the member whose name is at `index`.
    private static func following(_ index: Int, _ entries: Span<JSONEntry>) -> Int {
        let value = entries[index &+ 1]
        return value.isContainer ? Int(value.extent) : index &+ 2
    }

    /// Whether the name at `end`, like those before it without escapes, stands in the object before it.
    private static func stands(
        _ name: JSONEntry, before end: Int, _ entries: Span<JSONEntry>, _ object: Int, _ bytes: Span<UInt8>
    ) -> Bool {
        var index = object &+ 1
        while index < end {
            // Without escapes names are equal only where their marks are.
            if entries[index].hasMark(of: name),
                equal(bytes.extracting(entries[index].content), bytes.extracting(name.content))
            {
                return true
            }
            index = following(index, entries)
        }
        return false
    }

    private static func hashed(
        _ entries: Span<JSONEntry>, _ object: Int, _ bytes: Span<UInt8>, count: Int
    ) -> Int? {
        // A slot is empty (0) or 32 bits of the hash and, as no name is the first entry, the index of a name.
        let slots = 1 << (Int.bitWidth - (2 * count - 1).leadingZeroBitCount)
        var table = [UInt64](repeating: 0, count: slots)
        var index = object &+ 1
        while index < entries.count {
            let hash = hash(entries[index], bytes)
            let mark = hash & 0xFFFF_FFFF_0000_0000 | UInt64(index)
            var slot = Int(truncatingIfNeeded: hash) & (slots - 1)
            while table[slot] != 0 {
                if (table[slot] ^ mark) >> 32 == 0,
                    equal(entries[Int(table[slot] & 0xFFFF_FFFF)], entries[index], bytes)
                {
                    return Int(entries[index].start)
                }
                slot = (slot + 1) & (slots - 1)
            }
            table[slot] = mark
            index = following(index, entries)
        }
        return nil
    }

    private static func hash(_ name: JSONEntry, _ bytes: Span<UInt8>) -> UInt64 {
        var hasher = Hasher()
        func combine(_ span: Span<UInt8>) {
            // The pointer lives within the closure, and the hasher has read all of it when it returns.
            unsafe span.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
        }
        let content = bytes.extracting(name.content)
        if name.flag {
            let unescaped = JSONString.unescape(content)
            combine(unescaped.span)
        } else {
            combine(content)
        }
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }

    /// True if two names are equal after unescaping.
    static func equal(_ first: JSONEntry, _ second: JSONEntry, _ bytes: Span<UInt8>) -> Bool {
        guard first.extent == second.extent else { return false }
        let firstContent = bytes.extracting(first.content)
        let secondContent = bytes.extracting(second.content)
        guard first.flag || second.flag else { return equal(firstContent, secondContent) }
        return JSONString.unescape(firstContent) == JSONString.unescape(secondContent)
    }

    private static func equal(_ first: Span<UInt8>, _ second: Span<UInt8>) -> Bool {
        guard first.count == second.count else { return false }
        for index in 0..<first.count where first[index] != second[index] { return false }
        return true
    }
}
