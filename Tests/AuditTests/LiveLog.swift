// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import EventLoop
import Log
import Platform
import SQLite
import Support

@testable import Audit

/// A log with its threads, in a directory of its own, that can be stopped, killed and opened again.
final class LiveLog {
    let directory: TemporaryDirectory
    let disk = FaultDisk()
    let database: MemoryDatabase
    let signer: Ed25519.PrivateKey
    let seen = SeenRecords()
    private(set) var log: AuditLog?
    private let settings: AuditOffice.Settings
    private let retention: Duration
    private let clock: @Sendable () -> WallTime

    var files: LogDirectory { LogDirectory(path: directory.path) }
    var key: NoteKey { NoteKey(name: LogHarness.origin, key: signer.publicKey) }

    init(
        _ settings: AuditOffice.Settings = .init(), retention: Duration = .seconds(400 * 86_400),
        clock: @escaping @Sendable () -> WallTime = WallTime.now
    ) throws {
        directory = try TemporaryDirectory()
        database = try MemoryDatabase(AuditState.migrations)
        signer = try Ed25519.PrivateKey(seed: LogHarness.key(0))
        (self.settings, self.retention, self.clock) = (settings, retention, clock)
        try open()
    }

    deinit { log?.stop() }

    /// Opens the log as a start of the server does.
    func open() throws {
        let parts = LogWriter.Parts(
            directory: directory.path, disk: disk, key: { number throws(AuditFailure) in LogHarness.key(number) },
            clock: clock, monotonic: Instant.now, boot: [UInt8](repeating: 1, count: 16), segmentBytes: 512 << 10)
        let state = try database.writeBlocking { connection throws(SQLiteError) in try AuditState.read(connection) }
        let opened = try LogOpening(
            parts: parts, state: state, key: key,
            readKey: { number throws(AuditFailure) in LogHarness.key(number) }
        ).open([seen])
        let mail = AuditMail()
        let keeper = try CheckpointKeeper(
            origin: LogHarness.origin, key: signer, directory: files, copyPath: directory("copy"), retention: retention,
            oldest: opened.oldest, database: database, destroyKey: { _ in }, clock: clock, log: .disabled
        ) { action, file in
            var entry = AuditEntry(.house)
            entry.set(.action, action)
            entry.set(.file, file)
            try? mail.post([AuditMail.Entry(item: (entry, .act), answer: nil)])
        }
        log = try AuditLog(
            opened, settings, projections: [seen], generation: state.generation, mail: mail, keeper: keeper,
            log: .disabled
        ) { _ in ([], true) }
    }

    func stop() {
        log?.stop()
        log = nil
    }

    /// Writes entries from a loop, some at a time, and waits for each.
    func write(_ entries: [LogWriter.Item]) throws -> [Result<Int, AuditRefusal>] {
        guard let log else { return entries.map { _ in .failure(.stopped) } }
        return try onLoop { loop in
            await withTaskGroup(of: (Int, Result<Int, AuditRefusal>).self) { group in
                for (place, item) in entries.enumerated() {
                    group.addTask {
                        do throws(AuditRefusal) {
                            return (place, .success(try await log.desk(of: loop).write(item.entry, item.claim)))
                        } catch {
                            return (place, .failure(error))
                        }
                    }
                }
                var results = [Result<Int, AuditRefusal>?](repeating: nil, count: entries.count)
                for await (place, result) in group { results[place] = result }
                return results.map { $0 ?? .failure(.stopped) }
            }
        }
    }

    func write(_ entry: AuditEntry, _ claim: LogWriter.Claim) throws -> Result<Int, AuditRefusal> {
        try write([(entry, claim)])[0]
    }

    static func intent(_ request: String) -> AuditEntry {
        var entry = AuditEntry(.intent)
        entry.set(.tenant, "ten_1")
        entry.set(.requestID, request)
        entry.set(.reservedInputTokens, 100)
        entry.set(.reservedOutputTokens, 900)
        entry.set(.reservedCost, 5000)
        return entry
    }

    static func outcome(_ request: String, of intent: Int) -> AuditEntry {
        var entry = AuditEntry(.outcome)
        entry.set(.tenant, "ten_1")
        entry.set(.requestID, request)
        entry.set(.outcome, "answered")
        entry.set(.intent, intent)
        return entry
    }

    func records() throws -> [AuditRecord] {
        var records: [AuditRecord] = []
        let reader = LogReader(directory: files) { number throws(AuditFailure) in LogHarness.key(number) }
        _ = try reader.replay(from: 0) { records.append($0) }
        return records
    }

    /// Requests with anything but one intent and one outcome.
    func unsettled() throws -> [String] {
        var counts: [String: (intents: Int, outcomes: Int)] = [:]
        for record in try records() {
            guard let request = record.text(.requestID) else { continue }
            if record.kind == .intent { counts[request, default: (0, 0)].intents += 1 }
            if record.kind == .outcome { counts[request, default: (0, 0)].outcomes += 1 }
        }
        return counts.filter { $0.value != (1, 1) }.keys.sorted()
    }
}

/// What a projection was told.
final class SeenRecords: AuditProjection, @unchecked Sendable {
    private let state = Monitor<[Int]>([])

    var sequences: [Int] { state.withLock { $0 } }
    var next: Int { sequences.count }
    func apply(_ records: AuditRecords) { state.withLock { $0 += records.marks.map(\.place.sequence) } }
}
