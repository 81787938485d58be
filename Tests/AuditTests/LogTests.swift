// SPDX-License-Identifier: Apache-2.0

import Crypto
import Glibc
import Platform
import Support
import Testing

@testable import Audit

struct LogTests {
    @Test func `records come back in order, across segments and a new start`() throws {
        let log = try LogHarness()
        #expect(log.append(1500).enumerated().allSatisfy { $0.element == .success($0.offset) })
        try log.writer.flush()
        #expect(try log.files.segmentNumbers().count > 2)
        let (records, tail) = try log.records()
        #expect(records.map(\.place.sequence) == Array(0..<1500))
        #expect(records.map { $0.text(.action) } == (0..<1500).map { "test.\($0)" })
        #expect(tail.edge.root == log.writer.end.edge.root && tail.tornBytes == 0)

        log.writer = LogWriter(
            LogHarness.parts(log.directory.path, log.disk, log.segmentBytes), end: .init(edge: tail.edge),
            lastNumber: tail.lastNumber)
        log.append(500)
        try log.sign()
        let whole = try log.records()
        #expect(whole.records.map(\.place.sequence) == Array(0..<2000))
        #expect(try log.records(from: 1990).records.map(\.place.sequence) == Array(1990..<2000))
        let report = log.verify()
        #expect(report.isSound && report.size == 2000 && report.signed == 2000)
    }

    @Test func `an admitted exchange has room for its outcome when the disk is full`() throws {
        let log = try LogHarness()
        log.append(1)
        log.disk.faults.withLock { $0.make = .noSpace }
        var intents = 0
        while case .success = log.append(1, as: .intent)[0] {
            intents += 1
            guard intents < 10_000 else { break }
        }
        #expect(intents > 3 && intents < 10_000)
        #expect(log.append(1, as: .intent) == [.failure(.full)])
        var refusals = 0
        while case .success = log.append(1, as: .plain)[0] { refusals += 1 }
        #expect(refusals < 100 && log.append(1, as: .plain) == [.failure(.full)])
        // The operator can still act, and every exchange can still be closed.
        #expect(log.append(3, as: .act).allSatisfy { (try? $0.get()) != nil })
        #expect(log.append(intents, as: .outcome).allSatisfy { (try? $0.get()) != nil })
        #expect(log.writer.end.outcomesOwed == 0)

        log.disk.faults.withLock { $0.make = nil }
        usleep(1_100_000)
        #expect(log.append(1, as: .intent).allSatisfy { (try? $0.get()) != nil }, "space has returned")
        try log.sign()
        #expect(log.verify().isSound)
        #expect(try log.records().records.count == 1 + intents + refusals + 3 + intents + 1)
    }

    @Test func `what a failed flush leaves unknown is written again`() throws {
        let log = try LogHarness()
        log.append(5)
        try log.sign()
        log.append(5)
        log.disk.faults.withLock { $0.flush = Errno(EIO) }
        #expect(throws: AuditFailure.self) { try log.writer.flush() }
        #expect(log.append(1, as: .intent).allSatisfy { (try? $0.get()) == nil }, "nothing is admitted meanwhile")
        log.disk.faults.withLock { $0.flush = nil }
        usleep(1_100_000)
        try log.writer.flush()
        log.append(5)
        try log.sign()
        let (records, _) = try log.records()
        #expect(records.map(\.place.sequence) == Array(0..<15))
        #expect(log.verify().isSound)
    }

    @Test(arguments: [false, true]) func `a failed write counts for nothing`(_ isTorn: Bool) throws {
        let log = try LogHarness()
        log.append(5)
        log.disk.faults.withLock {
            $0.write = Errno(EIO)
            $0.tearsWrites = isTorn
        }
        #expect(log.append(2).allSatisfy { (try? $0.get()) == nil })
        log.disk.faults.withLock { $0.write = nil }
        usleep(1_100_000)
        #expect(log.append(2) == [.success(5), .success(6)])
        try log.sign()
        #expect(try log.records().records.map(\.place.sequence) == Array(0..<7))
        #expect(log.verify().isSound)
    }

    @Test func `a file that was taken away or replaced is noticed`() throws {
        let log = try LogHarness()
        log.append(1)
        let path = try #require(log.writer.path)
        try log.writer.checkPlace()
        let bytes = try AtomicFile.read(path: path, bytesMax: 1 << 20)
        try AtomicFile.write(path: path, bytes: bytes, mode: 0o600)
        #expect(throws: AuditFailure.replaced(path)) { try log.writer.checkPlace() }
        unsafe _ = unlink(path)
        #expect(throws: AuditFailure.replaced(path)) { try log.writer.checkPlace() }
    }

    @Test func `an end torn by a power cut is known as one, and records before it are kept`() throws {
        let log = try LogHarness()
        log.append(20)
        try log.writer.flush()
        let path = try #require(log.writer.path)
        var bytes = try AtomicFile.read(path: path, bytesMax: 1 << 20)
        let end = try #require(bytes.lastIndex { $0 != 0 })
        for place in end - 10...end { bytes[place] = 0 }
        try AtomicFile.write(path: path, bytes: bytes, mode: 0o600)
        let (records, tail) = try log.records()
        #expect(records.count == 19 && tail.tornBytes > 0)
        // The log goes on behind it, and says that it takes its place.
        log.writer = LogWriter(
            LogHarness.parts(log.directory.path, log.disk, log.segmentBytes), end: .init(edge: tail.edge),
            lastNumber: tail.lastNumber, isTorn: tail.tornBytes > 0)
        log.append(5)
        try log.sign()
        #expect(log.verify().isSound)
        #expect(try log.records().records.map(\.place.sequence) == Array(0..<24))
    }

    @Test func `retention takes whole segments, and proofs over what stays hold`() throws {
        let log = try LogHarness()
        log.append(3000)
        let note = try log.sign()
        let numbers = try log.files.segmentNumbers()
        for number in numbers.prefix(2) { unsafe _ = unlink(log.directory(SegmentHeader.name(number: number))) }
        // Somebody took them: what was signed says that they should be there.
        let first = try log.files.header(numbers[2])
        #expect(log.verify().damages.map(\.file) == [first.name])
        try log.sign(oldest: first.firstSequence)
        let report = log.verify(against: [note])
        #expect(report.isSound && report.first == first.firstSequence && report.size == 3000)
        // One in the middle is another matter.
        unsafe _ = unlink(log.directory(SegmentHeader.name(number: numbers[3])))
        #expect(log.verify().damages == [.init(file: SegmentHeader.name(number: numbers[3]), what: "is missing")])
    }
}
