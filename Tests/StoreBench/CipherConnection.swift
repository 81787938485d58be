// SPDX-License-Identifier: Apache-2.0

import Glibc
import SQLite

/// SQLCipher's own library, which has SQLite's names: it is loaded beside and called by pointers. With a raw key, as its
/// makers advise for a key that is no passphrase; otherwise as it comes. Settings are those of a connection of ours.
@safe final class CipherConnection: BenchDatabase {
    private static let library = "libsqlcipher.so.0"

    private typealias Pointer = UnsafeMutableRawPointer
    private typealias Open =
        @convention(c) (UnsafePointer<CChar>?, UnsafeMutablePointer<Pointer?>?, CInt, UnsafePointer<CChar>?) -> CInt
    private typealias Key = @convention(c) (Pointer?, UnsafePointer<CChar>?, CInt) -> CInt
    private typealias Run =
        @convention(c) (Pointer?, UnsafePointer<CChar>?, Pointer?, Pointer?, Pointer?) -> CInt
    private typealias Prepare =
        @convention(c) (
            Pointer?, UnsafePointer<CChar>?, CInt, UnsafeMutablePointer<Pointer?>?,
            UnsafeMutablePointer<UnsafePointer<CChar>?>?
        ) -> CInt
    private typealias OnStatement = @convention(c) (Pointer?) -> CInt
    private typealias BindNumber = @convention(c) (Pointer?, CInt, Int64) -> CInt
    private typealias BindBytes = @convention(c) (Pointer?, CInt, UnsafeRawPointer?, CInt, Int) -> CInt
    private typealias ColumnNumber = @convention(c) (Pointer?, CInt) -> Int64
    private typealias ColumnCount = @convention(c) (Pointer?, CInt) -> CInt
    private typealias ColumnBytes = @convention(c) (Pointer?, CInt) -> UnsafeRawPointer?

    /// SQLITE_STATIC: the memory is alive until the statement is reset (sqlite.org/c3ref/c_static.html).
    private static let isStatic = 0
    private static let (ok, row, done): (CInt, CInt, CInt) = (0, 100, 101)

    private let database: Pointer
    private var statements: [String: Pointer]
    private let exec: Run
    private let prepare: Prepare
    private let step: OnStatement
    private let reset: OnStatement
    private let bindNumber: BindNumber
    private let bindText: BindBytes
    private let bindBlob: BindBytes
    private let columnNumber: ColumnNumber
    private let columnCount: ColumnCount
    private let columnBlob: ColumnBytes

    init(path: String) throws(SQLiteError) {
        // RTLD_DEEPBIND (dlopen(3)): its calls of itself must not end in the SQLite that is already loaded.
        guard let library = unsafe dlopen(Self.library, RTLD_NOW | RTLD_LOCAL | 0x8) else {
            throw SQLiteError(.unavailable, message: "there is no \(Self.library)", subject: path)
        }
        func symbol(_ name: String) throws(SQLiteError) -> Pointer {
            guard let found = unsafe dlsym(library, name) else {
                throw SQLiteError(.unavailable, message: "it has no \(name)", subject: Self.library)
            }
            return unsafe found
        }
        // The types are those of sqlite3.h.
        let open = unsafe unsafeBitCast(try symbol("sqlite3_open_v2"), to: Open.self)
        let key = unsafe unsafeBitCast(try symbol("sqlite3_key"), to: Key.self)
        unsafe exec = unsafeBitCast(try symbol("sqlite3_exec"), to: Run.self)
        unsafe prepare = unsafeBitCast(try symbol("sqlite3_prepare_v2"), to: Prepare.self)
        unsafe step = unsafeBitCast(try symbol("sqlite3_step"), to: OnStatement.self)
        unsafe reset = unsafeBitCast(try symbol("sqlite3_reset"), to: OnStatement.self)
        unsafe bindNumber = unsafeBitCast(try symbol("sqlite3_bind_int64"), to: BindNumber.self)
        unsafe bindText = unsafeBitCast(try symbol("sqlite3_bind_text"), to: BindBytes.self)
        unsafe bindBlob = unsafeBitCast(try symbol("sqlite3_bind_blob"), to: BindBytes.self)
        unsafe columnNumber = unsafeBitCast(try symbol("sqlite3_column_int64"), to: ColumnNumber.self)
        unsafe columnCount = unsafeBitCast(try symbol("sqlite3_column_bytes"), to: ColumnCount.self)
        unsafe columnBlob = unsafeBitCast(try symbol("sqlite3_column_blob"), to: ColumnBytes.self)
        var opened: Pointer?
        // SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
        let code = unsafe open(path, &opened, 0x2 | 0x4 | 0x8000, nil)
        guard code == Self.ok, let opened = unsafe opened else {
            throw SQLiteError(.unavailable, message: "it does not open", subject: path)
        }
        unsafe database = opened
        unsafe statements = [:]
        let text = "x'" + String(repeating: "2b7e151628aed2a6", count: 4) + "'"
        guard unsafe key(opened, text, CInt(text.utf8.count)) == Self.ok else {
            throw SQLiteError(.unavailable, message: "it takes no key", subject: path)
        }
        for setting in [
            "cipher_page_size = 4096", "temp_store = MEMORY", "journal_mode = WAL", "synchronous = FULL",
            "wal_autocheckpoint = 1000", "cell_size_check = ON", "secure_delete = ON",
        ] {
            try run(script: "PRAGMA \(setting)")
        }
    }

