// SPDX-License-Identifier: Apache-2.0

import CSQLite
package import Platform

/// The row a statement stands on, for the length of the closure it is given to.
///
/// Columns count from 0. A column of another type than the one asked for is an error and is never converted: what this
/// program wrote has the type it wrote.
@safe @usableFromInline package struct SQLiteRow: ~Copyable {
    private let statement: OpaquePointer
    private let columnCount: Int32

    /// `statement` stands on a row and stays there as long as this value lives.
    init(_ statement: OpaquePointer) {
        unsafe self.statement = statement
        unsafe columnCount = sqlite3_column_count(statement)
    }

    package func integer(_ column: Int) throws(SQLiteError) -> Int64 {
        try require(column, SQLITE_INTEGER, "an integer")
        return unsafe sqlite3_column_int64(statement, Int32(column))
    }

    package func int(_ column: Int) throws(SQLiteError) -> Int { Int(try integer(column)) }

    /// 0 or 1; anything else is an error.
    package func bool(_ column: Int) throws(SQLiteError) -> Bool {
        switch try integer(column) {
        case 0: return false
        case 1: return true
        default: throw failure(column, "0 or 1")
        }
    }

    package func time(_ column: Int) throws(SQLiteError) -> WallTime { WallTime(milliseconds: try integer(column)) }

    package func double(_ column: Int) throws(SQLiteError) -> Double {
        try require(column, SQLITE_FLOAT, "a real number")
        return unsafe sqlite3_column_double(statement, Int32(column))
    }

    /// Text; bytes that are no UTF-8 (nobody here writes such) are replaced.
    package func text(_ column: Int) throws(SQLiteError) -> String {
        try require(column, SQLITE_TEXT, "text")
        // SQLite owns `count` bytes until the statement moves, which it cannot before this returns.
        let pointer = unsafe sqlite3_column_text(statement, Int32(column))
        let count = unsafe Int(sqlite3_column_bytes(statement, Int32(column)))
        return unsafe String(decoding: UnsafeBufferPointer(start: pointer, count: count), as: UTF8.self)
    }

    package func blob(_ column: Int) throws(SQLiteError) -> [UInt8] {
        try require(column, SQLITE_BLOB, "a blob")
        // The same as for text; an empty blob may be a null pointer.
        let pointer = unsafe sqlite3_column_blob(statement, Int32(column))
        let count = unsafe Int(sqlite3_column_bytes(statement, Int32(column)))
        return unsafe [UInt8](UnsafeRawBufferPointer(start: pointer, count: pointer == nil ? 0 : count))
    }

    /// What `body` makes of a blob, which it reads where SQLite has it: no copy is made.
    package func blob(
        _ column: Int, through body: (Span<UInt8>) throws(SQLiteError) -> [UInt8]
    ) throws(SQLiteError) -> [UInt8] {
        try require(column, SQLITE_BLOB, "a blob")
        // The statement stands on this row until the body has returned, and nobody asks it for another type meanwhile.
        let pointer = unsafe sqlite3_column_blob(statement, Int32(column))
        let count = unsafe Int(sqlite3_column_bytes(statement, Int32(column)))
        let bytes = unsafe UnsafeRawBufferPointer(start: pointer, count: pointer == nil ? 0 : count)
        return try body(unsafe bytes.bindMemory(to: UInt8.self).span)
    }

    package func isNull(_ column: Int) throws(SQLiteError) -> Bool { try type(column) == SQLITE_NULL }

    package func optionalInteger(_ column: Int) throws(SQLiteError) -> Int64? {
        try isNull(column) ? nil : try integer(column)
    }

    package func optionalTime(_ column: Int) throws(SQLiteError) -> WallTime? {
        try isNull(column) ? nil : try time(column)
    }

    package func optionalText(_ column: Int) throws(SQLiteError) -> String? {
        try isNull(column) ? nil : try text(column)
    }

    package func optionalBlob(_ column: Int) throws(SQLiteError) -> [UInt8]? {
        try isNull(column) ? nil : try blob(column)
    }

    private func type(_ column: Int) throws(SQLiteError) -> Int32 {
        guard (0..<Int(columnCount)).contains(column) else { throw failure(column, "a column") }
        return unsafe sqlite3_column_type(statement, Int32(column))
    }

    private func require(_ column: Int, _ wanted: Int32, _ name: StaticString) throws(SQLiteError) {
        guard try type(column) == wanted else { throw failure(column, name) }
    }

    private func failure(_ column: Int, _ wanted: StaticString) -> SQLiteError {
        // The statement's own text, copied at once.
        let sql = unsafe sqlite3_sql(statement).map { unsafe String(cString: $0) } ?? ""
        return SQLiteError(.type, message: "column \(column) is not \(wanted)", subject: sql)
    }
}
