// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
package import Platform
import Synchronization

/// Where all lines go: a bounded queue and one thread that empties it into a descriptor.
///
/// write(2) to a pipe or a terminal that nobody reads blocks for ever, and a loop must not. So a loop only puts its line
/// into the queue, which costs a short lock (and an eventfd write when the queue was empty), and the thread may block as long as it likes. When the
/// queue is full, new lines are dropped and counted, and the number is the first line written afterwards.
package final class LogSink: Sendable {
    /// Lines that wait at most.
    package static let linesMax = 8192
    /// Bytes that waiting lines take at most, about.
    package static let bytesMax = 4 << 20
    /// How long ordinary lines (`debug`, `info`) may wait for others to be written with. A line a request would otherwise
    /// wake the thread for each, which costs more than the line. What matters more is written at once.
    static let gatherMilliseconds: Int32 = 20
    /// Bytes of one write(2), about.
    static let batchBytesMax = 64 << 10

    /// The secrets that no line will show.
    package let secrets: SecretRegistry

    private let queue: Queue
    private let level: Atomic<UInt8>
    private let addresses: Addresses

    /// Writes lines of at least `level` with `write`, which runs on a thread of the sink's own, is given whole lines and
    /// says whether they were taken. It may block.
    ///
    /// - Parameter masks: whether personal data and secrets are taken out by their shape. Only a test says no, to see that
    ///   their presence is noticed.
    package init(
        level: Logger.Level, format: LogFormat, secrets: SecretRegistry, masks: Bool = true,
        write: @escaping @Sendable ([UInt8]) -> Bool
    ) throws(Errno) {
        let queue = try Queue()
        self.queue = queue
        self.secrets = secrets
        self.level = Atomic(level.rank)
        let addresses = Addresses()
        self.addresses = addresses
        _ = try NamedThread.start(name: "log") {
            while let lines = queue.take() {
                let redaction = Redaction(
                    secrets: secrets.needles, masker: masks ? .shared : nil, showsAddresses: addresses.areShown)
                LogSink.write(lines, format: format, redaction, write)
                queue.done()
            }
        }
    }

    deinit { queue.close() }

    /// A sink on standard error: text on a terminal (in colour, unless `NO_COLOR` is set), JSON elsewhere.
    package static func standardError(
        level: Logger.Level, format: LogFormat? = nil, secrets: SecretRegistry, masks: Bool = true
    ) throws(Errno) -> LogSink {
        let isTerminal = isatty(2) == 1
        let isColoured = unsafe isTerminal && getenv("NO_COLOR") == nil
        let format = format ?? (isTerminal ? .text(isColoured: isColoured) : .json)
        // Descriptor 2 may become something else (`PrintedErrors`); lines go to what it is now.
        let output = FileDescriptor(owning: try Errno.check { fcntl(2, F_DUPFD_CLOEXEC, 3) })
        return try LogSink(level: level, format: format, secrets: secrets, masks: masks) {
            write($0, to: output.rawValue)
        }
    }

    /// Changes what is written from now on; a reload may do so.
    package func setLevel(_ level: Logger.Level) { self.level.store(level.rank, ordering: .relaxed) }

    /// Whether peers' addresses are written whole from now on; at first they are not. A reload may change it.
    package func showAddresses(_ areShown: Bool) { addresses.areShown = areShown }

    /// Waits until every line appended before has been written, or for `timeout`. False where some are left. Before the
    /// process ends, and never on a loop.
    @discardableResult
    package func flush(timeout: Duration) -> Bool {
        let deadline = Instant.now() + timeout
        while !queue.isIdle {
            if Instant.now() >= deadline { return false }
            usleep(500)
        }
        return true
    }

    func isEnabled(_ level: Logger.Level) -> Bool { level.rank >= self.level.load(ordering: .relaxed) }

    func append(_ line: LogLine) { queue.append(line) }

    // MARK: - On the sink's thread

    private static func write(
        _ batch: Queue.Batch, format: LogFormat, _ redaction: Redaction, _ write: ([UInt8]) -> Bool
    ) {
        var output: [UInt8] = []
        if batch.dropped > 0 {
            let line = LogLine(
                level: .warning, time: .now(), message: "log lines were dropped", fields: ["count": .int(batch.dropped)]
            )
            line.write(as: format, redactedBy: redaction, to: &output)
        }
        for line in batch.lines {
            line.write(as: format, redactedBy: redaction, to: &output)
            if output.count >= batchBytesMax {
                _ = write(output)
                output.removeAll(keepingCapacity: true)
            }
        }
        if !output.isEmpty { _ = write(output) }
    }

    private static func write(_ bytes: [UInt8], to output: CInt) -> Bool {
        var written = 0
        while written < bytes.count {
            // The array's buffer for the length of the closure; `written` is below its count.
            let count = unsafe bytes.withUnsafeBytes { buffer in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
                return unsafe Glibc.write(output, rest.baseAddress, rest.count)
            }
            if count > 0 {
                written += count
            } else if count < 0 && errno == EAGAIN {
                // Somebody who shares the descriptor made it non-blocking. This thread has time.
                var waiting = pollfd(fd: output, events: Int16(POLLOUT), revents: 0)
                unsafe _ = poll(&waiting, 1, 1000)
            } else if count == 0 || errno != EINTR {
                return false
            }
        }
        return true
    }
}

