// SPDX-License-Identifier: Apache-2.0

public import Glibc

extension Span where Element == UInt8 {
    /// The offset of the first `byte` at or behind `start`, or nil. memchr(3)
    @inlinable package func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
        guard start >= 0, start < count else { return nil }
        // `start` is in bounds, and memchr reads `count - start` bytes behind it while the closure runs.
        return unsafe withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress,
                let found = unsafe memchr(base + start, CInt(byte), buffer.count - start)
            else { return nil }
            return unsafe UnsafeRawPointer(found) - base
        }
    }

    /// The range of the first occurrence of `needle` at or behind `start`, or nil; an empty needle is found nowhere.
    ///
    /// Candidates are found by the needle's first byte and compared in place: quick for the needles of protocols, whose
    /// length is bounded by the caller; work is at most `count` times the needle's length.
    package func firstRange(of needle: Span<UInt8>, from start: Int = 0) -> Range<Int>? {
        guard !needle.isEmpty else { return nil }
        var candidate = start
        while let index = firstIndex(of: needle[0], from: candidate), needle.count <= count - index {
            var matched = 1
            while matched < needle.count, self[index &+ matched] == needle[matched] { matched &+= 1 }
            if matched == needle.count { return index..<(index + needle.count) }
            candidate = index + 1
        }
        return nil
    }

    /// True if the bytes begin with `prefix`.
    @inlinable package func starts(with prefix: Span<UInt8>) -> Bool {
        guard count >= prefix.count else { return false }
        for index in 0..<prefix.count where self[index] != prefix[index] { return false }
        return true
    }
}
