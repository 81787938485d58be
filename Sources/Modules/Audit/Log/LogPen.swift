// SPDX-License-Identifier: Apache-2.0

import Platform

/// Who may write at the end of the log, one at a time.
///
/// With `sync = "interval"` a loop writes itself what its exchanges have to say in a turn: one call that ends in the kernel's
/// memory, without a thread to be woken and an answer to be waited for. Whatever may take longer is the log's thread's: a
/// flush, another segment, a log that is in trouble, a disk that was slow lately. It takes the pen for as long as it
/// needs; loops then leave their entries to it.
final class LogPen: @unchecked Sendable {
    /// What a write may take. The kernel's memory takes it in a few microseconds; where the disk is so far behind that a writer
    /// is made to wait, no loop shall be the one. Longer than others may have the processor meanwhile: on a busy machine a
    /// write that is interrupted is no slow disk.
    static let patience = Duration.milliseconds(50)
    /// Writes in a row that took longer, after which the thread writes.
    static let slowMax = 2
    /// For how long it does.
    static let pause = Duration.seconds(1)

    private struct Gate {
        /// Whether loops may write.
        var isOpen = false
        /// Whether the thread knows that something waits to be flushed.
        var isFlushExpected = false
        /// Entries for which there is room, and which loops write before their turn is over.
        var promised = 0
        var slow = 0
        var slowUntil = Instant(nanoseconds: 0)
    }

    private let gate = Monitor(Gate())
    private let generation: Int
    /// Touched by who has the gate's lock while it is open, and by the log's thread while it is not.
    private(set) var writer: LogWriter
    private let onFirst: @Sendable () -> Void

    /// The thread has it at first.
    ///
    /// - Parameters:
    ///   - generation: of control.db, as it stands in the records.
    ///   - onFirst: called when a loop has written and nobody expects a flush yet. On the loop.
    init(_ writer: LogWriter, generation: Int, onFirst: @escaping @Sendable () -> Void) {
        (self.writer, self.generation, self.onFirst) = (writer, generation, onFirst)
    }

    // MARK: Loops

    /// Writes entries.
    ///
    /// - Returns: the sequence of the first; nil where the thread has to do it.
    func writeNow(_ entries: AuditEntries) -> Int? {
        var isFirst = false
        let sequence = gate.withLock { gate -> Int? in
            // What others were promised is theirs.
            guard gate.isOpen, Instant.now() >= gate.slowUntil,
                gate.promised == 0 || Self.hasRoom(for: gate.promised + entries.count, &writer)
            else { return nil }
            return write(entries, &gate, &isFirst)
        }
        if isFirst { onFirst() }
        return sequence
    }

    /// Promises that so many entries can be written in this turn of a loop. The thread waits for them where it wants the pen:
    /// ``writePromised(_:of:)`` must follow before the turn is over.
    ///
    /// - Returns: false where nothing is promised.
    func promise(_ count: Int) -> Bool {
        gate.withLock { gate in
            guard gate.isOpen, Self.hasRoom(for: gate.promised + count, &writer),
                gate.slowUntil.nanoseconds == 0 || Instant.now() >= gate.slowUntil
            else { return false }
            gate.promised += count
            return true
        }
    }

    /// Writes entries for which there is a promise.
    ///
    /// - Parameter count: of entries that were promised, no fewer than these.
    /// - Returns: the sequence of the first; nil where nothing of them is written.
    func writePromised(_ entries: AuditEntries, of count: Int) -> Int? {
        var (isFirst, isWanted) = (false, false)
        let sequence = gate.withLock { gate -> Int? in
            gate.promised -= count
            isWanted = !gate.isOpen && gate.promised == 0
            guard !entries.isEmpty else { return nil }
            return write(entries, &gate, &isFirst)
        }
        if isWanted { gate.signal() }
        if isFirst { onFirst() }
        return sequence
    }

    /// Asked in place: a writer that is read here would be copied, with all that it has in its hands.
    @inline(__always)
    private static func hasRoom(for count: Int, _ writer: inout LogWriter) -> Bool { writer.hasRoom(for: count) }

    private func write(_ entries: AuditEntries, _ gate: inout Gate, _ isFirst: inout Bool) -> Int? {
        let begun = Instant.now()
        guard let sequence = writer.appendNow(entries, generation: generation) else { return nil }
        let ended = Instant.now()
        gate.slow = ended - begun > Self.patience ? gate.slow + 1 : 0
        if gate.slow >= Self.slowMax { (gate.slow, gate.slowUntil) = (0, ended + Self.pause) }
        isFirst = !gate.isFlushExpected
        gate.isFlushExpected = true
        return sequence
    }

    // MARK: The log's thread

    /// Lets no loop write, and waits for those that were promised that they may.
    func take() {
        gate.wait { gate -> Void? in
            gate.isOpen = false
            return gate.promised == 0 ? () : nil
        }
    }

    /// Lets loops write.
    ///
    /// - Parameter isFlushExpected: whether the thread will flush at a time that it knows.
    func give(isFlushExpected: Bool) {
        gate.withLock { gate in
            gate.isOpen = true
            gate.isFlushExpected = isFlushExpected
        }
    }

    /// Writes entries.
    ///
    /// - Precondition: the thread has the pen, as for the following.
    func append(_ items: [LogWriter.Item]) -> [Result<Int, AuditFailure>] {
        writer.append(items, generation: generation)
    }

    /// Changes or asks the writer.
    func use<Result, Failure: Error>(_ body: (inout LogWriter) throws(Failure) -> Result) throws(Failure) -> Result {
        try body(&writer)
    }
}
