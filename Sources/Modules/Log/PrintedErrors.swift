// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
package import Platform
import Synchronization

/// Makes lines of what anybody prints on standard error without asking the sink: the runtime before it stops at a fault
/// (`Fatal error: …`, with whatever stood in the message), libc, a library. While one exists, descriptor 2 is a pipe, and
/// a thread reads it, masks what came (`MaskStream`) and gives it to the sink, line by line. So nothing reaches the
/// terminal or the journal as it was printed.
///
/// A fault prints first and then raises a signal. Its handler (`clinux_on_crash`) does nothing but wake that thread and
/// wait for it: the thread empties the pipe and the sink, and then the signal ends the process as it would have. The
/// runtime's backtraces, which show registers and memory, are gone with that: the handler has taken their place.
///
/// Not covered: what is printed before this is made or after it is closed; the last words of a process that is killed
/// (SIGKILL) or whose stack overflowed. What is lost then is lost, and never shown raw. The same holds where the fault has
/// happened in the reading thread, or while the faulting thread held a lock that the sink needs (malloc's, say): the
/// handler waits `deadlineMilliseconds`, and no longer.
package final class PrintedErrors: Sendable {
    /// How long a fault waits for its last words to be written.
    static let deadlineMilliseconds: Int32 = 2000
    /// Bytes read at a time; as many as a pipe holds.
    private static let pieceBytes = 64 << 10

    /// The pipe's end that is read; the other one is descriptor 2.
    private let pipe: FileDescriptor
    /// What descriptor 2 was.
    private let original: FileDescriptor
    /// Somebody wants the pipe emptied: a fault, or `close`.
    private let call: FileDescriptor
    /// It is empty, and the sink has written.
    private let answer: FileDescriptor
    private let isClosing = Atomic(false)
    private let sink: LogSink
    private let masks: Bool

    /// Takes descriptor 2. There is at most one of these at a time in a process.
    ///
    /// - Parameter masks: as the sink's; only a test says no.
    package init(to sink: LogSink, masks: Bool = true) throws(Errno) {
        var ends: [CInt] = [-1, -1]
        // Two numbers, as many as pipe(2) writes.
        try Errno.check { unsafe Glibc.pipe(&ends) }
        let pipe = FileDescriptor(owning: ends[0])
        let entrance = FileDescriptor(owning: ends[1])
        let original = FileDescriptor(owning: try Errno.check { fcntl(2, F_DUPFD_CLOEXEC, 3) })
        let call = FileDescriptor(owning: try Errno.check { eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK)) })
        let answer = FileDescriptor(owning: try Errno.check { eventfd(0, CInt(EFD_CLOEXEC)) })
        // Whoever prints must not wait for whoever reads: what does not fit is lost.
        try Errno.check { fcntl(ends[1], F_SETFL, O_NONBLOCK) }
        try Errno.check { fcntl(ends[0], F_SETFL, O_NONBLOCK) }
        try Errno.check { fcntl(ends[0], F_SETFD, FD_CLOEXEC) }
        try Errno.check { dup2(ends[1], 2) }
        entrance.close()
        self.pipe = pipe
        self.original = original
        self.call = call
        self.answer = answer
        self.sink = sink
        self.masks = masks
        clinux_catch_crashes(self.call.rawValue, self.answer.rawValue, Self.deadlineMilliseconds)
        do throws(Errno) {
            _ = try NamedThread.start(name: "stderr") { [self] in run() }
        } catch {
            clinux_release_crashes()
            dup2(self.original.rawValue, 2)
            throw error
        }
    }

    /// Gives descriptor 2 back, and waits a moment until everything printed before has been written.
    package func close() {
        clinux_release_crashes()
        dup2(original.rawValue, 2)
        isClosing.store(true, ordering: .releasing)
        var one: UInt64 = 1
        // Eight bytes of a local; an eventfd's counter has room for them.
        unsafe _ = Glibc.write(call.rawValue, &one, 8)
        var waiting = pollfd(fd: answer.rawValue, events: Int16(POLLIN), revents: 0)
        // One structure, a local.
        unsafe _ = poll(&waiting, 1, Self.deadlineMilliseconds)
    }

    // MARK: - On the reading thread

    private func run() {
        clinux_hear_crashes()
        var stream = masks ? MaskStream(sink.secrets.needles) : MaskStream(SecretNeedles([])) { line, _ in line }
        var waiting = [
            pollfd(fd: pipe.rawValue, events: Int16(POLLIN), revents: 0),
            pollfd(fd: call.rawValue, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            // As many structures as are counted.
            let count = unsafe poll(&waiting, 2, -1)
            if count < 0, errno != EINTR { return }
            let isCalled = waiting[1].revents != 0
            while let bytes = readPiece() { pass(stream.feed(bytes)) }
            // Nobody has the other end any more (descriptor 2 was closed by somebody): nothing will come.
            let hasEnded = waiting[0].revents & Int16(POLLHUP) != 0
            guard isCalled || hasEnded else { continue }
            pass(stream.flush())
            sink.flush(timeout: .milliseconds(Self.deadlineMilliseconds * 3 / 4))
            var one: UInt64 = 1
            // Eight bytes of a local.
            unsafe _ = Glibc.write(answer.rawValue, &one, 8)
            if isClosing.load(ordering: .acquiring) || hasEnded { return }
            unsafe _ = Glibc.read(call.rawValue, &one, 8)
        }
    }

    private func readPiece() -> [UInt8]? {
        let piece = unsafe [UInt8](unsafeUninitializedCapacity: Self.pieceBytes) { buffer, count in
            // The buffer is as long as said; a negative count is an empty pipe.
            count = unsafe max(Glibc.read(pipe.rawValue, buffer.baseAddress, Self.pieceBytes), 0)
        }
        return piece.isEmpty ? nil : piece
    }

    private func pass(_ lines: [UInt8]) {
        for line in lines.split(separator: UInt8(ascii: "\n")) {
            Logger(sink).error("printed", ["text": .string(String(decoding: line, as: UTF8.self))])
        }
    }
}
