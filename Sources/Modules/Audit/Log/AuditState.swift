// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite

/// What control.db knows of the log: its last checkpoint. A log that has fewer records than that was cut or put back.
struct AuditState: Equatable, Sendable {
    var size = 0
    /// Where a replay has to begin to find every intent that was open then.
    var replayFrom = 0
    /// The signed note; empty before the first.
    var note = ""
    /// The last note of a log that this one was begun instead of; empty where there was none, and once this one has signed.
    var earlier = ""
    /// Counts the checkpoints. It stands in the records, so that an older control.db beside a newer log is recognised.
    var generation = 0

    static let migrations = SQLiteMigrations(
        module: "audit",
        steps: [
            """
            CREATE TABLE audit_state (
                id INTEGER PRIMARY KEY CHECK (id = 1), size INTEGER NOT NULL, replay_from INTEGER NOT NULL,
                note TEXT NOT NULL, generation INTEGER NOT NULL) STRICT
            """,
            "ALTER TABLE audit_state ADD COLUMN earlier TEXT NOT NULL DEFAULT ''",
        ])

    static let schema = Schema(
        .control, migrations,
        notes: [
            TableNote(
                "audit_state", kept: "as long as the file",
                [
                    ColumnNote("id", "always 1"), ColumnNote("size", "records of the audit log at its last checkpoint"),
                    ColumnNote("replay_from", "the first of them whose end was open then"),
                    ColumnNote("note", "that checkpoint, signed"),
                    ColumnNote("generation", "how many checkpoints there were"),
                    ColumnNote("earlier", "the last checkpoint of a log that this one was begun instead of"),
                ])
        ])

    init() {}

    init(size: Int, replayFrom: Int, note: String) {
        (self.size, self.replayFrom, self.note) = (size, replayFrom, note)
    }

    static func read(_ connection: SQLiteConnection) throws(SQLiteError) -> AuditState {
        let rows = try connection.query("SELECT size, replay_from, note, generation, earlier FROM audit_state") {
            row throws(SQLiteError) in
            var state = AuditState(size: try row.int(0), replayFrom: try row.int(1), note: try row.text(2))
            (state.generation, state.earlier) = (try row.int(3), try row.text(4))
            return state
        }
        return rows.first ?? AuditState()
    }

    /// Expects nothing of the log any more: a new one begins, which says so.
    static func forget(_ connection: SQLiteConnection) throws(SQLiteError) {
        try connection.execute(
            """
            UPDATE audit_state SET size = 0, replay_from = 0, generation = generation + 1,
                earlier = CASE note WHEN '' THEN earlier ELSE note END, note = ''
            """)
        try UsagePosition.beginAnew(connection)
    }

    /// Puts it in the place of the one before.
    func write(_ connection: SQLiteConnection) throws(SQLiteError) {
        try connection.execute(
            """
            INSERT INTO audit_state VALUES (1, ?, ?, ?, 1, '') ON CONFLICT (id) DO UPDATE SET
                size = excluded.size, replay_from = excluded.replay_from, note = excluded.note,
                generation = generation + 1, earlier = ''
            """, size, replayFrom, note)
    }
}
