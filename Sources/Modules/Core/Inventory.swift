// SPDX-License-Identifier: Apache-2.0

package import SQLite

/// Everything that is stored in tables, read from the schemas themselves.
package struct Inventory: Sendable {
    /// One column of one table.
    package struct Row: Sendable {
        package let place: Schema.Place
        package let table: String
        package let column: String
        /// `nil` where nobody has said what it is.
        package let note: ColumnNote?
        package let kept: String
    }

    /// In the order of files, tables and columns.
    package let rows: [Row]
    /// Notes about columns that do not exist, as `table.column`.
    package let strays: [String]

    /// Columns that nobody has said anything about, as `table.column`.
    package var missing: [String] { rows.filter { $0.note == nil }.map { "\($0.table).\($0.column)" } }

    /// Makes the tables of every file in memory and reads their columns.
    package init(_ schemas: [Schema]) throws(SQLiteError) {
        var rows: [Row] = []
        var strays: [String] = []
        for place in Schema.Place.allCases {
            let own = schemas.filter { $0.place == place }
            guard !own.isEmpty else { continue }
            let notes = own.flatMap(\.notes) + Self.common
            let found = try Self.columns(of: own.map(\.migrations))
            for (table, column) in found {
                let note = notes.first { $0.table == table }
                rows.append(
                    Row(
                        place: place, table: table, column: column,
                        note: note?.columns.first { $0.column == column }, kept: note?.kept ?? ""))
            }
            for note in own.flatMap(\.notes) {
                strays += note.columns.filter { column in !found.contains { $0 == (note.table, column.column) } }
                    .map { "\(note.table).\($0.column)" }
            }
        }
        self.rows = rows
        self.strays = strays
    }

    /// What SQLite and the migrations themselves keep in any file.
    private static let common = [
        TableNote(
            "migrations", kept: "as long as the file",
            [
                ColumnNote("module", "whose tables"), ColumnNote("step", "which step of their making"),
                ColumnNote("sql", "the step"), ColumnNote("applied_at", "when it ran"),
            ]),
        TableNote(
            "sqlite_sequence", kept: "as long as the file",
            [ColumnNote("name", "a table that counts its rows"), ColumnNote("seq", "the last number it gave")]),
    ]

    private static func columns(of migrations: [SQLiteMigrations]) throws(SQLiteError) -> [(String, String)] {
        let database = try SQLiteConnection.inMemory()
        try database.migrate(migrations)
        return try database.query(sql) { row throws(SQLiteError) in (try row.text(0), try row.text(1)) }
    }

    /// What a file has, as `table.column`: what stands in the list, if nothing is stored that is not listed.
    package static func columns(of database: SQLiteConnection) throws(SQLiteError) -> [String] {
        try database.query(sql) { row throws(SQLiteError) in "\(try row.text(0)).\(try row.text(1))" }
    }

    private static let sql = """
        SELECT tables.name, columns.name FROM sqlite_schema AS tables
            JOIN pragma_table_info(tables.name) AS columns
        WHERE tables.type = 'table' ORDER BY tables.rowid, columns.cid
        """
}
