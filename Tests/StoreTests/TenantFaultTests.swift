// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Platform
import SQLite
import Support
import Testing

@testable import Store

/// A disk that fails, or loses its power, below the file of a tenant: whatever was acknowledged is there, whatever was not
/// is there whole or not at all, and the service goes on when the disk does.
@Suite(.serialized) struct TenantFaultTests {
    private static let cell = Cell(table: "notes", column: "text", row: "1")

    /// What one tenant's client knows.
    private struct Ledger {
        /// Acknowledged notes, and those that nobody answered for.
        var notes: Set<String> = []
        var open: Set<String> = []
        /// Sealed content by object.
        var sealed: [ObjectID: [UInt8]] = [:]
        /// Erasures that were acknowledged, and those that were asked for.
        var erased: Set<ObjectID> = []
        var erasing: Set<ObjectID> = []
        /// What was heard instead of an answer.
        var failures: [DatabaseFailure] = []

        mutating func write(_ texts: [String], _ database: any TenantDatabase) async {
            open.formUnion(texts)
            do throws(DatabaseFailure) {
                try await database.write { transaction throws(SQLiteError) in
                    for text in texts { try transaction.note(text) }
                }
                notes.formUnion(texts)
            } catch {
                failures.append(error)
            }
        }

        mutating func seal(_ object: ObjectID, _ database: any TenantDatabase) async {
            do throws(DatabaseFailure) {
                sealed[object] = try await database.write { transaction throws(SQLiteError) in
                    try transaction.createKey(of: object)
                    return try transaction.seal(Array(object.text.utf8), in: TenantFaultTests.cell, of: object)
                }
            } catch {
                failures.append(error)
            }
        }

        mutating func erase(_ object: ObjectID, _ database: any TenantDatabase) async {
            erasing.insert(object)
            do throws(DatabaseFailure) {
                try await database.write { transaction throws(SQLiteError) in try transaction.erase(object) }
                erased.insert(object)
            } catch {
                failures.append(error)
            }
        }

        mutating func check(_ database: any TenantDatabase, _ what: String) async throws {
            let (found, problems) = try await database.read { transaction throws(SQLiteError) in
                let texts = try transaction.connection.query("SELECT CAST(text AS TEXT) FROM notes") {
                    row throws(SQLiteError) in try row.text(0)
                }
                return (texts, try transaction.connection.problems())
            }
            #expect(problems == [], "\(what)")
            #expect(notes.subtracting(found) == [], "\(what): lost")
            #expect(
                Set(found).subtracting(open) == [] && Set(found).count == found.count, "\(what): more than was written")
            // A transaction is there as a whole: its texts carry its name before a colon.
            let names = Dictionary(grouping: found) { $0.prefix { $0 != ":" } }
            for (name, texts) in names {
                #expect(texts.count == open.count { $0.hasPrefix("\(name):") }, "\(what): a part of \(name)")
            }
            // Taken or not, from here on it stays so.
            notes = Set(found)
            for (object, frame) in sealed {
                let opened = try? await database.read { transaction throws(SQLiteError) in
                    try transaction.open(frame, in: TenantFaultTests.cell, of: object)
                }
                if erased.contains(object) { #expect(opened == nil, "\(what): \(object.text) still opens") }
                if !erasing.contains(object) { #expect(opened == Array(object.text.utf8), "\(what): \(object.text)") }
            }
        }
    }

    private static func scenario(_ ledger: inout Ledger, _ database: any TenantDatabase) async {
        let filler = String(repeating: "x", count: 900)
        for round in 0..<2 {
            await ledger.write(["small\(round):1", "small\(round):2"], database)
            await ledger.seal(ObjectID("thr_keep\(round)"), database)
            await ledger.seal(ObjectID("thr_erase\(round)"), database)
            await ledger.write((0..<30).map { "large\(round):\($0) \(filler)" }, database)
            await ledger.erase(ObjectID("thr_erase\(round)"), database)
            await ledger.write(["after\(round):1"], database)
        }
    }

    @Test(arguments: FaultVFS.Fault.allCases)
    func `a disk that fails at any call costs an answer, never what was promised`(fault: FaultVFS.Fault) throws {
        let disk = try FaultVFS()
        var ledgers: [(name: String, ledger: Ledger)] = []
        let harness = try TenantHarness("open_files = 4", below: disk.name)
        var call = 1
        while true {
            let (name, isWarm) = ("t\(call)", call % 2 == 0)
            let database = try harness.database(name)
            let what = "\(fault) at call \(call)"
            // A file that is closed is part of it in every second round.
            if isWarm { try onLoop { _ in try await database.note("warm:1") } }
            disk.fail(at: call, with: fault)
            let (ledger, isOver) = try onLoop { _ in
                var ledger = Ledger()
                if isWarm { ledger.open.insert("warm:1") }
                await Self.scenario(&ledger, database)
                let isOver = !disk.hasFailed
                for failure in ledger.failures {
                    switch failure {
                    case .full, .busy: break
                    case .failed(let error): #expect(error.kind == .unavailable, "\(what): \(error)")
                    default: Issue.record("\(what): \(failure)")
                    }
                }
                #expect(isOver || fault == .io || !ledger.failures.isEmpty, "\(what): nobody was told")
                disk.heal()
                // Service resumes without a new start.
                try await ledger.check(database, what)
                await ledger.write(["again:1"], database)
                #expect(ledger.notes.contains("again:1"), "\(what)")
                return (ledger, isOver)
            }
            ledgers.append((name, ledger))
            if isOver { break }
            // Every call in the long form.
            call += Repetition.rounds(3, full: 1)
        }
        #expect(call > 40, "the scenario has \(call) calls")
        harness.stop()
        let again = try TenantHarness("open_files = 4", in: harness.directory, below: disk.name)
        for (name, ledger) in ledgers {
            let database = try again.database(name)
            try onLoop { _ in
                var ledger = ledger
                try await ledger.check(database, "\(fault), \(name), started anew")
            }
        }
    }

    @Test func `a power cut takes what nobody was promised and nothing else`() throws {
        var random = SeededGenerator()
        for round in 0..<Repetition.rounds(15, full: 400) {
            let disk = try FaultVFS()
            let harness = try TenantHarness(below: disk.name)
            let database = try harness.database("acme")
            disk.fail(at: 1 + random.below(150), with: .io)
            let ledger = try onLoop { _ in
                var ledger = Ledger()
                await Self.scenario(&ledger, database)
                return ledger
            }
            let path = TenantPaths.file(of: database.tenant, in: harness.directory("tenants"))
            let after = harness.directory("after.db")
            try disk.cutPower(&random, path: path, to: after)
            harness.stop()
            for suffix in ["", "-wal"] {
                if (try? FileStatus(path: after + suffix)) == nil {
                    unsafe _ = unlink(path + suffix)
                } else {
                    #expect(unsafe rename(after + suffix, path + suffix) == 0)
                }
            }
            if random.below(2) == 0 { unsafe _ = unlink(path + "-shm") }
            let again = try TenantHarness(in: harness.directory)
            let survivor = try again.database("acme")
            try onLoop { _ in
                var ledger = ledger
                try await ledger.check(survivor, "seed \(SeededGenerator.seed), round \(round)")
            }
        }
    }
}
