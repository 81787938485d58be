// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite

/// Rows of what was deleted and erased that are still to go: nobody can read them, and they take room. The thing itself was
/// gone with the first transaction; a crash in between leaves the rest to the sweeper.
enum Remains {
    enum Kind: String {
        case messages
        case chunks

        fileprivate var table: StaticString {
            switch self {
            case .messages: "nodes_messages"
            case .chunks: "nodes_chunks"
            }
        }

        /// Rows that one transaction deletes: some megabytes at most.
        var stepMax: Int {
            switch self {
            case .messages: 128
            case .chunks: 64
            }
        }

        /// Bytes up to which a thing goes at once.
        fileprivate static let bytesAtOnceMax = 1 << 20
    }

    /// Deletes the rows of a number, or writes down that they are to be deleted where there are many.
    static func leave(
        _ kind: Kind, of number: Int, rows: Int, bytes: Int, in transaction: any TenantTransaction
    ) throws(SQLiteError) {
        let (first, last) = Place.bounds(number)
        guard rows > kind.stepMax || bytes > Kind.bytesAtOnceMax else {
            return try transaction.connection.execute(
                "DELETE FROM \(kind.table) WHERE place BETWEEN ? AND ?", first, last)
        }
        try transaction.connection.execute(
            "INSERT INTO nodes_remains (kind, first, last) VALUES (?, ?, ?)", kind.rawValue, first, last)
    }

    /// Deletes some of the rows that are to go.
    ///
    /// - Returns: whether there may be more.
    static func step(in transaction: any TenantTransaction) throws(SQLiteError) -> Bool {
        let connection = transaction.connection
        let next = try connection.first("SELECT number, kind, first, last FROM nodes_remains ORDER BY number LIMIT 1") {
            row throws(SQLiteError) in
            (number: try row.int(0), kind: try row.text(1), first: try row.int(2), last: try row.int(3))
        }
        guard let next else { return false }
        guard let kind = Kind(rawValue: next.kind) else {
            throw SQLiteError(.corrupt, message: "remains of \(next.kind)", subject: "nodes_remains")
        }
        try connection.execute(
            """
            DELETE FROM \(kind.table) WHERE place IN
                (SELECT place FROM \(kind.table) WHERE place BETWEEN ? AND ? ORDER BY place LIMIT ?)
            """, next.first, next.last, kind.stepMax)
        if connection.changes < kind.stepMax {
            try connection.execute("DELETE FROM nodes_remains WHERE number = ?", next.number)
        }
        return true
    }
}
