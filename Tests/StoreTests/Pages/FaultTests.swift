// SPDX-License-Identifier: Apache-2.0

import Platform
import SQLite
import Store
import Support
import Testing

@Suite struct FaultTests {
    /// What a client was told is stored, and what it holds.
    private struct Ledger {
        var rows: [Int: String] = [:]
        /// Not acknowledged: they may be there or not, whole.
        var open: [Int: String] = [:]

        mutating func write(_ database: SQLiteConnection, _ ids: ClosedRange<Int>, _ text: String) throws(SQLiteError) {
            for id in ids { open[id] = text }
            try database.transaction { () throws(SQLiteError) in
                for id in ids { try database.execute("INSERT OR REPLACE INTO t VALUES (?, ?)", id, text) }
            }
            for id in ids { rows[id] = text }
            open = [:]
        }

        /// Nothing acknowledged is missing, and nothing else is there.
        mutating func check(_ database: SQLiteConnection, _ what: String) throws {
            #expect(try database.text("PRAGMA integrity_check") == "ok", "\(what)")
            var found: [Int: String] = [:]
            for (id, text) in try database.query(
                "SELECT id, a FROM t", body: { row throws(SQLiteError) in (try row.int(0), try row.text(1)) })
            {
                found[id] = text
            }
            // The transaction without an answer is there as a whole or not at all.
            let isTaken = !open.isEmpty && open.allSatisfy { found[$0.key] == $0.value }
            if isTaken { rows.merge(open) { $1 } }
            open = [:]
            #expect(found == rows, "\(what)")
        }
    }

    private static let table = "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a TEXT) STRICT"

    /// Small and large transactions, a checkpoint, a new log: each kind of call.
    private func scenario(_ database: SQLiteConnection, _ ledger: inout Ledger) throws(SQLiteError) {
        try database.run(script: "PRAGMA cache_size = 10")
        for round in 0..<2 {
            try ledger.write(database, (round * 10)...(round * 10 + 3), "small \(round)")
            try ledger.write(database, 100...160, "large \(round) " + String(repeating: "x", count: 900))
            try database.checkpoint()
            try ledger.write(database, 110...111, "after \(round)")
        }
    }

    @Test(arguments: FaultVFS.Fault.allCases)
    func `a disk that fails at any call costs an answer, never a row`(fault: FaultVFS.Fault) throws {
        var call = 1
        while true {
            let disk = try FaultVFS()
            let sealed = try Sealed(below: disk.name)
            let database = try sealed.connect()
            try database.run(script: FaultTests.table)
            var ledger = Ledger()
            disk.fail(at: call, with: fault)
            var failure: SQLiteError?
            do throws(SQLiteError) { try scenario(database, &ledger) } catch { failure = error }
            let what = "\(fault) at call \(call)"
            if let failure {
                #expect(failure.kind == .full || failure.kind == .unavailable, "\(what): \(failure)")
                #expect(failure.damage == nil, "\(what): \(failure)")
            }
            let isOver = !disk.hasFailed
            disk.heal()
            // Service resumes, on the same connection.
            try ledger.check(database, what)
            try ledger.write(database, 500...501, "again")
            try ledger.check(database, what)
            try ledger.check(try Sealed.file(sealed.path, below: disk.name).connect(), what)
            if isOver { break }
            call += 1
        }
        #expect(call > 60)
    }

    @Test func `a power cut takes what was not flushed and nothing else`() throws {
        var random = SeededGenerator()
        for round in 0..<Repetition.rounds(25, full: 1000) {
            let disk = try FaultVFS()
            let sealed = try Sealed(below: disk.name)
            let database = try sealed.connect()
            try database.run(script: FaultTests.table)
            var ledger = Ledger()
            disk.fail(at: 1 + random.below(260), with: .io)
            do throws(SQLiteError) { try scenario(database, &ledger) } catch {}
            let after = sealed.directory("after.db")
            try disk.cutPower(&random, path: sealed.path, to: after)
            if random.below(2) == 0 {
                let memory = try AtomicFile.read(path: "\(sealed.path)-shm", bytesMax: 1 << 20)
                try AtomicFile.write(path: "\(after)-shm", bytes: memory, mode: 0o600)
            }
            let what = "seed \(SeededGenerator.seed), round \(round)"
            do {
                try ledger.check(try Sealed.file(after).connect(), what)
            } catch {
                Issue.record("\(what): \(error)")
            }
        }
    }
}
