// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Platform
import Synchronization

/// Why an entry has no place in the log.
enum AuditRefusal: Error, Equatable, Sendable {
    /// More waits to be written than may.
    case busy
    /// The log has been stopped.
    case stopped
    case failed(AuditFailure)
}

/// What waits for the log's thread. Entries that a loop cannot write itself come as one letter a turn, so that the thread is
/// woken once for all of them, and each loop once for the answers.
final class AuditMail: Sendable {
    /// Entries that may wait; beyond them an exchange is refused rather than kept waiting.
    static let entriesMax = 1 << 16

    typealias Answer = @Sendable (Result<Int, AuditRefusal>) -> Void

    struct Entry: Sendable {
        let item: LogWriter.Item
        /// Called on the log's thread; `nil` where nobody waits.
        let answer: Answer?
    }

    /// What was taken out of the mailbox at once.
    struct Delivery {
        var entries: [Entry] = []
        var orders: [@Sendable (AuditOffice) -> Void] = []
        var isStopped = false
    }

    private let state = Monitor(Delivery())

    /// Leaves entries for the thread. Any thread.
    func post(_ entries: [Entry]) throws(AuditRefusal) {
        try state.withLock { state throws(AuditRefusal) in
            guard !state.isStopped else { throw .stopped }
            guard state.entries.count + entries.count <= Self.entriesMax else { throw .busy }
            state.entries += entries
        }
        state.signal()
    }

    /// Leaves something to do, after what was posted before.
    func order(_ body: @escaping @Sendable (AuditOffice) -> Void) throws(AuditRefusal) {
        try state.withLock { state throws(AuditRefusal) in
            guard !state.isStopped else { throw .stopped }
            state.orders.append(body)
        }
        state.signal()
    }

    /// Takes no more; what is there is still written.
    func stop() {
        state.withLock { $0.isStopped = true }
        state.signal()
    }

    /// Takes the entries that wait, without waiting for any.
    func takeEntries() -> [Entry] {
        state.withLock { state in
            defer { state.entries = [] }
            return state.entries
        }
    }

    /// Waits for something to do, at most until `deadline`.
    func take(until deadline: Instant) -> Delivery {
        state.wait(until: deadline) { state -> Delivery? in
            guard !state.entries.isEmpty || !state.orders.isEmpty || state.isStopped else { return nil }
            defer { state = Delivery(isStopped: state.isStopped) }
            return state
        } ?? Delivery()
    }
}

/// Whose records are written before anything leaves.
protocol RecordOwner: AnyObject {
    /// The intent stands in the log, at this place.
    func take(intent: Int)
    /// A record could not be written: nothing that has not left may leave.
    func cutOff()
}

/// Where a loop's entries are collected within a turn. Confined to its loop.
///
/// Whoever only sends does not wait for its records: they are due (``hold(_:_:of:)``), and the loop writes them before anything
/// that its sockets hold leaves. Where that fails, what they hold for those whose records these are is dropped. All others
/// wait (``write(_:_:)``).
final class AuditDesk: @unchecked Sendable {
    /// Entries for which room is asked for at once.
    private static let promiseCount = 16

    let loop: EventLoop
    private let pen: LogPen
    private let mail: AuditMail
    private var entries = AuditEntries()
    private var writers: [WaitingTask<Result<Int, AuditRefusal>>] = []
    /// Entries that are due, and whose they are.
    private var due = AuditEntries()
    private var owners: [any RecordOwner] = []
    /// Entries of this turn that the pen has promised to take.
    private var promised = 0
    /// How intents of this loop begin.
    var callers = CallerHeads()

    init(loop: EventLoop, pen: LogPen, mail: AuditMail) { (self.loop, self.pen, self.mail) = (loop, pen, mail) }

    /// Writes an entry with all others of this turn, and waits until it stands in the log.
    func write(_ entry: AuditEntry, _ claim: LogWriter.Claim) async throws(AuditRefusal) -> Int {
        let result: Result<Int, AuditRefusal> = await loop.suspend { writer in
            if entries.isEmpty {
                // Behind everything that the turn does and that may have entries too, and before anything leaves.
                loop.postAtEnd { self.handOver() }
            }
            entries.append(entry, claim)
            writers.append(writer)
        }
        return try result.get()
    }

