// SPDX-License-Identifier: Apache-2.0

import Glibc
import Platform
import SQLite
import Store
import Support
import Testing

@Suite struct SealedKillTests {
    /// Writes until it is killed, from a thread of its own, after `microseconds`; each committed transaction is noted in
    /// a file beside the database before the next begins. Cache of ten pages, so that large transactions spill.
    private static func write(_ path: String, microseconds: UInt32, changesKey: Bool) throws {
        let file = SealedKillTests.file(path, changesKey: changesKey)
        let database = try file.connect(Sealed.options(checkpointPages: 0), mayCreate: true)
        try database.run(
            script:
                "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, n INTEGER, a TEXT) STRICT; PRAGMA cache_size = 10"
        )
        let notes = unsafe open("\(path).notes", O_WRONLY | O_CREAT | O_APPEND, 0o600)
        var number = try database.count("SELECT coalesce(max(n), 0) FROM t")
        // What the one before committed and did not come to note.
        if number > 0 { SealedKillTests.note(number, notes) }
        var rewriter = try PageRewriter(database)
        _ = try NamedThread.start(name: "killer") {
            usleep(microseconds)
            kill(getpid(), SIGKILL)
        }
        while true {
            number += 1
            let size = number % 7 == 0 ? 120 : 3
            try database.transaction { () throws(SQLiteError) in
                for offset in 0..<size {
                    try database.execute(
                        "INSERT OR REPLACE INTO t VALUES (?, ?, ?)", (number * 31 + offset * 17) % 500, number,
                        String(repeating: "k", count: 800))
                }
                // The whole transaction or nothing: the row 1000 says how far it went.
                try database.execute("INSERT OR REPLACE INTO t VALUES (1000, ?, '')", number)
            }
            SealedKillTests.note(number, notes)
            if number % 5 == 0 { try database.checkpoint() }
            if changesKey { _ = try rewriter.step() }
        }
    }

    private static func note(_ number: Int, _ file: CInt) {
        let line = Array("\(number)\n".utf8)
        unsafe line.withUnsafeBytes { unsafe _ = Glibc.write(file, $0.baseAddress, $0.count) }
    }

    /// Sealed with one of two keys, the other one known.
    private static func file(_ path: String, changesKey: Bool) -> SealedFile {
        let keys = changesKey ? [Sealed.key(2, 9), Sealed.key()] : [Sealed.key(), Sealed.key(2, 9)]
        return Sealed.file(path, key: keys[0], retired: [keys[1]])
    }

    private func lastNote(_ path: String) throws -> Int {
        let bytes = (try? AtomicFile.read(path: "\(path).notes", bytesMax: 1 << 20)) ?? []
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").last.flatMap { Int($0) } ?? 0
    }

    @Test func `kill -9 at any moment loses no acknowledged row`() async throws {
        let directory = try TemporaryDirectory()
        var random = SeededGenerator()
        for round in 0..<Repetition.rounds(12, full: 1000) {
            let path = directory("k\(round / 20).db")
            let microseconds = UInt32(3000 + random.below(round % 2 == 0 ? 30_000 : 120_000))
            let changesKey = round % 20 >= 10
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [
                    path = path as String, microseconds = microseconds as UInt32, changesKey = changesKey as Bool
                ] in
                try SealedKillTests.write(path, microseconds: microseconds, changesKey: changesKey)
            }
            let what = "seed \(SeededGenerator.seed), round \(round)"
            let note = try lastNote(path)
            guard round > 0 || note > 0 else { continue }
            let file = SealedKillTests.file(path, changesKey: changesKey)
            #expect(try PageScan(file).damage == [], "\(what)")
            let database = try file.connect(mayCreate: true)
            #expect(try database.text("PRAGMA integrity_check") == "ok", "\(what)")
            if note > 0 {
                let reached = try database.count("SELECT n FROM t WHERE id = 1000")
                #expect(reached == note || reached == note + 1, "\(what): \(reached) of \(note)")
            }
        }
    }
}
