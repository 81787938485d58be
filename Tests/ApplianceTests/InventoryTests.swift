// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import JSON
import Log
import SQLite
import Support
import Testing

@testable import Appliance

/// What is stored is listed: every column of every table, of every module.
@Suite(.serialized) struct InventoryTests {
    private func schemas() throws -> [Schema] {
        let text = "mode = \"development\"\n[store]\n" + House.configuration
        return try Composition(Configuration(text: text), log: .disabled).modules.flatMap(\.module.schemas)
    }

    @Test func `every column has a note, and every note a column`() throws {
        let inventory = try Inventory(try schemas())
        #expect(inventory.missing == [])
        #expect(inventory.strays == [])
        #expect(inventory.rows.count > 100)
        #expect(Set(inventory.rows.map(\.place)) == Set(Schema.Place.allCases))
    }

    /// The control: a column that a later step adds, and a note that is left out, are found by name.
    @Test func `a column without a note is named, and a note without a column`() throws {
        let late = SQLiteMigrations(
            module: "late", steps: ["ALTER TABLE auth_keys ADD COLUMN colour TEXT; CREATE TABLE late (x TEXT) STRICT"])
        let notes = [TableNote("late", kept: "never", [ColumnNote("y", "nothing")])]
        let inventory = try Inventory(try schemas() + [Schema(.control, late, notes: notes)])
        #expect(inventory.missing == ["auth_keys.colour", "late.x"])
        #expect(inventory.strays == ["late.y"])
    }

    /// Content is never protected by its page alone.
    @Test func `whatever somebody wrote is sealed with a key of its own, or is a digest`() throws {
        for row in try Inventory(try schemas()).rows {
            guard let note = row.note else { continue }
            if note.kind == .content { #expect(note.sealing != .page, "\(row.table).\(row.column)") }
            if note.sealing == .object { #expect(row.place == .tenant, "\(row.table).\(row.column)") }
        }
    }

    @Test func `the files of a running server have these tables and no other`() throws {
        let house = try House()
        let listed = Dictionary(grouping: try Inventory(try schemas()).rows, by: \.place).mapValues {
            Set($0.map { "\($0.table).\($0.column)" })
        }
        let control = try #require(house.roles.database).writeBlocking { connection throws(SQLiteError) in
            try Inventory.columns(of: connection)
        }
        #expect(Set(control) == listed[.control])
        let tenant = try #require(house.roles.directory?.find("default"))
        let database = try #require(house.roles.tenants).database(of: tenant.id, actor: "test")
        let own = try onLoop { _ in
            try await database.read { transaction throws(SQLiteError) in
                try Inventory.columns(of: transaction.connection)
            }
        }
        #expect(Set(own) == listed[.tenant])
    }
}
