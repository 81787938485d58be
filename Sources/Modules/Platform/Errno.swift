// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// An error number of the operating system, as left in `errno` (errno(3)).
package struct Errno: Error, Equatable, Hashable, Sendable {
    /// The number itself.
    package let rawValue: CInt

    /// Wraps an error number.
    package init(_ rawValue: CInt) {
        self.rawValue = rawValue
    }

    /// What the last failing call on this thread left behind. Read it before anything else runs.
    package static var last: Errno { Errno(errno) }

    /// EAGAIN, which Linux also calls EWOULDBLOCK.
    package static let wouldBlock = Errno(EAGAIN)
    /// EINTR.
    package static let interrupted = Errno(EINTR)
    /// ENOENT.
    package static let noSuchFile = Errno(ENOENT)
    /// EEXIST.
    package static let fileExists = Errno(EEXIST)
    /// EACCES.
    package static let permissionDenied = Errno(EACCES)
    /// EPERM.
    package static let notPermitted = Errno(EPERM)
    /// EINVAL.
    package static let invalidArgument = Errno(EINVAL)
    /// EADDRINUSE.
    package static let addressInUse = Errno(EADDRINUSE)
    /// ECONNREFUSED.
    package static let connectionRefused = Errno(ECONNREFUSED)
    /// ECONNRESET.
    package static let connectionReset = Errno(ECONNRESET)
    /// ETIMEDOUT.
    package static let timedOut = Errno(ETIMEDOUT)
    /// ENAMETOOLONG.
    package static let nameTooLong = Errno(ENAMETOOLONG)
    /// EPIPE.
    package static let brokenPipe = Errno(EPIPE)
    /// EINPROGRESS.
    package static let inProgress = Errno(EINPROGRESS)
    /// EMFILE: this process has no descriptor left.
    package static let tooManyOpenFiles = Errno(EMFILE)
    /// ENFILE: the system has no descriptor left.
    package static let tooManyOpenFilesInSystem = Errno(ENFILE)
    /// ENOBUFS.
    package static let noBuffers = Errno(ENOBUFS)
    /// EBADF: a descriptor that is not open.
    package static let badDescriptor = Errno(EBADF)
    /// ENOTSOCK.
    package static let notSocket = Errno(ENOTSOCK)
    /// ENOSPC.
    package static let noSpace = Errno(ENOSPC)
    /// EFBIG: more than the caller allows.
    package static let fileTooLarge = Errno(EFBIG)
    /// ENOMEM.
    package static let outOfMemory = Errno(ENOMEM)
    /// EISDIR.
    package static let isDirectory = Errno(EISDIR)
    /// ENOTDIR.
    package static let notDirectory = Errno(ENOTDIR)

    /// Runs a call that answers a negative number on failure, again as long as it was interrupted by a signal.
    ///
    /// Not for close(2), after which the descriptor's state is unknown.
    @discardableResult
    package static func check<Number: SignedInteger>(_ call: () -> Number) throws(Errno) -> Number {
        while true {
            let result = call()
            if result >= 0 { return result }
            let number = last
            if number != .interrupted { throw number }
        }
    }
}

extension Errno: CustomStringConvertible {
    /// The name and the meaning: `ENOENT (No such file or directory)`.
    package var description: String {
        // SAFETY: both functions return null or static, zero-terminated text.
        guard let name = unsafe clinux_errno_name(rawValue), let text = unsafe clinux_errno_text(rawValue) else {
            return "error \(rawValue)"
        }
        return unsafe "\(String(cString: name)) (\(String(cString: text)))"
    }
}
