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

/// What waits for the log's thread. Entries that loops hand over in one turn come as one letter, so that the thread is
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

    /// Waits for something to do, at most until `deadline`.
    func take(until deadline: Instant) -> Delivery {
        state.wait(until: deadline) { state -> Delivery? in
            guard !state.entries.isEmpty || !state.orders.isEmpty || state.isStopped else { return nil }
            defer { state = Delivery(isStopped: state.isStopped) }
            return state
        } ?? Delivery()
    }
}

/// Where a loop's entries are collected within a turn. Confined to its loop.
final class AuditDesk: @unchecked Sendable {
    let loop: EventLoop
    private let mail: AuditMail
    private var waiting: [Waiting] = []

    @safe private struct Waiting: @unchecked Sendable {
        let item: LogWriter.Item
        private let continuation: UnsafeContinuation<Result<Int, AuditRefusal>, Never>

        init(_ item: LogWriter.Item, _ continuation: UnsafeContinuation<Result<Int, AuditRefusal>, Never>) {
            self.item = item
            unsafe self.continuation = continuation
        }

        /// Lets the writer of the entry go on; once.
        func resume(_ result: Result<Int, AuditRefusal>) { unsafe continuation.resume(returning: result) }
    }

    init(loop: EventLoop, mail: AuditMail) { (self.loop, self.mail) = (loop, mail) }

    /// Writes an entry with all others of this turn, and waits until it stands in the log.
    func write(_ entry: AuditEntry, _ claim: LogWriter.Claim) async throws(AuditRefusal) -> Int {
        let result: Result<Int, AuditRefusal> = unsafe await withUnsafeContinuation { continuation in
            if waiting.isEmpty {
                // Behind everything that is ready now and may have entries too.
                loop.post { self.handOver() }
            }
            waiting.append(unsafe Waiting((entry, claim), continuation))
        }
        return try result.get()
    }

    private func handOver() {
        let batch = waiting
        waiting = []
        let answers = Answers(loop: loop, batch)
        do throws(AuditRefusal) {
            try mail.post(
                batch.enumerated().map { place, waiting in
                    AuditMail.Entry(item: waiting.item) { answers.give($0, at: place) }
                })
        } catch {
            for place in batch.indices { answers.give(.failure(error), at: place) }
        }
    }

    /// Collects the results of a batch on the log's thread and brings them to the loop together.
    private final class Answers: @unchecked Sendable {
        private let loop: EventLoop
        private let waiting: [Waiting]
        // Given by one thread, place by place, before the loop reads them behind its mailbox's lock.
        private var results: [Result<Int, AuditRefusal>?]
        private var left: Int

        init(loop: EventLoop, _ waiting: [Waiting]) {
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
                    waiting[place].resume(results[place] ?? .failure(.stopped))
                }
            }
        }
    }
}

/// The desks of the loops, made when a loop first needs one.
final class AuditDesks: Sendable {
    private let mail: AuditMail
    // A loop a core: so few that looking through them is quicker than hashing.
    private let desks = Mutex<[AuditDesk]>([])

    init(_ mail: AuditMail) { self.mail = mail }

    func desk(of loop: EventLoop) -> AuditDesk {
        desks.withLock { desks in
            for index in desks.indices where desks[index].loop === loop { return desks[index] }
            let desk = AuditDesk(loop: loop, mail: mail)
            desks.append(desk)
            return desk
        }
    }
}
