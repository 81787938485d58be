// SPDX-License-Identifier: Apache-2.0

import CSQLite

/// One prepared statement of one connection, finalised when it goes.
@safe final class SQLiteStatement {
    private let statement: OpaquePointer
    private let database: OpaquePointer
    private let sql: String

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

    /// Sets every `?`.
    func bind(_ values: [any SQLiteConvertible]) throws(SQLiteError) {
        guard unsafe sqlite3_bind_parameter_count(statement) == values.count else {
            throw SQLiteError(.mistake, message: "\(values.count) values for another number of ?", subject: sql)
        }
        for (index, value) in values.enumerated() {
            let code = bind(value.sqliteValue, at: CInt(index) + 1)
            guard code == SQLITE_OK else { throw unsafe SQLiteError(code: code, connection: database, subject: sql) }
        }
    }

    /// Moves to the next row; false at the end.
    func step() throws(SQLiteError) -> Bool {
        let code = unsafe sqlite3_step(statement)
        switch code {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default: throw unsafe SQLiteError(code: code, connection: database, subject: sql)
        }
    }

    /// The row it stands on after `step` said true.
    var row: SQLiteRow { unsafe SQLiteRow(statement) }

    /// Lets go of locks and values.
    func rewind() {
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
