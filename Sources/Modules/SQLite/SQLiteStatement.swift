// SPDX-License-Identifier: Apache-2.0

import CSQLite

/// One prepared statement of one connection, finalised when it goes.
@safe final class SQLiteStatement {
    private let statement: OpaquePointer
    private let database: OpaquePointer
    private let sql: String
    /// Somebody goes through its rows.
    private(set) var isInUse = false

    /// Prepares exactly one statement. `database` outlives it: the connection drops its statements before it closes.
    init(_ sql: String, on database: OpaquePointer) throws(SQLiteError) {
        var prepared: OpaquePointer?
        var code = SQLITE_OK
        var isWhole = true
        var text = sql
        // The text lives for the length of the closure; SQLite reads its count and sets the tail within it.
        text.withUTF8 { text in
            unsafe text.withMemoryRebound(to: CChar.self) { text in
                var tail: UnsafePointer<CChar>?
                unsafe code = sqlite3_prepare_v3(
                    database, text.baseAddress, CInt(clamping: text.count), UInt32(SQLITE_PREPARE_PERSISTENT),
                    &prepared,
                    &tail)
                if let tail = unsafe tail, let base = text.baseAddress {
                    let rest = unsafe text[(tail - base)...]
                    unsafe isWhole = rest.allSatisfy { [0x20, 0x0A, 0x0D, 0x09, 0x3B].contains($0) }
                }
            }
        }
        guard code == SQLITE_OK else { throw unsafe SQLiteError(code: code, connection: database, subject: sql) }
        guard let prepared = unsafe prepared, isWhole else {
            unsafe sqlite3_finalize(prepared)
            throw SQLiteError(.mistake, message: "not exactly one statement", subject: sql)
        }
        unsafe statement = prepared
        unsafe self.database = database
        self.sql = sql
    }

    deinit { unsafe sqlite3_finalize(statement) }

    /// Blobs of this many bytes are not copied when they are bound.
    private static let borrowedBytesMin = 256

    /// Sets every `?`, gives `body` each row until it says false, and rewinds.
    func run(
        _ values: [any SQLiteConvertible], each body: (borrowing SQLiteRow) throws(SQLiteError) -> Bool
    ) throws(SQLiteError) {
        guard unsafe sqlite3_bind_parameter_count(statement) == values.count else {
            throw SQLiteError(.mistake, message: "\(values.count) values for another number of ?", subject: sql)
        }
        isInUse = true
        defer { isInUse = false }
        try run(values, boundTo: 0, each: body)
    }

    /// - Parameter start: the values before this one are set.
    private func run(
        _ values: [any SQLiteConvertible], boundTo start: Int,
        each body: (borrowing SQLiteRow) throws(SQLiteError) -> Bool
    ) throws(SQLiteError) {
        for index in start..<values.count {
            let value = values[index].sqliteValue
            guard case .blob(let bytes) = value, bytes.count >= Self.borrowedBytesMin else {
                try check(bind(value, at: CInt(index) + 1))
                continue
            }
            return try unsafe bytes.withUnsafeBufferPointer { bytes throws(SQLiteError) in
                // No destructor: SQLITE_STATIC. The bytes outlive the rewinding, after which nothing reads them.
                try check(
                    unsafe sqlite3_bind_blob64(statement, CInt(index) + 1, bytes.baseAddress, UInt64(bytes.count), nil))
                try run(values, boundTo: index + 1, each: body)
            }
        }
        defer { rewind() }
        while try step(), try body(row) {}
    }

    private func check(_ code: CInt) throws(SQLiteError) {
        guard code == SQLITE_OK else { throw unsafe SQLiteError(code: code, connection: database, subject: sql) }
    }

    /// Moves to the next row; false at the end.
    private func step() throws(SQLiteError) -> Bool {
        let code = unsafe sqlite3_step(statement)
        switch code {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default: throw unsafe SQLiteError(code: code, connection: database, subject: sql)
        }
    }

    /// The row it stands on after `step` said true.
    private var row: SQLiteRow { unsafe SQLiteRow(statement) }

    /// Lets go of locks and values.
    private func rewind() {
        // The code is that of the last step, which has been reported.
        unsafe sqlite3_reset(statement)
        unsafe sqlite3_clear_bindings(statement)
    }

    /// SQLite copies what it is given (the shim says SQLITE_TRANSIENT), within the counts.
    private func bind(_ value: SQLiteValue, at index: CInt) -> CInt {
        switch value {
        case .null:
            return unsafe sqlite3_bind_null(statement, index)
        case .integer(let number):
            return unsafe sqlite3_bind_int64(statement, index, number)
        case .real(let number):
            return unsafe sqlite3_bind_double(statement, index, number)
        case .text(var text):
            return text.withUTF8 { bytes in
                unsafe bytes.withMemoryRebound(to: CChar.self) { bytes in
                    unsafe csqlite_bind_text(statement, index, bytes.baseAddress, UInt64(bytes.count))
                }
            }
        case .blob(let bytes):
            return unsafe bytes.withUnsafeBytes { bytes in
                unsafe csqlite_bind_blob(statement, index, bytes.baseAddress, UInt64(bytes.count))
            }
        }
    }
}
