// SPDX-License-Identifier: Apache-2.0

import Bytes

extension Span<UInt8> {
    /// The eight bytes at `index`, which is not negative, as a number whose lowest byte is the first; zeros for what is behind
    /// the end.
    @inline(__always)
    func wordOrZeros(at index: Int) -> UInt64 {
        guard index <= count &- 8 else { return lastWord(at: index) }
        // In bounds: it is not negative, as all places in a text are, and its end was just compared with.
        return unsafe UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self))
    }

    /// The same, where there are fewer than eight bytes.
    @inline(never)
    private func lastWord(at index: Int) -> UInt64 {
        guard index < count else { return 0 }
        // Of the last eight those before `index` are shifted out.
        if count >= 8 { return word(at: count &- 8) &>> UInt64(8 &* (8 &- count &+ index)) }
        var word: UInt64 = 0
        for place in (index..<count).reversed() { word = word &<< 8 | UInt64(self[place]) }
        return word
    }
}
