// SPDX-License-Identifier: Apache-2.0

/// 32 bytes that came out of SHA-256 or HMAC-SHA256. Fixed size, no allocation; `==` takes the same time whatever the
/// bytes are, so that a digest may be compared with one from outside. Digests that lie side by side in memory are nothing but
/// their bytes, side by side.
package struct Digest: Hashable, Sendable, BitwiseCopyable {
    /// Bytes of a digest.
    package static let byteCount = 32

    // Eight bytes each, in memory order.
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    /// 32 zeros, which nothing is known to hash to.
    package static let zero = unsafe Digest { _ in }

    /// Takes 32 bytes; nil for any other count.
    package init?(_ bytes: Span<UInt8>) {
        guard bytes.count == Digest.byteCount else { return nil }
        unsafe self.init { target in
            // Both are 32 bytes: the guard above.
            unsafe bytes.withUnsafeBytes { unsafe target.copyMemory(from: $0) }
        }
    }

    /// `fill` writes all 32 bytes of what it is given.
    init(_ fill: (UnsafeMutableRawBufferPointer) -> Void) {
        // Four words of 8 bytes lie without gaps, in a value that lives for the length of the closure.
        unsafe withUnsafeMutableBytes(of: &words) { unsafe fill($0) }
    }

    /// Lends the 32 bytes for the length of `body`.
    package func withBytes<Result, Failure: Error>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let copy: [4 of UInt64] = [words.0, words.1, words.2, words.3]
        // Four words of 8 bytes, alive in a local until `body` has returned.
        return try unsafe body(Span(_bytes: copy.span.bytes))
    }

    /// The 32 bytes.
    package var bytes: [UInt8] {
        // Copied within the closure.
        withBytes { span in unsafe span.withUnsafeBytes { unsafe Array($0) } }
    }

    /// In constant time.
    package static func == (left: Digest, right: Digest) -> Bool {
        var difference = left.words.0 ^ right.words.0
        difference |= left.words.1 ^ right.words.1
        difference |= left.words.2 ^ right.words.2
        difference |= left.words.3 ^ right.words.3
        return difference == 0
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
    }
}
