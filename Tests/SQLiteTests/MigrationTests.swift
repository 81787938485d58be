// SPDX-License-Identifier: Apache-2.0

import Platform
import SQLite
import Support
import Testing

@Suite struct MigrationTests {
    private let directory: TemporaryDirectory
    private let first = "CREATE TABLE auth_a (x INTEGER) STRICT; CREATE INDEX auth_a_x ON auth_a (x);"
    private let second = "ALTER TABLE auth_a ADD COLUMN y TEXT"

    init() throws { directory = try TemporaryDirectory() }

    private func open(_ steps: [String]...) throws(SQLiteError) -> SQLiteConnection {
        let database = try SQLiteConnection(path: directory("a.db"))
        try database.migrate(
            steps.enumerated().map { SQLiteMigrations(module: $0.offset == 0 ? "auth" : "other", steps: $0.element) })
        return database
    }

    @Test func `applies each step once, in order`() throws {
        try open([first]).execute("INSERT INTO auth_a VALUES (1)")
        try open([first]).execute("INSERT INTO auth_a VALUES (2)")
        try open([first, second]).execute("INSERT INTO auth_a VALUES (3, 'y')")
        let database = try open([first, second], ["CREATE TABLE other (x)"])
        let rows = try database.first("SELECT count(*), count(y) FROM auth_a") { row throws(SQLiteError) in
            (try row.int(0), try row.int(1))
        }
        #expect(rows?.0 == 3 && rows?.1 == 1)
    }

    @Test func `applies all modules or none`() throws {
        #expect(throws: SQLiteError.self) { try open([first], ["CREATE TABLE broken ("]) }
        // Nothing of the first module is left, so its first step runs again.
        _ = try open([first], ["CREATE TABLE other (x)"])
    }

    @Test func `refuses a file that is newer or whose past was rewritten`() throws {
        _ = try open([first, second])
        for steps in [[first], [first + " ", second], [second, first], []] {
            do throws(SQLiteError) {
                _ = try open(steps)
                Issue.record("opened with \(steps)")
            } catch {
                #expect(error.kind == .schema)
            }
        }
    }
}
