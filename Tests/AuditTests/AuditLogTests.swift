// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import EventLoop
import Glibc
import Platform
import SQLite
import Support
import Testing

@testable import Audit

/// The log with its threads: what loops are told, and what stands on the disk after whatever happened.
@Suite(.serialized) struct AuditLogTests {
    /// Waits for something that another thread does.
    private func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
        for _ in 0..<500 {
            if try condition() { return true }
            usleep(20_000)
        }
        return false
    }

    @Test(arguments: AuditOffice.Sync.allCases)
    func `what is acknowledged stands in the log, in order and once`(_ sync: AuditOffice.Sync) throws {
        let live = try LiveLog(.init(sync: sync))
        let results = try live.write((0..<300).map { (LiveLog.intent("req_\($0)"), .intent) })
        let sequences = try results.map { try $0.get() }
        #expect(Set(sequences).count == 300)
        _ = try live.write(sequences.enumerated().map { (LiveLog.outcome("req_\($0)", of: $1), .outcome) })
        live.stop()
        #expect(try live.unsettled() == [])
        let records = try live.records()
        for (request, sequence) in sequences.enumerated() {
            #expect(records[sequence].text(.requestID) == "req_\(request)" && records[sequence].kind == .intent)
        }
        #expect(live.seen.sequences == Array(0..<records.count), "a projection is told each record once, in order")
        let report = LogVerifier(directory: live.files).verify(key: live.key)
        #expect(report.isSound && report.signed == records.count)
        try live.open()
        live.stop()
        #expect(live.seen.sequences == Array(0..<(try live.records().count)), "and once over a restart")
    }

    @Test func `a checkpoint goes to its places`() throws {
        let live = try LiveLog()
        _ = try live.write(LiveLog.intent("req_1"), .intent)
        live.log?.checkpoint()
        let note = try #require(try live.files.checkpoint())
        let copy = try AtomicFile.read(path: live.directory("copy"), bytesMax: 1 << 12)
        let state = try live.database.writeBlocking { connection throws(SQLiteError) in try AuditState.read(connection)
        }
        #expect(copy == Array(note.utf8) && state.note == note)
        #expect(Checkpoint(note: note, signedBy: live.key)?.size == state.size)
        // The intent is open: the next start must find it.
        #expect(state.replayFrom < state.size)
    }

    @Test func `what a crash leaves open is closed at the start, at what was reserved`() throws {
        let live = try LiveLog()
        let sequence = try live.write(LiveLog.intent("req_cut"), .intent).get()
        let copy = try TemporaryDirectory()
        let state = try live.database.writeBlocking { connection throws(SQLiteError) in try AuditState.read(connection)
        }
        // The files as a kill would leave them.
        for number in try live.files.segmentNumbers() {
            let name = SegmentHeader.name(number: number)
            let bytes = try AtomicFile.read(path: live.directory(name), bytesMax: 1 << 20)
            try AtomicFile.write(path: copy(name), bytes: bytes, mode: 0o600)
        }
        let opened = try LogOpening(
            parts: LogHarness.parts(copy.path, SystemDisk(), 512 << 10), state: state, key: live.key,
            readKey: { number throws(AuditFailure) in LogHarness.key(number) }
        ).open([])
        let intent = try #require(opened.intents.open[sequence])
        let outcome = AuditRecord(.interrupted(intent), at: intent.place)
        #expect(outcome.text(.outcome) == "interrupted" && outcome.number(.intent) == sequence)
        #expect(outcome.number(.outputTokens) == 900 && outcome.number(.inputTokens) == 100)
        #expect(outcome.number(.cost) == 5000 && outcome.number(.isEstimated) == 1)
        #expect(outcome.text(.requestID) == "req_cut")
    }

    @Test func `on a full disk nothing begins, what has begun ends, and space is noticed`() throws {
        let live = try LiveLog()
        // Its first record opens the segment that the disk has room for.
        _ = try live.write(LiveLog.outcome("req_first", of: 0), .plain).get()
        live.disk.faults.withLock { $0.make = .noSpace }
        var begun: [(String, Int)] = []
        var refusals = 0
        for number in 0..<2000 where refusals == 0 {
            switch try live.write(LiveLog.intent("req_\(number)"), .intent) {
            case .success(let sequence): begun.append(("req_\(number)", sequence))
            case .failure(let refusal):
                #expect(refusal == .failed(.full))
                refusals += 1
            }
        }
        #expect(refusals == 1 && begun.count > 3 && begun.count < 512)
        #expect(
            try live.write(begun.map { (LiveLog.outcome($0.0, of: $0.1), .outcome) }).allSatisfy {
                (try? $0.get()) != nil
            })
        live.disk.faults.withLock { $0.make = nil }
        #expect(eventually { (try? live.write(LiveLog.intent("req_later"), .intent).get()) != nil })
        live.stop()
        #expect(try live.unsettled() == ["req_first", "req_later"])
    }

    /// Whoever only sends, as the log sees them.
    private final class Sender: RecordOwner, @unchecked Sendable {
        var intent: Int?
        var isCutOff = false

        func take(intent: Int) { self.intent = intent }
        func cutOff() { isCutOff = true }
    }

    /// Waits until the log's thread has given the pen away, which it takes now and then.
    ///
    /// - Returns: whether something can be held in this turn.
    @discardableResult
    private static func mayHold(_ desk: AuditDesk) async -> Bool {
        for _ in 0..<500 {
            if desk.mayHold() { return true }
            await desk.loop.sleep(.milliseconds(2))
        }
        return false
    }

    @Test func `what is due stands in the log before anything leaves, all of a turn with one call`() throws {
        let live = try LiveLog()
        let (log, disk) = (try #require(live.log), live.disk)
        try onLoop { loop in
            let desk = log.desk(of: loop)
            let senders = (0..<16).map { _ in Sender() }
            try #require(await Self.mayHold(desk))
            let before = disk.faults.withLock { $0.writesByLoops }
            for (number, sender) in senders.enumerated() {
                desk.hold(LiveLog.intent("req_\(number)"), .intent, of: sender)
            }
            #expect(senders.allSatisfy { $0.intent == nil })
            loop.settleDues()
            #expect(disk.faults.withLock { $0.writesByLoops } == before + 1)
            let first = try #require(senders[0].intent)
            #expect(senders.map(\.intent) == (0..<16).map { first + $0 })
            // And at the end of the turn by itself, beside what is waited for.
            try #require(await Self.mayHold(desk))
            for (number, sender) in senders.enumerated().dropFirst() {
                desk.hold(LiveLog.outcome("req_\(number)", of: first + number), .outcome, of: sender)
            }
            _ = try await desk.write(LiveLog.outcome("req_0", of: first), .outcome)
            await loop.yield()
            #expect(senders.allSatisfy { !$0.isCutOff })
        }
        live.stop()
        #expect(try live.unsettled().isEmpty)
        #expect(LogVerifier(directory: live.files).verify(key: live.key).isSound)
    }

    @Test(arguments: [false, true])
    func `what is due and cannot be written cuts off whose it is, and an end is written later`(_ tears: Bool) throws {
        let live = try LiveLog()
        let (log, disk) = (try #require(live.log), live.disk)
        let lasting = Sender()
        try onLoop { loop in
            let desk = log.desk(of: loop)
            try #require(await Self.mayHold(desk))
            desk.hold(LiveLog.intent("req_lasting"), .intent, of: lasting)
            loop.settleDues()
            let intent = try #require(lasting.intent)
            let begun = Sender()
            try #require(await Self.mayHold(desk))
            disk.faults.withLock { ($0.write, $0.tearsWrites) = (Errno(EIO), tears) }
            desk.hold(LiveLog.intent("req_lost"), .intent, of: begun)
            desk.hold(LiveLog.outcome("req_lasting", of: intent), .outcome, of: lasting)
            loop.settleDues()
            #expect(begun.isCutOff && begun.intent == nil && lasting.isCutOff)
            #expect(!desk.mayHold(), "a log in trouble promises nothing")
        }
        disk.faults.withLock { $0.write = nil }
        #expect(eventually { (try? live.write(LiveLog.intent("req_after"), .intent).get()) != nil })
        live.stop()
        // What was cut off before it began is not in the log; what was cut off at its end is, once.
        #expect(try live.unsettled() == ["req_after"])
        #expect(!(try live.records().contains { $0.text(.requestID) == "req_lost" }))
        #expect(LogVerifier(directory: live.files).verify(key: live.key).isSound)
    }

    @Test func `the log's thread waits for what a loop was promised`() throws {
        let live = try LiveLog()
        let (log, disk) = (try #require(live.log), live.disk)
        let sender = Sender()
        try onLoop { loop in
            let desk = log.desk(of: loop)
            try #require(await Self.mayHold(desk))
            // A turn in which the thread wants the pen.
            let before = disk.faults.withLock { $0.writesByOthers }
            log.note(.house("test"))
            usleep(100_000)
            #expect(disk.faults.withLock { $0.writesByOthers } == before)
            desk.hold(LiveLog.intent("req_1"), .intent, of: sender)
        }
        #expect(eventually { (try? live.records().contains { $0.text(.action) == "test" }) ?? false })
        live.stop()
        #expect(sender.intent != nil && !sender.isCutOff)
        #expect(try live.unsettled() == ["req_1"])
    }

    @Test func `a promise is kept, also where a segment is full`() throws {
        let live = try LiveLog()
        let log = try #require(live.log)
        let count = try onLoop { loop in
            let desk = log.desk(of: loop)
            var senders: [Sender] = []
            // Until nothing is promised any more: nobody asks for another segment.
            while await Self.mayHold(desk) {
                senders.append(Sender())
                desk.hold(LiveLog.intent("req_\(senders.count)"), .intent, of: senders[senders.count - 1])
            }
            await loop.yield()
            #expect(senders.allSatisfy { !$0.isCutOff && $0.intent != nil })
            return senders.count
        }
        #expect(count > 50 && count < 512 << 10 / PieceFormat.overheadByteCount)
        live.stop()
        #expect(try live.unsettled().count == count)
    }

    @Test(arguments: AuditOffice.Sync.allCases)
    func `a disk that cannot flush admits nothing, and nothing is lost or doubled`(_ sync: AuditOffice.Sync) throws {
        let live = try LiveLog(.init(sync: sync))
        let before = try live.write(LiveLog.intent("req_before"), .intent).get()
        live.disk.faults.withLock { $0.flush = Errno(EIO) }
        // With `interval` the failure is found at the next flush.
        var number = 0
        let isRefused = try eventually {
            number += 1
            guard case .success(let sequence) = try live.write(LiveLog.intent("req_\(number)"), .intent) else {
                return true
            }
            _ = try live.write(LiveLog.outcome("req_\(number)", of: sequence), .outcome)
            return false
        }
        #expect(isRefused)
        let late = try live.write(LiveLog.outcome("req_before", of: before), .outcome)
        #expect((try? late.get()) == nil, "an answer whose end is not written down does not leave whole")
        live.disk.faults.withLock { $0.flush = nil }
        #expect(eventually { (try? live.write(LiveLog.intent("req_after"), .intent).get()) != nil })
        live.stop()
        let unsettled = try live.unsettled()
        #expect(!unsettled.contains("req_before") && unsettled.contains("req_after"))
        #expect(LogVerifier(directory: live.files).verify(key: live.key).isSound)
        let places = try live.records().map(\.place.sequence)
        #expect(places == Array(0..<places.count))
    }

    @Test func `a loop writes itself, and leaves a slow disk to the thread`() throws {
        let live = try LiveLog(.init(syncInterval: .seconds(600), checkpointInterval: .seconds(600)))
        _ = try live.write(LiveLog.outcome("req_first", of: 0), .plain).get()
        /// Whether a record is written by its loop.
        func isWrittenByLoop() throws -> Bool {
            let before = live.disk.faults.withLock { $0.writesByLoops }
            _ = try live.write(LiveLog.outcome("req_some", of: 0), .plain).get()
            return live.disk.faults.withLock { $0.writesByLoops } > before
        }
        // A busy machine may make any write a slow one.
        #expect(try eventually { try isWrittenByLoop() })
        #expect(
            try eventually {
                for _ in 0..<LogPen.slowMax {
                    live.disk.faults.withLock { $0.slownessMilliseconds = 150 }
                    _ = try isWrittenByLoop()
                }
                return try !isWrittenByLoop()
            })
        #expect(try eventually { try isWrittenByLoop() }, "a second later loops write again")
        live.stop()
        #expect(LogVerifier(directory: live.files).verify(key: live.key).isSound)
    }

    @Test func `while the disk is waited for the log goes on`() throws {
        let live = try LiveLog(.init(syncInterval: .milliseconds(1), checkpointInterval: .seconds(600)))
        let log = try #require(live.log)
        try onLoop { _ in await log.sync() }
        live.disk.faults.withLock { $0.holdsFlushes = true }
        var number = 0
        // Sooner or later a flush is under way.
        #expect(
            try eventually {
                number += 1
                _ = try live.write(LiveLog.outcome("req_\(number)", of: 0), .plain).get()
                return live.disk.faults.withLock { $0.flushesHeld } > 0
            })
        let taken = live.seen.next
        let sequences = try live.write((0..<50).map { (LiveLog.outcome("req_late\($0)", of: 0), .plain) })
        #expect(sequences.allSatisfy { (try? $0.get()) != nil })
        #expect(live.seen.next == taken, "what is not on the disk is told to nobody")
        live.disk.faults.withLock { $0.holdsFlushes = false }
        #expect(eventually { live.seen.next >= taken + 50 })
        live.stop()
        #expect(live.seen.sequences == Array(0..<(try live.records().count)))
    }

    @Test func `what a reader could not have flushed is flushed soon after`() throws {
        // Only who asks flushes: the log's own time is far away.
        let live = try LiveLog(.init(syncInterval: .seconds(600), checkpointInterval: .seconds(600)))
        let log = try #require(live.log)
        try onLoop { _ in await log.sync() }
        live.disk.faults.withLock { $0.flush = Errno(EIO) }
        let sequence = try live.write(LiveLog.intent("req_1"), .intent).get()
        try onLoop { _ in await log.sync() }
        #expect(live.seen.next <= sequence)
        live.disk.faults.withLock { $0.flush = nil }
        #expect(eventually { live.seen.next > sequence })
    }

    @Test func `a segment that is removed stops the log until a restart`() throws {
        let live = try LiveLog()
        _ = try live.write(LiveLog.intent("req_1"), .intent).get()
        let number = try #require(try live.files.segmentNumbers().last)
        unsafe _ = unlink(live.directory(SegmentHeader.name(number: number)))
        var refusal: AuditRefusal?
        let isNoticed = try eventually {
            if case .failure(let found) = try live.write(LiveLog.intent("req_2"), .intent) { refusal = found }
            return refusal != nil
        }
        #expect(isNoticed)
        guard case .failed(.replaced)? = refusal else {
            Issue.record("\(String(describing: refusal))")
            return
        }
        live.stop()
        #expect(throws: StartFailure.self, "what was signed is missing") { try live.open() }
    }

    @Test func `a log that was cut, put back or replaced is not continued`() throws {
        let live = try LiveLog()
        _ = try live.write((0..<50).map { (LiveLog.intent("req_\($0)"), .intent) })
        live.stop()
        let number = try #require(try live.files.segmentNumbers().last)
        let path = live.directory(SegmentHeader.name(number: number))
        let bytes = try AtomicFile.read(path: path, bytesMax: 1 << 20)
        let checkpoint = try AtomicFile.read(path: live.directory("checkpoint"), bytesMax: 1 << 12)
        // Cut, with the checkpoint beside it gone too: control.db knows.
        try AtomicFile.write(path: path, bytes: Array(bytes[..<(bytes.count / 2)]), mode: 0o600)
        unsafe _ = unlink(live.directory("checkpoint"))
        #expect(throws: StartFailure.self) { try live.open() }
        try AtomicFile.write(path: path, bytes: bytes, mode: 0o600)
        try AtomicFile.write(path: live.directory("checkpoint"), bytes: checkpoint, mode: 0o600)
        try live.open()
        live.stop()
    }

    @Test func `new segments stand in the log, and which log it was begun instead of`() throws {
        let live = try LiveLog()
        for _ in 0..<64 { _ = try live.write((0..<300).map { (LiveLog.outcome("req_\($0)", of: 1), .plain) }) }
        live.stop()
        let opened = try live.records().filter { $0.text(.action) == "segment.open" }.compactMap { $0.text(.file) }
        let names = try live.files.segmentNumbers().map { SegmentHeader.name(number: $0) }
        #expect(opened == names)
        #expect(opened.count > 1)
        #expect(try !live.records().contains { $0.text(.action) == "begin-anew" })

        let note = try #require(try live.files.checkpoint())
        let checkpoint = try #require(Checkpoint(note: note, signedBy: live.key))
        try live.database.writeBlocking { connection throws(SQLiteError) in
            // Twice: the second finds no note any more.
            try AuditState.forget(connection)
            try AuditState.forget(connection)
        }
        for name in try live.files.segmentNumbers().map({ SegmentHeader.name(number: $0) }) + ["checkpoint", "tile"] {
            unsafe _ = rename(live.directory(name), live.directory("old-\(name)"))
        }
        try live.open()
        live.stop()
        try live.open()
        live.stop()
        let told = try live.records().filter { $0.text(.action) == "begin-anew" }
        #expect(told.count == 1 && told.first?.number(.earlierSize) == checkpoint.size)
        #expect(told.first?.digest(.earlierRoot) == checkpoint.root.bytes)
    }

    @Test func `a segment that a kill left without its first byte does not stand in the way`() throws {
        let live = try LiveLog()
        _ = try live.write(LiveLog.intent("req_1"), .intent).get()
        live.stop()
        let next = (try live.files.segmentNumbers().last ?? 0) + 1
        try AtomicFile.write(
            path: live.directory(SegmentHeader.name(number: next)), bytes: [UInt8](repeating: 0, count: 4096),
            mode: 0o600)
        try live.open()
        #expect(throws: Never.self) { try live.write(LiveLog.intent("req_2"), .intent).get() }
        live.stop()
        #expect(LogVerifier(directory: live.files).verify(key: live.key).isSound)
    }

    @Test func `a control database from before is not believed`() throws {
        let live = try LiveLog()
        let early = try live.database.writeBlocking { connection throws(SQLiteError) in
            try AuditState.read(connection)
        }
        live.stop()
        try live.open()
        _ = try live.write(LiveLog.intent("req_1"), .intent)
        live.stop()
        // Its note is true of this log, and it is still not the last one.
        try live.database.writeBlocking { connection throws(SQLiteError) in
            try connection.execute(
                "UPDATE audit_state SET size = ?, replay_from = ?, note = ?, generation = ?", early.size,
                early.replayFrom, early.note, early.generation)
        }
        #expect(throws: StartFailure.self) { try live.open() }
    }

    @Test func `old segments go with the time, and what is left is proved`() throws {
        let now = Monitor(WallTime(seconds: 1_790_000_000))
        let live = try LiveLog(retention: .seconds(86_400), clock: { now.withLock { $0 } })
        for _ in 0..<8 {
            _ = try live.write((0..<300).map { (LiveLog.outcome("req_\($0)", of: 1), .plain) })
        }
        live.log?.checkpoint()
        live.stop()
        now.withLock { $0 = $0 + .seconds(3 * 86_400) }
        try live.open()
        _ = try live.write((0..<300).map { (LiveLog.outcome("req_\($0)", of: 1), .plain) })
        live.log?.checkpoint()
        live.stop()
        // What is behind the old segment is old enough too: nothing in it is younger than the retention.
        now.withLock { $0 = $0 + .seconds(3 * 86_400) }
        try live.open()
        #expect(eventually { (try? live.files.segmentNumbers().first) ?? 0 > 1 })
        live.stop()
        let report = LogVerifier(directory: live.files).verify(key: live.key)
        #expect(report.isSound && report.first > 0, "\(report.damages)")
        let last = report.size - 1
        #expect(try LogProver(directory: live.files).proof(of: last, under: live.key).isValid)
    }
}

