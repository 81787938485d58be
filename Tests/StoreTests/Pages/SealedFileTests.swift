// SPDX-License-Identifier: Apache-2.0

import Glibc
import Platform
import SQLite
import Store
import Support
import Testing

@Suite struct SealedFileTests {
    private let sealed: Sealed

    init() throws { sealed = try Sealed() }

    @Test func `keeps what was written, in log and database, over a new start`() throws {
        do {
            let database = try sealed.connect()
            try database.run(script: "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT) STRICT")
            for id in 1...300 {
                try database.execute("INSERT INTO t VALUES (?, ?)", id, String(repeating: "x\(id) ", count: 50))
            }
            #expect(try database.text("PRAGMA integrity_check") == "ok")
            try database.checkpoint()
            #expect(try FileStatus(path: "\(sealed.path)-wal").size == 0)
            try database.execute("UPDATE t SET a = 'new' WHERE id < 10")
        }
        #expect(sealed.directory.names == ["a.db"])
        let database = try Sealed.file(sealed.path).connect()
        #expect(try database.text("PRAGMA integrity_check") == "ok")
        #expect(try database.count("SELECT count(*) FROM t") == 300)
        #expect(try database.count("SELECT count(*) FROM t WHERE a = 'new'") == 9)
        #expect(try database.text("PRAGMA journal_mode") == "wal")
        #expect(try database.count("PRAGMA page_size") == 4096)
    }

    /// As SQLite from 3.45 on reads long values (SQLITE_DIRECT_OVERFLOW_READ).
    @Test func `gives the beginning of a page, where the whole page opens`() throws {
        let database = try sealed.connect()
        try database.run(script: "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT) STRICT")
        try database.execute("INSERT INTO t VALUES (1, ?)", String(repeating: "overflow ", count: 4000))
        try database.checkpoint()
        let layer = try #require(database.layer)
        let pages = try FileStatus(path: sealed.path).size / 4096
        #expect(pages > 8)
        for page in 2...pages {
            let whole = Self.read(layer, 4096, at: (page - 1) * 4096)
            #expect(whole.code == .ok)
            for count in [1, 100, 1000, 4064] {
                let part = Self.read(layer, count, at: (page - 1) * 4096)
                #expect(part.code == .ok && part.bytes == Array(whole.bytes[..<count]), "page \(page), \(count) bytes")
            }
            #expect(Self.read(layer, 4065, at: (page - 1) * 4096).code != .ok, "the seal is nobody's content")
            #expect(Self.read(layer, 100, at: (page - 1) * 4096 + 8).code != .ok)
        }
        var bytes = try AtomicFile.read(path: sealed.path, bytesMax: 64 << 20)
        bytes[5 * 4096 + 4000] ^= 1
        try Self.overwrite(sealed.path, bytes)
        let damaged = SQLiteCode.damaged(PageDamage(file: sealed.path, page: 6, reason: .notAuthentic))
        #expect(Self.read(layer, 100, at: 5 * 4096).code == damaged, "what does not open is not given in part either")
        #expect(Self.read(layer, 100, at: 6 * 4096).code == .ok)
    }

    private static func read(
        _ layer: any SQLiteFileLayer, _ count: Int, at offset: Int
    ) -> (code: SQLiteCode, bytes: [UInt8]) {
        var bytes = [UInt8](repeating: 0, count: count)
        let code = unsafe bytes.withUnsafeMutableBytes { unsafe layer.read($0, at: Int64(offset)) }
        return (code, bytes)
    }

    /// In place, as the open descriptor sees it.
    private static func overwrite(_ path: String, _ bytes: [UInt8]) throws {
        let file = unsafe try #require(fopen(path, "r+"))
        #expect(unsafe fwrite(bytes, 1, bytes.count, file) == bytes.count)
        #expect(unsafe fclose(file) == 0)
    }

    @Test func `shows readers a snapshot while it is written`() throws {
        let writer = try sealed.connect()
        try writer.run(script: "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT) STRICT")
        let reader = try sealed.connect()
        try reader.execute("BEGIN")
        #expect(try reader.count("SELECT count(*) FROM t") == 0)
        try writer.execute("INSERT INTO t VALUES (1, 'a')")
        #expect(try reader.count("SELECT count(*) FROM t") == 0)
        try reader.execute("COMMIT")
        #expect(try reader.count("SELECT count(*) FROM t") == 1)
        try writer.checkpoint()
        try writer.execute("INSERT INTO t VALUES (2, 'b')")
        #expect(try reader.count("SELECT count(*) FROM t") == 2)
    }

