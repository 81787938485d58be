// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A file descriptor with exactly one owner, closed when that owner goes away.
package struct FileDescriptor: ~Copyable, Sendable {
    /// The number, for calls that borrow it. It is valid only as long as this value lives.
    package let rawValue: CInt

    /// Takes over an open descriptor. Whoever had it must not close it.
    package init(owning rawValue: CInt) {
        precondition(rawValue >= 0, "a descriptor is not negative")
        self.rawValue = rawValue
    }

    deinit {
        // The descriptor is gone whatever close says: Linux frees it even on EINTR and EIO (close(2)). A bad number
        // means that somebody else closed ours, and from then on any file may be the wrong one.
        if Glibc.close(rawValue) != 0 { precondition(errno != EBADF, "closed a descriptor that was not open") }
    }

    /// Closes now.
    package consuming func close() {}

    /// Hands the number to the caller, who closes it from here on.
    package consuming func release() -> CInt {
        let number = rawValue
        discard self
        return number
    }

    /// Another descriptor of the same open file, close-on-exec (fcntl(2), F_DUPFD_CLOEXEC).
    package borrowing func duplicate() throws(Errno) -> FileDescriptor {
        let number = rawValue
        return FileDescriptor(owning: try Errno.check { fcntl(number, F_DUPFD_CLOEXEC, 3) })
    }
}