    /// Whether an entry can be held: then it is certain that there is room for it.
    func mayHold() -> Bool {
        guard due.count == promised else { return true }
        guard pen.promise(Self.promiseCount) else { return false }
        if promised == 0 { loop.postBeforeLeaving { self.settle() } }
        promised += Self.promiseCount
        return true
    }

    /// Has an intent or an outcome written before anything leaves.
    ///
    /// - Precondition: ``mayHold()`` has just said so.
    func hold(_ entry: borrowing AuditEntry, _ claim: LogWriter.Claim, of owner: any RecordOwner) {
        precondition(due.count < promised, "there is room for what is held")
        due.append(entry, claim)
        owners.append(owner)
    }

    /// The same of an entry whose fields `write` writes where they will stand.
    @inline(__always)
    func hold(
        _ kind: AuditKind, _ claim: LogWriter.Claim, of owner: any RecordOwner, _ write: (inout FieldWriter) -> Void
    ) {
        precondition(due.count < promised, "there is room for what is held")
        due.append(kind, claim, write)
        owners.append(owner)
    }

    /// Writes what is due.
    func settle() {
        guard promised > 0 else { return }
        let count = promised
        promised = 0
        guard let first = pen.writePromised(due, of: count) else { return giveUp() }
        for index in owners.indices where due.marks[index].claim == .intent {
            owners[index].take(intent: first + index)
        }
        due.removeAll()
        owners.removeAll(keepingCapacity: true)
    }

    /// What is due could not be written: what was not begun is not begun, and an end that nobody hears of now is told to the
    /// log's thread, which writes it as soon as it can.
    private func giveUp() {
        let (entries, owners) = (due.items, owners)
        due.removeAll()
        self.owners.removeAll()
        let ends = entries.filter { $0.claim == .outcome }
        if !ends.isEmpty { try? mail.post(ends.map { AuditMail.Entry(item: $0, answer: nil) }) }
        for owner in owners { owner.cutOff() }
    }

    /// Nobody who goes on here runs before this returns: they are the loop's next work.
    private func handOver() {
        if let first = pen.writeNow(entries) {
            for (place, writer) in writers.enumerated() { writer.resume(returning: .success(first + place)) }
        } else {
            post()
        }
        entries.removeAll()
        writers.removeAll(keepingCapacity: true)
    }

    /// Leaves the batch to the log's thread.
    private func post() {
        let answers = Answers(loop: loop, writers)
        do throws(AuditRefusal) {
            try mail.post(
                entries.items.enumerated().map { place, item in
                    AuditMail.Entry(item: item) { answers.give($0, at: place) }
                })
        } catch {
            for place in writers.indices { answers.give(.failure(error), at: place) }
        }
    }

    /// Collects the results of a batch on the log's thread and brings them to the loop together.
    private final class Answers: @unchecked Sendable {
        private let loop: EventLoop
        private let waiting: [WaitingTask<Result<Int, AuditRefusal>>]
        // Given by one thread, place by place, before the loop reads them behind its mailbox's lock.
        private var results: [Result<Int, AuditRefusal>?]
        private var left: Int

        init(loop: EventLoop, _ waiting: [WaitingTask<Result<Int, AuditRefusal>>]) {
            (self.loop, self.waiting) = (loop, waiting)
            results = Array(repeating: nil, count: waiting.count)
            left = results.count
        }

        func give(_ result: Result<Int, AuditRefusal>, at place: Int) {
            results[place] = result
            left -= 1
            guard left == 0 else { return }
            loop.post { [self] in
                for place in results.indices {
                    waiting[place].resume(returning: results[place] ?? .failure(.stopped))
                }
            }
        }
    }
}

/// The desks of the loops, made when a loop first needs one.
final class AuditDesks: Sendable {
    private let pen: LogPen
    private let mail: AuditMail
    // A loop a core: so few that looking through them is quicker than hashing.
    private let desks = Mutex<[AuditDesk]>([])

    init(_ pen: LogPen, _ mail: AuditMail) { (self.pen, self.mail) = (pen, mail) }

    func desk(of loop: EventLoop) -> AuditDesk {
        desks.withLock { desks in
            for index in desks.indices where desks[index].loop === loop { return desks[index] }
            let desk = AuditDesk(loop: loop, pen: pen, mail: mail)
            desks.append(desk)
            return desk
        }
    }
}
