// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// A key, a password or another secret in memory: fixed bytes with one owner, overwritten when that owner goes.
///
/// It has no description and no mirror, so that it cannot reach a log by interpolation or `dump`. The bytes are lent,
/// never given: whoever copies them out of `withBytes` owns the copy and its wiping (`SecretBytes.wipe`).
@safe package final class SecretBytes: @unchecked Sendable, CustomReflectable {
    // Memory of its own rather than an array, so that no copy-on-write can leave a copy behind. It is written by the
    // initialisers and by deinit only, which no other thread can see: hence `@unchecked Sendable`.
    private let bytes: UnsafeMutableBufferPointer<UInt8>

    /// Copies `source` and wipes the caller's array, so that one copy is left.
    package init(taking source: inout [UInt8]) {
        unsafe bytes = .allocate(capacity: source.count)
        // Both buffers hold `source.count` bytes.
        unsafe _ = bytes.initialize(fromContentsOf: source)
        SecretBytes.wipe(&source)
    }

    /// Copies `source`, which stays with its owner.
    package init(copying source: Span<UInt8>) {
        unsafe bytes = .allocate(capacity: source.count)
        // Both buffers hold `source.count` bytes.
        unsafe source.withUnsafeBufferPointer { unsafe _ = bytes.initialize(fromContentsOf: $0) }
    }

    /// `randomCount` fresh random bytes.
    package convenience init(randomCount: Int) {
        var random = Random.bytes(randomCount)
        self.init(taking: &random)
    }

    deinit {
        // The memory is ours until the next line gives it back.
        if let base = unsafe bytes.baseAddress { unsafe explicit_bzero(base, bytes.count) }
        unsafe bytes.deallocate()
    }

    /// How many bytes the secret has.
    package var count: Int { unsafe bytes.count }

    /// Lends the bytes for the length of `body`.
    package func withBytes<Result, Failure: Error>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // The caller holds this object during the call, so the memory outlives the span.
        try body(unsafe Span(_unsafeElements: UnsafeBufferPointer(bytes)))
    }

    /// Nothing to see: keeps `dump` and reflection away from the bytes.
    package var customMirror: Mirror { Mirror(self, children: []) }

    /// Overwrites `bytes` with zeros in a way the compiler may not remove, then empties it. explicit_bzero(3).
    ///
    /// Other copies of the array, if there are any, keep their bytes.
    package static func wipe(_ bytes: inout [UInt8]) {
        // The array's buffer for the length of the closure; the call writes exactly its count.
        unsafe bytes.withUnsafeMutableBytes { buffer in
            if let base = buffer.baseAddress { unsafe explicit_bzero(base, buffer.count) }
        }
        bytes = []
    }
}