    /// After a spill SQLite writes pages into frames that are there, without checksums, and repairs them at the commit.
    @Test func `takes transactions that are larger than the cache`() throws {
        do {
            let database = try sealed.connect()
            try database.run(script: "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT) STRICT; PRAGMA cache_size = 10")
            for round in 1...3 {
                try database.transaction { () throws(SQLiteError) in
                    for id in 1...400 {
                        try database.execute(
                            "INSERT OR REPLACE INTO t VALUES (?, ?)", id * 7919 % 401,
                            "\(round) " + String(repeating: "y", count: 700))
                    }
                }
            }
            #expect(try database.text("PRAGMA integrity_check") == "ok")
            // As a killed process leaves it.
            for suffix in ["", "-wal"] {
                let bytes = try AtomicFile.read(path: sealed.path + suffix, bytesMax: 64 << 20)
                try AtomicFile.write(path: sealed.directory("b.db" + suffix), bytes: bytes, mode: 0o600)
            }
        }
        let database = try Sealed.file(sealed.directory("b.db")).connect()
        #expect(try database.text("PRAGMA integrity_check") == "ok")
        #expect(try database.count("SELECT count(*) FROM t WHERE a LIKE '3 %'") == 400)
    }

    @Test func `refuses to make a database where none was asked for`() throws {
        do throws(SQLiteError) {
            _ = try sealed.file.connect()
            Issue.record("opened a file that is not there")
        } catch {
            #expect(error.damage == PageDamage(file: sealed.path, page: 1, reason: .missing))
        }
        #expect(sealed.directory.names == [])
    }

    @Test func `opens with the right key, in the right place, for the right tenant only`() throws {
        do {
            let database = try sealed.connect()
            try database.run(script: "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT) STRICT")
        }
        let others = [
            Sealed.file(sealed.path, key: Sealed.key(1, 8)), Sealed.file(sealed.path, id: 2),
            Sealed.file(sealed.path, tenant: "ten_b"), Sealed.file(sealed.path, key: Sealed.key(2)),
        ]
        for other in others {
            do throws(SQLiteError) {
                _ = try other.connect()
                Issue.record("opened somebody else's file")
            } catch {
                #expect(error.kind == .corrupt && error.damage?.page == 1 && error.damage?.file == sealed.path)
            }
        }
        _ = try Sealed.file(sealed.path, key: Sealed.key(2, 9), retired: [Sealed.key()]).connect()
    }

    @Test func `opens nothing that SQL names, and no temporary file`() throws {
        let database = try sealed.connect()
        for sql in ["ATTACH 'other.db' AS o", "ATTACH '\(sealed.path)' AS o", "ATTACH 'file:o?ticket=1' AS o"] {
            #expect(throws: SQLiteError.self, "\(sql)") { try database.execute(sql) }
        }
        // Neither a sorter, nor a statement's journal, nor VACUUM needs one.
        try database.run(
            script: "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE) STRICT; PRAGMA cache_size = 10")
        try database.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i, hex(randomblob(200)) FROM n"
        )
        #expect(try database.count("SELECT count(*) FROM (SELECT DISTINCT a FROM t ORDER BY a DESC)") == 5000)
        #expect(throws: SQLiteError.self) {
            try database.execute(
                "UPDATE t SET a = CASE WHEN id = 4999 THEN (SELECT a FROM t WHERE id = 1) ELSE a || 'x' END")
        }
        try database.execute("DELETE FROM t WHERE id % 3 = 0")
        try database.execute("VACUUM")
        #expect(try database.text("PRAGMA integrity_check") == "ok")
        #expect(sealed.directory.names == ["a.db", "a.db-shm", "a.db-wal"])
    }

    @Test func `counts the pages it seals`() throws {
        let database = try sealed.connect()
        let before = sealed.file.pageWrites
        try database.run(script: "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT) STRICT")
        let log = (try FileStatus(path: "\(sealed.path)-wal").size - 32) / 4120
        #expect(sealed.file.pageWrites - before == log)
    }
}
