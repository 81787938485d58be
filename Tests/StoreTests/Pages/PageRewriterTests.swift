// SPDX-License-Identifier: Apache-2.0

import Platform
import SQLite
import Store
import Support
import Testing

@Suite struct PageRewriterTests {
    private let sealed: Sealed

    init() throws { sealed = try Sealed() }

    private func insert(_ database: SQLiteConnection, _ ids: ClosedRange<Int>, _ text: String) throws(SQLiteError) {
        try database.transaction { () throws(SQLiteError) in
            for id in ids {
                try database.execute(
                    "INSERT OR REPLACE INTO t VALUES (?, ?)", id, text + String(repeating: "x", count: 900))
            }
        }
    }

    @Test func `changes every page to the new key while the database is read and written`() throws {
        let writer = try sealed.connect()
        try writer.run(script: "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT) STRICT")
        try insert(writer, 1...3000, "old ")
        try writer.checkpoint()
        let old = try AtomicFile.read(path: sealed.path, bytesMax: 64 << 20)
        try insert(writer, 1...10, "log ")
        let reader = try sealed.connect()
        sealed.file.use(Sealed.key(2, 9))
        var rewriter = try PageRewriter(writer)
        var steps = 0
        while try !rewriter.step() {
            steps += 1
            try insert(writer, (4000 + steps)...(4000 + steps), "new ")
            #expect(try reader.count("SELECT count(*) FROM t") == 3000 + steps)
        }
        #expect(steps >= 2)
        #expect(rewriter.pagesDone > 700)
        let scan = try PageScan(sealed.file, through: writer)
        #expect(scan.damage == [] && scan.generations.keys.sorted() == [2])
        sealed.file.forgetRetired()
        #expect(try reader.text("PRAGMA integrity_check") == "ok")
        // A copy from before opens with the old key, and with both.
        try AtomicFile.write(path: sealed.directory("old.db"), bytes: old, mode: 0o600)
        #expect(try Sealed.file(sealed.directory("old.db")).connect().count("SELECT count(*) FROM t") == 3000)
        let both = Sealed.file(sealed.directory("old.db"), key: Sealed.key(2, 9), retired: [Sealed.key()])
        #expect(try both.connect().text("PRAGMA integrity_check") == "ok")
    }

    @Test func `finishes a batch that was cut off, and refuses one that was changed`() throws {
        do {
            let database = try sealed.connect()
            try database.run(script: "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT) STRICT")
            try insert(database, 1...300, "old ")
        }
        let old = try AtomicFile.read(path: sealed.path, bytesMax: 64 << 20)
        // A second file on which the batch is done: what it leaves is what the journal of the first one holds.
        let new = Sealed.file(sealed.path, key: Sealed.key(2, 9), retired: [Sealed.key()])
        do {
            let database = try new.connect()
            var rewriter = try PageRewriter(database)
            while try !rewriter.step() {}
        }
        let done = try AtomicFile.read(path: sealed.path, bytesMax: 64 << 20)
        var journal = Array("GHREKEY1".utf8)
        let count = done.count / 4096
        journal += [0, 0, UInt8(count >> 8), UInt8(count & 255), 0, 0, 0, 0]
        for page in 0..<count {
            journal +=
                [0, 0, UInt8((page + 1) >> 8), UInt8((page + 1) & 255)] + done[(page * 4096)..<(page * 4096 + 4096)]
        }
        let whole = journal + Sealed.digest(journal)
        // Torn pages: half of each is new.
        var torn = old
        for page in 0..<count {
            torn.replaceSubrange((page * 4096)..<(page * 4096 + 2048), with: done[(page * 4096)..<(page * 4096 + 2048)])
        }
        for (bytes, isWhole) in [(whole, true), (journal + [UInt8](repeating: 0, count: 32), false)] {
            let path = sealed.directory("torn.db")
            try AtomicFile.write(path: path, bytes: torn, mode: 0o600)
            try AtomicFile.write(path: "\(path)-rekey", bytes: bytes, mode: 0o600)
            let file = Sealed.file(path, key: Sealed.key(2, 9), retired: [Sealed.key()])
            if isWhole {
                #expect(try file.connect().text("PRAGMA integrity_check") == "ok")
                #expect(!sealed.directory.names.contains("torn.db-rekey"))
                #expect(try PageScan(file).generations.keys.sorted() == [2])
            } else {
                #expect(throws: SQLiteError.self) { try file.connect() }
            }
        }
    }
}
