// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite

/// Where in the log the reading of usage begins at a start, and which log that is: one row of `control.db`.
struct UsagePosition: Equatable, Sendable {
    /// Counts the logs there have been: sequences of one mean nothing in another.
    var log = 0
    var sequence = 0

    static let migrations = SQLiteMigrations(
        module: "usage",
        steps: [
            """
            CREATE TABLE audit_usage_start (
                id INTEGER PRIMARY KEY CHECK (id = 0),
                log INTEGER NOT NULL,
                sequence INTEGER NOT NULL
            ) STRICT;
            INSERT INTO audit_usage_start VALUES (0, 0, 0);
            """
        ])

    static let schema = Schema(
        .control, migrations,
        notes: [
            TableNote(
                "audit_usage_start", kept: "as long as the data directory",
                [
                    ColumnNote("id", "0"), ColumnNote("log", "how many logs there were before this one"),
                    ColumnNote("sequence", "the record of the log with which usage begins to be read at a start"),
                ])
        ])

    static func read(_ connection: SQLiteConnection) throws(SQLiteError) -> UsagePosition {
        try connection.first("SELECT log, sequence FROM audit_usage_start") { row throws(SQLiteError) in
            UsagePosition(log: try row.int(0), sequence: try row.int(1))
        } ?? UsagePosition()
    }

    /// Nothing happens where another log was begun meanwhile.
    func write(_ connection: SQLiteConnection) throws(SQLiteError) {
        try connection.execute("UPDATE audit_usage_start SET sequence = ? WHERE log = ?", sequence, log)
    }

    /// A new log begins: its first record is the first to be read.
    static func beginAnew(_ connection: SQLiteConnection) throws(SQLiteError) {
        let hasTable =
            try connection.first(
                "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'audit_usage_start'"
            ) { _ in true } ?? false
        // Before the first start with this module there is none, and nothing to be forgotten.
        if hasTable { try connection.execute("UPDATE audit_usage_start SET log = log + 1, sequence = 0") }
    }
}
