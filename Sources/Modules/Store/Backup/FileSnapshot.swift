// SPDX-License-Identifier: Apache-2.0

import Platform
import SQLite

/// A database file that stands still as long as this lives, while its owner goes on writing.
///
/// In WAL mode only a checkpoint writes into the database file. So the log is emptied first, and then a reader begins that
/// needs nothing but the file: it holds the lock that every checkpoint must have (sqlite.org/walformat.html, WAL_READ_LOCK(0)).
/// What is written meanwhile waits in the log. The file is copied as it lies there, sealed pages and all.
final class FileSnapshot: Sendable {
    let path: String
    let bytes: Int
    private let reader: SQLiteConnection

    /// On the thread that writes the file, between two transactions, so that nothing comes between the empty log and the
    /// reader.
    ///
    /// - Parameter open: another connection to the same file.
    /// - Throws: `busy` where another reader stands in the way.
    init(_ writer: SQLiteConnection, open: () throws(SQLiteError) -> SQLiteConnection) throws(SQLiteError) {
        try writer.checkpoint()
        let reader = try open()
        try reader.execute("BEGIN")
        let pages = try reader.first(
            "SELECT (SELECT count(*) FROM sqlite_schema) * 0 + page_count FROM pragma_page_count"
        ) {
            row throws(SQLiteError) in try row.int(0)
        }
        let pageBytes = try reader.first("PRAGMA page_size") { row throws(SQLiteError) in try row.int(0) }
        guard let pages, let pageBytes, (try? FileStatus(path: writer.path + "-wal").size) ?? 0 == 0 else {
            throw SQLiteError(.busy, message: "the log is not empty", subject: writer.path)
        }
        path = writer.path
        bytes = pages * pageBytes
        self.reader = reader
    }

    /// Reads what stands in the snapshot, on the thread that calls.
    func read<Result>(_ body: (SQLiteConnection) throws(SQLiteError) -> Result) throws(SQLiteError) -> Result {
        reader.adopt()
        return try body(reader)
    }
}
