// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A file that has its bytes and not yet its name: the steps of ``AtomicFile/write(path:bytes:mode:)``, for whoever has many files
/// to write and need not wait for the disk once for each. One that is let go without its name leaves nothing. All of it blocks:
/// never on a loop.
package final class AtomicDraft {
    private let path: String
    private let temporary: String
    private let file: FileDescriptor
    private var isNamed = false

    /// Writes `bytes` to a file of a fresh name beside `path`. `mode` holds from the first moment, whatever the umask says.
    package init(path: String, bytes: [UInt8], mode: UInt32) throws(Errno) {
        var suffix = ""
        for byte in Random.bytes(8) { suffix += String(byte, radix: 16) }
        // O_EXCL and a random name: a file or link that somebody put there is never followed.
        let temporary = "\(path).\(suffix).tmp"
        file = try AtomicFile.create(temporary, mode: mode)
        (self.path, self.temporary) = (path, temporary)
        try AtomicFile.write(bytes, to: file)
    }

    deinit { if !isNamed { unsafe _ = unlink(temporary) } }

    /// Has the disk begin, and waits for nothing: Linux writes what is dirty of a file that nobody reads soon. posix_fadvise(2).
    package func beginFlush() { _ = posix_fadvise(file.rawValue, 0, 0, POSIX_FADV_DONTNEED) }

    /// Waits until the bytes are on the disk. fsync(2).
    package func flush() throws(Errno) { try Errno.check { fsync(file.rawValue) } }

    /// Gives it its name, which another file may have had. What was not flushed may be lost with a power cut; so may the name,
    /// until its directory is (``AtomicFile/flushDirectory(of:)``). rename(2).
    package func takeName() throws(Errno) {
        try Errno.check { unsafe rename(temporary, path) }
        isNamed = true
    }
}