    func run(script: String) throws(SQLiteError) {
        try check(unsafe exec(database, script, nil, nil, nil) == Self.ok, script)
    }

    func checkpoint() throws(SQLiteError) { try run(script: "PRAGMA wal_checkpoint(TRUNCATE)") }

    func insert(_ place: Int, _ id: String, _ at: Int, _ content: [UInt8]) throws(SQLiteError) {
        let statement = try unsafe statement(Plan.insert)
        var (id, isDone) = (id, false)
        // Both are alive until the reset below.
        id.withUTF8 { text in
            unsafe content.withUnsafeBytes { bytes in
                unsafe _ = bindNumber(statement, 1, Int64(place))
                unsafe _ = bindText(statement, 2, text.baseAddress, CInt(text.count), Self.isStatic)
                unsafe _ = bindNumber(statement, 3, Int64(at))
                unsafe _ = bindBlob(statement, 4, bytes.baseAddress, CInt(bytes.count), Self.isStatic)
                isDone = unsafe step(statement) == Self.done
                unsafe _ = reset(statement)
            }
        }
        try check(isDone, Plan.insert)
    }

    func read(_ sql: String, _ values: [Int]) throws(SQLiteError) -> [(place: Int, content: [UInt8])] {
        let statement = try unsafe statement(sql)
        for (index, value) in values.enumerated() {
            unsafe _ = bindNumber(statement, CInt(index + 1), Int64(value))
        }
        var found: [(place: Int, content: [UInt8])] = []
        var code = unsafe step(statement)
        while code == Self.row {
            // The memory is the statement's until the next step.
            let bytes = unsafe UnsafeRawBufferPointer(
                start: columnBlob(statement, 1), count: Int(columnCount(statement, 1)))
            unsafe found.append((Int(columnNumber(statement, 0)), Array(bytes)))
            code = unsafe step(statement)
        }
        unsafe _ = reset(statement)
        try check(code == Self.done, sql)
        return found
    }

    private func statement(_ sql: String) throws(SQLiteError) -> Pointer {
        if let known = unsafe statements[sql] { return unsafe known }
        var made: Pointer?
        let code = unsafe prepare(database, sql, -1, &made, nil)
        guard code == Self.ok, let made = unsafe made else {
            throw SQLiteError(.mistake, message: "it is not understood", subject: sql)
        }
        unsafe statements[sql] = made
        return unsafe made
    }

    private func check(_ isDone: Bool, _ sql: String) throws(SQLiteError) {
        guard isDone else { throw SQLiteError(.mistake, message: "SQLCipher failed", subject: sql) }
    }
}