/// A switch that the sink's thread reads once a batch.
private final class Addresses: Sendable {
    private let value = Atomic(false)

    var areShown: Bool {
        get { value.load(ordering: .relaxed) }
        set { value.store(newValue, ordering: .relaxed) }
    }
}

/// The lines that wait, and the eventfd that wakes the sink's thread when there are some.
private final class Queue: Sendable {
    struct Batch {
        var lines: [LogLine] = []
        var dropped = 0
    }

    private struct State {
        var batch = Batch()
        var bytes = 0
        var isWriting = false
        var isClosed = false
        /// Whether the thread should not wait for more lines.
        var isUrgent = false
    }

    private let state = Mutex(State())
    private let event: FileDescriptor

    init() throws(Errno) {
        event = FileDescriptor(owning: try Errno.check { eventfd(0, CInt(EFD_CLOEXEC)) })
    }

    /// True where nothing waits and nothing is being written.
    var isIdle: Bool { state.withLock { $0.batch.lines.isEmpty && $0.batch.dropped == 0 && !$0.isWriting } }

    func append(_ line: LogLine) {
        let cost = line.cost
        let isUrgent = line.level > .info
        let wakes = state.withLock { state in
            let wasEmpty = state.batch.lines.isEmpty && state.batch.dropped == 0
            let becomesUrgent = isUrgent && !state.isUrgent
            state.isUrgent = state.isUrgent || isUrgent
            if state.batch.lines.count < LogSink.linesMax, state.bytes + cost <= LogSink.bytesMax {
                state.batch.lines.append(line)
                state.bytes += cost
            } else {
                state.batch.dropped += 1
            }
            return wasEmpty || becomesUrgent
        }
        if wakes { wake() }
    }

    /// Waits for lines and takes them all. Nil once the queue is closed and empty.
    func take() -> Batch? {
        while true {
            // Whoever put the first line into the empty queue has written, or is about to: no batch is without its event.
            if !state.withLock({ $0.isClosed }) {
                clearEvent()
                gather()
            }
            let (batch, isClosed) = state.withLock { state in
                let batch = state.batch
                state.batch = Batch()
                state.bytes = 0
                state.isUrgent = false
                state.isWriting = !batch.lines.isEmpty || batch.dropped > 0
                return (batch, state.isClosed)
            }
            if !batch.lines.isEmpty || batch.dropped > 0 { return batch }
            if isClosed { return nil }
        }
    }

    /// Waits for the event, and takes it back.
    private func clearEvent() {
        var count: UInt64 = 0
        // Eight bytes of a local; an interrupted read comes around again.
        unsafe _ = read(event.rawValue, &count, 8)
    }

    /// Leaves ordinary lines a moment to be joined by others; ends early for one that matters, or when the queue closes.
    private func gather() {
        guard state.withLock({ !$0.batch.lines.isEmpty && !$0.isUrgent && !$0.isClosed }) else { return }
        var waiting = pollfd(fd: event.rawValue, events: Int16(POLLIN), revents: 0)
        // One structure, a local.
        unsafe _ = poll(&waiting, 1, LogSink.gatherMilliseconds)
    }

    func done() { state.withLock { $0.isWriting = false } }

    func close() {
        state.withLock { $0.isClosed = true }
        wake()
    }

    private func wake() {
        var one: UInt64 = 1
        // Eight bytes of a local. It cannot block: the counter would have to reach 2^64 - 1.
        unsafe _ = write(event.rawValue, &one, 8)
    }
}
