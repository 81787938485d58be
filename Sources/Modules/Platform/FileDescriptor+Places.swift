// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Bytes at a place of a file, wherever it stands.
extension FileDescriptor {
    /// Exactly `count` bytes at a place; `EINVAL` where the file ends before them. Blocks. pread(2).
    package borrowing func read(at place: Int, count: Int) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let number = rawValue
        var filled = 0
        while filled < count {
            // The array's buffer for the length of the closure; `filled` is below its count.
            let step = try Errno.check {
                unsafe bytes.withUnsafeMutableBytes { buffer in
                    unsafe pread(
                        number, buffer.baseAddress?.advanced(by: filled), count - filled, off_t(place + filled))
                }
            }
            guard step > 0 else { throw .invalidArgument }
            filled += step
        }
        return bytes
    }

    /// All of `bytes` at a place. What a failure leaves there may be part of them. Blocks. pwrite(2).
    package borrowing func write(_ bytes: Span<UInt8>, at place: Int) throws(Errno) {
        let number = rawValue
        var written = 0
        while written < bytes.count {
            // What is borrowed lives for the length of the closure; `written` is below its count.
            let step = try Errno.check {
                unsafe bytes.withUnsafeBytes { buffer in
                    let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
                    return unsafe pwrite(number, rest.baseAddress, rest.count, off_t(place + written))
                }
            }
            guard step > 0 else { throw Errno(EIO) }
            written += step
        }
    }
}