struct FloodTests {
    private static func kind(_ tenant: String?, _ key: String = "key_1", _ action: String = "a") -> Floods.Kind {
        Floods.Kind(
            tenant: tenant.map { TenantID($0) }, key: tenant == nil ? nil : KeyID(key),
            address: tenant == nil ? IPAddress.v4(1) : nil, action: action, code: .rateLimitExceeded)
    }

    @Test func `ten refusals of a kind stand alone, and the rest of the second together`() {
        let floods = Floods {}
        let now = WallTime(seconds: 100)
        let singles = (0..<500).count {
            floods.isSingle(Self.kind("ten_1"), prefix: "ghk_1", step: "admit", request: "req_\($0)", at: now)
        }
        #expect(singles == Floods.singlesMax)
        #expect(floods.take(at: now).counts.isEmpty, "the second is not over")
        let (counts, isEmpty) = floods.take(at: WallTime(seconds: 101))
        #expect(counts.count == 1 && isEmpty)
        #expect(counts.first?.count == 490 && counts.first?.first == "req_10" && counts.first?.last == "req_499")
    }

    @Test func `a tenant's records are bounded however many keys it has`() {
        let floods = Floods {}
        let now = WallTime(seconds: 100)
        var singles = 0
        for key in 0..<200 {
            for _ in 0..<20
            where floods.isSingle(
                Self.kind("ten_1", "key_\(key)"), prefix: "p", step: "admit", request: "req_1", at: now)
            {
                singles += 1
            }
        }
        #expect(singles == Floods.singlesPerTenantMax)
        #expect(
            floods.isSingle(Self.kind("ten_2"), prefix: "p", step: "admit", request: "req_1", at: now), "others are not"
        )
    }

    @Test func `strangers are counted from the first on, and all together have a bound`() {
        let floods = Floods {}
        let now = WallTime(seconds: 100)
        for address in 0..<5000 {
            var kind = Self.kind(nil)
            kind.address = .v4(UInt32(address))
            #expect(!floods.isSingle(kind, prefix: nil, step: "identify", request: "req_1", at: now))
        }
        let counts = floods.take(at: WallTime(seconds: 101)).counts
        #expect(counts.count <= Floods.kindsMax + ErrorCode.allCases.count)
        #expect(counts.reduce(0) { $0 + $1.count } == 5000, "each is counted")
    }
}
