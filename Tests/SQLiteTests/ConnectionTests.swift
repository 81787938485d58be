// SPDX-License-Identifier: Apache-2.0

import Platform
import SQLite
import Support
import Testing

@Suite struct ConnectionTests {
    private let directory: TemporaryDirectory
    private let database: SQLiteConnection

    init() throws {
        directory = try TemporaryDirectory()
        database = try SQLiteConnection(path: directory("a.db"))
        try database.run(script: "CREATE TABLE t (id INTEGER PRIMARY KEY, a ANY) STRICT")
    }

    private var count: Int {
        get throws { try database.first("SELECT count(*) FROM t") { row throws(SQLiteError) in try row.int(0) } ?? -1 }
    }

    @Test(
        arguments: [
            .null, .integer(0), .integer(.min), .integer(.max), .real(1.5), .text(""), .text("a\u{0}b ’ 🦊"), .blob([]),
            .blob([0, 255, 39]),
        ] as [SQLiteValue])
    func `gives back what was bound`(value: SQLiteValue) throws {
        try database.execute("INSERT INTO t VALUES (1, ?)", value)
        let back = try database.first("SELECT a FROM t") { row throws(SQLiteError) -> SQLiteValue in
            switch value {
            case .null: try row.isNull(0) ? .null : .text("not null")
            case .integer: .integer(try row.integer(0))
            case .real: .real(try row.double(0))
            case .text: .text(try row.text(0))
            case .blob: .blob(try row.blob(0))
            }
        }
        #expect(back == value)
    }

    @Test func `binds what the program has, nil as NULL`() throws {
        let time = WallTime(milliseconds: 1_234_567_890_123)
        try database.execute("CREATE TABLE u (a, b, c, d, e)")
        try database.execute("INSERT INTO u VALUES (?, ?, ?, ?, ?)", 7, true, time, [1, 2] as [UInt8], String?.none)
        let row = try database.first("SELECT * FROM u") { row throws(SQLiteError) in
            (try row.int(0), try row.bool(1), try row.time(2), try row.blob(3), try row.optionalText(4))
        }
        #expect(row?.0 == 7 && row?.1 == true && row?.2 == time && row?.3 == [1, 2] && row?.4 == .some(nil))
    }

    @Test func `never takes one type for another`() throws {
        try database.execute("INSERT INTO t VALUES (1, '17')")
        try expect(.type) { () throws(SQLiteError) in
            _ = try database.first("SELECT a FROM t") { row throws(SQLiteError) in try row.integer(0) }
        }
        try expect(.type) { () throws(SQLiteError) in
            _ = try database.first("SELECT a FROM t") { row throws(SQLiteError) in try row.blob(0) }
        }
        try expect(.type) { () throws(SQLiteError) in
            _ = try database.first("SELECT a FROM t") { row throws(SQLiteError) in try row.text(1) }
        }
        try expect(.type) { () throws(SQLiteError) in
            _ = try database.first("SELECT 2") { row throws(SQLiteError) in try row.bool(0) }
        }
        #expect(try count == 1)
    }

    @Test func `names the mistake and the statement, and no value`() throws {
        try expect(.mistake) { () throws(SQLiteError) in try database.execute("SELEC 1") }
        try expect(.mistake) { () throws(SQLiteError) in try database.execute("SELECT 1; SELECT 2") }
        try expect(.mistake) { () throws(SQLiteError) in try database.execute("") }
        try expect(.mistake) { () throws(SQLiteError) in try database.execute("SELECT ?") }
        try expect(.mistake) { () throws(SQLiteError) in try database.execute("SELECT 1", 2) }
        try expect(.mistake) { () throws(SQLiteError) in try database.execute("SELECT \"not a column\"") }
        try database.execute("INSERT INTO t VALUES (1, ?)", "hunter2")
        do {
            try database.execute("INSERT INTO t VALUES (1, ?)", "hunter2")
            Issue.record("took a second row with the same key")
        } catch {
            #expect(error.kind == .constraint)
            #expect(error.description.contains("UNIQUE") && error.description.contains("INSERT INTO t"))
            #expect(!error.description.contains("hunter2"))
        }
    }

    @Test func `commits what returned and takes back what threw`() throws {
        try database.transaction { () throws(SQLiteError) in
            try database.execute("INSERT INTO t VALUES (1, 1)")
            try database.execute("INSERT INTO t VALUES (2, 1)")
        }
        try expect(.constraint) { () throws(SQLiteError) in
            try database.transaction { () throws(SQLiteError) in
                try database.execute("DELETE FROM t WHERE id = 2")
                #expect(database.changes == 1)
                try database.execute("INSERT INTO t VALUES (1, 2)")
            }
        }
        #expect(try count == 2)
        #expect(!database.isInTransaction)
    }

    @Test func `runs a statement inside itself`() throws {
        for id in 1...3 { try database.execute("INSERT INTO t VALUES (?, 0)", id) }
        let pairs = try database.query("SELECT id FROM t ORDER BY id") { outer throws(SQLiteError) in
            try database.query("SELECT id FROM t ORDER BY id") { inner throws(SQLiteError) in try inner.int(0) }.count
                * (try outer.int(0))
        }
        #expect(pairs == [3, 6, 9])
    }

