// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Signals as something to read. Nothing of Swift runs in a signal handler.
package enum Signals {
    /// Blocks the signals for this thread and all that it starts, and gives a non-blocking descriptor to read them from
    /// (signalfd(2)). Call it on the main thread before any other is started.
    package static func descriptor(_ signals: [CInt]) throws(Errno) -> FileDescriptor {
        var set = sigset_t()
        // SAFETY: the set lives through each call.
        unsafe sigemptyset(&set)
        for signal in signals { unsafe sigaddset(&set, signal) }
        let result = unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
        guard result == 0 else { throw Errno(result) }
        let descriptor = unsafe signalfd(-1, &set, CInt(SFD_NONBLOCK | SFD_CLOEXEC))
        guard descriptor >= 0 else { throw Errno.last }
        return FileDescriptor(owning: descriptor)
    }

    /// The next signal that arrived, or nil when none waits.
    package static func next(from descriptor: borrowing FileDescriptor) -> CInt? {
        var information = signalfd_siginfo()
        // SAFETY: the buffer is as long as said; signalfd(2) gives whole records only.
        let count = unsafe read(descriptor.rawValue, &information, MemoryLayout<signalfd_siginfo>.size)
        guard count == MemoryLayout<signalfd_siginfo>.size else { return nil }
        return CInt(truncatingIfNeeded: information.ssi_signo)
    }

    /// Ignores SIGPIPE in the whole process, so that writing to a closed connection is EPIPE and not the end.
    package static func ignoreBrokenPipe() {
        _ = signal(SIGPIPE, SIG_IGN)
    }

    /// Runs `body` with every signal blocked on this thread, but those of a thread's own faults; threads made in it inherit
    /// that.
    static func blockingAll<Result>(_ body: () -> Result) -> Result {
        var all = sigset_t()
        var old = sigset_t()
        // SAFETY: both sets live through the calls.
        unsafe sigfillset(&all)
        unsafe clinux_leave_crashes(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, &old)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &old, nil) }
        return body()
    }
}
