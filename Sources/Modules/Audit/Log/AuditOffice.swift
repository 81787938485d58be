// SPDX-License-Identifier: Apache-2.0

import Crypto
import Log
import Platform

/// All that the log's thread has: what is made of the records, and the clock's chores; the pen for as long as it works. Confined
/// to that thread.
final class AuditOffice: @unchecked Sendable {
    /// When who wrote an entry hears of it.
    enum Sync: String, CaseIterable, Sendable {
        /// Once the kernel has it: a killed process loses nothing, a power cut at most the interval.
        case interval
        /// Once it is on the disk.
        case always
    }

    struct Settings: Sendable {
        var sync = Sync.interval
        var syncInterval = Duration.milliseconds(100)
        var checkpointInterval = Duration.seconds(10)
    }

    /// Gives what was counted in seconds that are over (or at all), and whether there is nothing more.
    typealias TakeFloods = @Sendable (_ all: Bool) -> (entries: [AuditEntry], isEmpty: Bool)

    private let settings: Settings
    private let pen: LogPen
    private let mail: AuditMail
    private let intents: OpenIntents
    private let projections: [any AuditProjection]
    private let keeper: CheckpointKeeper
    private let log: Logger
    private let floods: TakeFloods
    private var floodsDue: Instant?

    /// Why nothing is written any more: a file of the log was taken away.
    private var broken: AuditFailure?
    /// Whether the last write or flush failed, so that each trouble is told once.
    private var isInTrouble = false
    /// Outcomes that could not be written when their exchanges ended: they come first as soon as anything can be.
    private var owed: [LogWriter.Item] = []
    private var flushDue: Instant?
    private var checkpointDue: Instant
    private var checkpointSize: Int
    private var retentionDue: Instant
    /// The next segment whose opening has to be told.
    private var toldNumber: Int

    init(
        _ settings: Settings, pen: LogPen, mail: AuditMail, intents: OpenIntents, projections: [any AuditProjection],
        keeper: CheckpointKeeper, log: Logger, floods: @escaping TakeFloods
    ) {
        (self.settings, self.pen, self.mail, self.intents) = (settings, pen, mail, intents)
        (self.projections, self.keeper, self.log, self.floods) = (projections, keeper, log, floods)
        checkpointDue = .now() + settings.checkpointInterval
        checkpointSize = -1
        retentionDue = .now()
        toldNumber = pen.writer.nextNumber
    }

    /// Works until the mailbox is stopped and empty.
    func work() {
        while true {
            let deadline = deadline
            givePen()
            let delivery = mail.take(until: deadline)
            pen.take()
            if !delivery.entries.isEmpty { write(delivery.entries) }
            for order in delivery.orders { order(self) }
            lookAtClock()
            if delivery.isStopped, delivery.entries.isEmpty, delivery.orders.isEmpty { break }
        }
        close()
    }

    private func givePen() {
        // With `always` whoever writes waits for the disk, and in trouble there is more to do than to write.
        guard settings.sync == .interval, broken == nil, !isInTrouble, owed.isEmpty else { return }
        pen.give(isFlushExpected: flushDue != nil)
    }

    /// A loop has written: that is to be flushed.
    func expectFlush() {
        if flushDue == nil { flushDue = .now() + settings.syncInterval }
    }

    // MARK: Writing

    private func write(_ entries: [AuditMail.Entry]) {
        settleOwed()
        let (results, unflushed) = append(entries.map(\.item))
        for (entry, result) in zip(entries, results) {
            switch result {
            case .failure(let failure):
                if entry.item.claim == .outcome { owed.append(entry.item) }
                entry.answer?(.failure(.failed(failure)))
            case .success(let sequence):
                guard let unflushed else {
                    entry.answer?(.success(sequence))
                    continue
                }
                // It stands in memory and will stand in the log, although nothing comes of it: it is closed there.
                if entry.item.claim.opens { owed.append((.unbegun(sequence, entry.item.entry), .outcome)) }
                entry.answer?(.failure(.failed(unflushed)))
            }
        }
    }

    /// Writes entries, and with `always` brings them to the disk.
    ///
    /// - Returns: the place of each; and why they are not on the disk, where they should be.
    private func append(
        _ items: [LogWriter.Item]
    ) -> (places: [Result<Int, AuditFailure>], unflushed: AuditFailure?) {
        if let broken { return (items.map { _ in .failure(broken) }, nil) }
        let results = pen.append(items)
        tellSegments()
        var unflushed: AuditFailure?
        if settings.sync == .always {
            do throws(AuditFailure) { try flush() } catch { unflushed = error }
        } else {
            expectFlush()
        }
        let failure = results.lazy.compactMap { if case .failure(let failure) = $0 { failure } else { nil } }.first
        tell(failure ?? unflushed)
        return (results, unflushed)
    }

    /// Writes the outcomes that are owed, oldest first.
    private func settleOwed() {
        guard !owed.isEmpty, broken == nil else { return }
        let items = owed
        owed = []
        for (item, result) in zip(items, append(items).places) {
            if case .failure = result { owed.append(item) }
        }
    }

    /// Says once that there is trouble, and once that it is over.
    private func tell(_ failure: AuditFailure?) {
        if let failure, !isInTrouble {
            log.error("nothing can be recorded, so nothing is served", ["cause": .string(failure.description)])
        } else if failure == nil, isInTrouble {
            log.notice("records are written again")
        }
        isInTrouble = failure != nil
    }

