// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// Random bytes of the kernel, fit for keys, nonces and identifiers.
///
/// A process that cannot have random numbers must not go on, since each of its keys would be a guess; so these
/// functions cannot fail: they stop the process instead. It happens only where the system call does not exist
/// (a kernel older than 3.17, or a filter that forbids it). getrandom(2).
package enum Random {
    /// Overwrites all of `bytes`.
    package static func fill(_ bytes: inout [UInt8]) {
        // The buffer lives for the length of the closure, and `fill` writes within its count.
        unsafe bytes.withUnsafeMutableBytes { unsafe fill($0) }
    }

    /// `count` random bytes. `count` must not be negative.
    package static func bytes(_ count: Int) -> [UInt8] {
        // The array's own buffer of `count` bytes, filled to its end before its count is set.
        unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            unsafe fill(UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]))
            initialized = count
        }
    }

    /// A random number of 64 bits.
    package static func uint64() -> UInt64 {
        var number: UInt64 = 0
        // Eight bytes of a local, alive for the length of the closure.
        unsafe withUnsafeMutableBytes(of: &number) { unsafe fill($0) }
        return number
    }

    /// Overwrites all of `buffer`. getrandom(2) gives up to 256 bytes whole; longer requests may be cut by a signal.
    private static func fill(_ buffer: UnsafeMutableRawBufferPointer) {
        var filled = 0
        while filled < buffer.count {
            // The rest of the buffer: `filled` is below its count.
            let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
            let count = unsafe getrandom(rest.baseAddress, rest.count, 0)
            if count > 0 {
                filled += count
            } else if errno != EINTR {
                fatalError("getrandom: errno \(errno)")
            }
        }
    }
}
