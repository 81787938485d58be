// SPDX-License-Identifier: Apache-2.0

import Platform

/// How one module's tables came to be: SQL scripts that are only ever added at the end.
///
/// The file remembers each step with its text. A step that was changed after it ran, or a file with steps this program does
/// not know, is refused with `schema`: to go on would be to guess what the tables look like.
package struct SQLiteMigrations: Sendable {
    /// The module, as in the configuration; its tables begin with its name.
    package let module: String
    package let steps: [String]

    package init(module: String, steps: [String]) {
        self.module = module
        self.steps = steps
    }
}

extension SQLiteConnection {
    /// Brings the tables of all `modules` up to date, in one transaction: all of it or nothing.
    package func migrate(_ modules: [SQLiteMigrations]) throws(SQLiteError) {
        try transaction { () throws(SQLiteError) in
            try execute(
                """
                CREATE TABLE IF NOT EXISTS migrations (
                    module TEXT NOT NULL, step INTEGER NOT NULL, sql TEXT NOT NULL, applied_at INTEGER NOT NULL,
                    PRIMARY KEY (module, step)) STRICT, WITHOUT ROWID
                """)
            for module in modules { try migrate(module) }
        }
    }

    private func migrate(_ migrations: SQLiteMigrations) throws(SQLiteError) {
        let module = migrations.module
        let applied = try query("SELECT step, sql FROM migrations WHERE module = ? ORDER BY step", module) {
            row throws(SQLiteError) in (step: try row.int(0), sql: try row.text(1))
        }
        guard applied.count <= migrations.steps.count else {
            throw SQLiteError(
                .schema, message: "the tables of \(module) were written by a newer version", subject: path)
        }
        for (index, old) in applied.enumerated() {
            guard old.step == index, old.sql == migrations.steps[index] else {
                throw SQLiteError(.schema, message: "step \(index) of \(module) is not the one that ran", subject: path)
            }
        }
        for (index, sql) in migrations.steps.enumerated().dropFirst(applied.count) {
            try run(script: sql)
            try execute("INSERT INTO migrations VALUES (?, ?, ?, ?)", module, index, sql, WallTime.now())
        }
    }
}