    /// Brings everything to the disk. Loops may write while the disk is waited for.
    private func flush() throws(AuditFailure) {
        defer { publish() }
        if settings.sync == .interval {
            // Whoever found the pen taken does not wait for the disk too.
            let entries = mail.takeEntries()
            if !entries.isEmpty { write(entries) }
        }
        flushDue = nil
        guard let flush = pen.use({ $0.beginFlush() }) else {
            // What an earlier one has left unknown.
            return try pen.use { writer throws(AuditFailure) in try writer.flush() }
        }
        var failure: Errno?
        givePen()
        do throws(Errno) { try flush.wait() } catch { failure = error }
        pen.take()
        try pen.use { writer throws(AuditFailure) in try writer.end(flush, failure) }
        tellSegments()
    }

    /// Writes down that segments were opened. Each that is full is signed for at once.
    private func tellSegments() {
        while toldNumber < pen.writer.nextNumber {
            checkpointDue = .now()
            _ = pen.append([(.house("segment.open", file: SegmentHeader.name(number: toldNumber)), .act)])
            toldNumber += 1
            expectFlush()
        }
    }

    /// Tells what is made of the records of those that are on the disk.
    private func publish() {
        let records = pen.use { $0.takeSettled() }
        guard !records.isEmpty else { return }
        // Nothing of it is the writer's: loops may write meanwhile.
        givePen()
        intents.apply(records)
        for projection in projections { projection.apply(records) }
        pen.take()
        pen.use { $0.reuse(records) }
    }

    /// Flushes now what would be flushed soon; what cannot be is tried again, as at its time.
    func sync() { flushAndWatch() }

    // MARK: The clock

    private var deadline: Instant {
        var deadline = min(checkpointDue, retentionDue)
        if let flushDue { deadline = min(deadline, flushDue) }
        if let floodsDue { deadline = min(deadline, floodsDue) }
        if !owed.isEmpty { deadline = min(deadline, .now() + settings.syncInterval) }
        return deadline
    }

    private func lookAtClock() {
        let now = Instant.now()
        if let flushDue, flushDue <= now || pen.writer.unflushedCount > LogWriter.unflushedMax { flushAndWatch() }
        if !owed.isEmpty { settleOwed() }
        if let floodsDue, floodsDue <= now { writeFloods() }
        if checkpointDue <= now {
            checkpointDue = now + settings.checkpointInterval
            watch()
            if pen.writer.end.edge.size != checkpointSize { checkpoint() }
        }
        if retentionDue <= now {
            retentionDue = now + .seconds(3600)
            keeper.retire(belowSize: pen.writer.end.edge.size)
        }
    }

    /// Something is being counted, and is to be written when its second is over.
    func expectFloods() {
        if floodsDue == nil { floodsDue = .now() + Self.floodInterval }
    }

    private static let floodInterval = Duration.milliseconds(1100)

    private func writeFloods(all: Bool = false) {
        let (entries, isEmpty) = floods(all)
        floodsDue = isEmpty ? nil : .now() + Self.floodInterval
        if !entries.isEmpty { _ = append(entries.map { ($0, .plain) }) }
    }

    private func flushAndWatch() {
        do throws(AuditFailure) {
            try flush()
            if isInTrouble, owed.isEmpty { tell(nil) }
        } catch {
            tell(error)
            // Tried again: what was acknowledged is still only in memory.
            flushDue = .now() + .seconds(1)
        }
        watch()
    }

    /// Notices that a file of the log was taken away or replaced. What is written to it from then on would be seen by nobody,
    /// so nothing is: the operator has to look.
    private func watch() {
        guard broken == nil else { return }
        do throws(AuditFailure) {
            try pen.writer.checkPlace()
        } catch {
            broken = error
            log.error(
                "the audit log was tampered with; nothing is served until a restart",
                ["cause": .string(error.description), "hint": .string("gatehouse audit verify")])
        }
    }

    // MARK: Checkpoints

    /// Signs what there is and has it written to all its places. They are files and a database: not on this thread.
    ///
    /// - Parameter done: called when it is in all its places.
    func checkpoint(done: @escaping @Sendable () -> Void = {}) {
        do throws(AuditFailure) {
            if let broken { throw broken }
            try flush()
        } catch {
            tell(error)
            return done()
        }
        let (edge, tiles) = pen.use { $0.takeFlushed() }
        checkpointSize = edge.size
        keeper.keep(
            Checkpoint(origin: keeper.origin, size: edge.size, root: edge.root), tiles: tiles,
            replayFrom: intents.first, done: done)
    }

    /// Says something of the house itself.
    func note(_ entry: AuditEntry) { _ = append([(entry, .act)]) }

    /// Closes the intents that a crash has left open.
    func closeOpenIntents() {
        let items: [LogWriter.Item] = intents.open.sorted { $0.key < $1.key }.map {
            (.interrupted($0.value), .outcome)
        }
        guard !items.isEmpty else { return }
        owed += items
        settleOwed()
        log.notice("exchanges that a crash cut off are closed", ["count": .int(items.count)])
    }

    private func close() {
        settleOwed()
        writeFloods(all: true)
        note(.house("stop"))
        let isDone = Monitor(false)
        checkpoint {
            isDone.withLock { $0 = true }
            isDone.signal()
        }
        isDone.wait(until: .now() + .seconds(5)) { $0 ? true : nil }
        do throws(AuditFailure) {
            try pen.use { writer throws(AuditFailure) in try writer.close() }
        } catch {
            tell(error)
        }
    }
}

extension LogWriter.Claim {
    /// Whether an outcome is owed for it.
    var opens: Bool { self == .intent || self == .actIntent }
}

extension AuditFailure: CustomStringConvertible {
    var description: String {
        switch self {
        case .full: "the disk has no room for another segment of the audit log"
        case .crowded: "more exchanges are open than [audit] segment_bytes has room for"
        case .disk(let path, let error): "\(path): \(error)"
        case .replaced(let path): "\(path) was taken away or replaced while it was in use"
        case .keys(let cause): cause
        }
    }
}