    @Test func `keeps a bounded number of statements`() throws {
        for number in 0..<(3 * SQLiteConnection.cachedStatementsMax) {
            let back = try database.first("SELECT \(number)") { row throws(SQLiteError) in try row.int(0) }
            #expect(back == number)
        }
        try database.execute("INSERT INTO t VALUES (1, 1)")
        #expect(try count == 1)
    }

    @Test func `makes files that are the owner's alone`() throws {
        try database.execute("INSERT INTO t VALUES (1, 1)")
        #expect(directory.names == ["a.db", "a.db-shm", "a.db-wal"])
        for name in directory.names { #expect(try FileStatus(path: directory(name)).mode == 0o600, "\(name)") }
    }

    @Test func `refuses files that are open to others, and what is no database`() throws {
        try AtomicFile.write(path: directory("open.db"), bytes: [], mode: 0o640)
        try expect(.unavailable) { () throws(SQLiteError) in _ = try SQLiteConnection(path: directory("open.db")) }
        try AtomicFile.write(path: directory("text.db"), bytes: [UInt8](repeating: 65, count: 4096), mode: 0o600)
        try expect(.corrupt) { () throws(SQLiteError) in _ = try SQLiteConnection(path: directory("text.db")) }
        try expect(.unavailable) { () throws(SQLiteError) in _ = try SQLiteConnection(path: directory("no/a.db")) }
        try expect(.unavailable) { () throws(SQLiteError) in _ = try SQLiteConnection(path: directory.path) }
    }

    @Test func `is as careful as it says`() throws {
        let pragmas: [(String, SQLiteValue)] = [
            ("journal_mode", .text("wal")), ("synchronous", .integer(2)), ("foreign_keys", .integer(1)),
            ("trusted_schema", .integer(0)), ("temp_store", .integer(2)), ("secure_delete", .integer(1)),
            ("cell_size_check", .integer(1)), ("busy_timeout", .integer(5000)), ("wal_autocheckpoint", .integer(1000)),
        ]
        for (name, expected) in pragmas {
            let value = try database.first("PRAGMA \(name)") { row throws(SQLiteError) -> SQLiteValue in
                if case .text = expected { .text(try row.text(0)) } else { .integer(try row.integer(0)) }
            }
            #expect(value == expected, "\(name)")
        }
        // Defensive: the schema cannot be written even by who asks for it.
        try database.execute("PRAGMA writable_schema = ON")
        try expect(.mistake) { () throws(SQLiteError) in try database.execute("UPDATE sqlite_schema SET sql = ''") }
        try expect(.mistake) { () throws(SQLiteError) in try database.execute("SELECT load_extension('x')") }
    }

    @Test func `waits for a lock as long as it was told, then says busy`() throws {
        var options = SQLiteOptions()
        options.busyTimeout = .milliseconds(30)
        let other = try SQLiteConnection(path: directory("a.db"), options: options)
        try database.transaction { () throws(SQLiteError) in
            try database.execute("INSERT INTO t VALUES (1, 1)")
            do throws(SQLiteError) {
                try other.execute("INSERT INTO t VALUES (2, 1)")
                Issue.record("wrote through another connection's lock")
            } catch {
                #expect(error.kind == .busy)
            }
        }
        try other.execute("INSERT INTO t VALUES (2, 1)")
        #expect(try count == 2)
    }

    @Test func `checkpoints, and finds damage`() throws {
        for id in 1...500 {
            try database.execute("INSERT INTO t VALUES (?, ?)", id, String(repeating: "x", count: 100))
        }
        try database.checkpoint()
        #expect(try FileStatus(path: directory("a.db-wal")).size == 0)
        #expect(try database.problems() == [])
        var bytes = try AtomicFile.read(path: directory("a.db"), bytesMax: 1 << 20)
        for index in 8192..<8292 { bytes[index] = 0xFF }
        try AtomicFile.write(path: directory("b.db"), bytes: bytes, mode: 0o600)
        let damaged = try SQLiteConnection(path: directory("b.db"))
        #expect(try damaged.problems() != [])
    }

    @Test func `changes hands between threads`() throws {
        let database = database
        try withThreads(1) { _ in
            database.adopt()
            try? database.execute("INSERT INTO t VALUES (1, 1)")
        }
        database.adopt()
        #expect(try count == 1)
    }

    @Test func `stops the process when a foreign thread uses it`() async {
        await #expect(processExitsWith: .failure) {
            let database = try SQLiteConnection.inMemory()
            try withThreads(1) { _ in try? database.execute("SELECT 1") }
        }
    }
}

/// Runs `body`, which must throw an error of `kind`.
private func expect(_ kind: SQLiteError.Kind, _ body: () throws(SQLiteError) -> Void) throws {
    do throws(SQLiteError) {
        try body()
        Issue.record("nothing was thrown")
    } catch {
        #expect(error.kind == kind, "\(error)")
    }
}
