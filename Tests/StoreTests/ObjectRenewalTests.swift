// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite
import Support
import Synchronization
import Testing

@testable import Store

@Suite struct ObjectRenewalTests {
    private static func cell(_ id: Int) -> Cell { Cell(table: "notes", column: "text", row: "\(id)") }

    private static func object(_ number: Int) -> ObjectID { ObjectID("thr_\(1000 + number)") }

    /// Rows of an object, by number: object * 1000 + row.
    private static let renewal = ContentRenewal(prefixes: ["thr_"]) { object, place, transaction throws(SQLiteError) in
        let first = ((Int(object.text.dropFirst(4)) ?? 0) - 1000) * 1000
        let rows = try transaction.connection.query(
            "SELECT id, text FROM notes WHERE id >= ? AND id < ? ORDER BY id LIMIT 3", first + place, first + 1000
        ) { row throws(SQLiteError) in (id: try row.int(0), text: try row.blob(1)) }
        for row in rows {
            let plain = try transaction.open(row.text, in: cell(row.id), of: object)
            try transaction.connection.execute(
                "UPDATE notes SET text = ? WHERE id = ?", transaction.seal(plain, in: cell(row.id), of: object), row.id)
        }
        guard let last = rows.last, rows.count == 3 else { return .done }
        return .more(last.id - first + 1)
    }

    private func write(_ object: Int, row: Int, _ database: any TenantDatabase) async throws {
        try await database.write { transaction throws(SQLiteError) in
            let id = object * 1000 + row
            if row == 0 { try transaction.createKey(of: Self.object(object)) }
            try transaction.connection.execute(
                "INSERT INTO notes VALUES (?, '', ?)", id,
                transaction.seal(Array("note \(id)".utf8), in: Self.cell(id), of: Self.object(object)))
        }
    }

    private func texts(_ database: any TenantDatabase) async throws -> [String] {
        try await database.read { transaction throws(SQLiteError) in
            try transaction.connection.query("SELECT id, text FROM notes ORDER BY id") { row throws(SQLiteError) in
                let id = try row.int(0)
                let plain = try transaction.open(1, of: row, in: Self.cell(id), of: Self.object(id / 1000))
                return String(decoding: plain, as: UTF8.self)
            }
        }
    }

    /// Generations that stand in the frames of the file, and in the keyring.
    private func generations(
        _ harness: TenantHarness, _ database: any TenantDatabase
    ) async throws -> (sealed: Set<Int>, keys: Set<Int>) {
        let sealed = try await database.read { transaction throws(SQLiteError) in
            try transaction.connection.query("SELECT text FROM notes") { row throws(SQLiteError) in
                try row.blob(0)[2..<6].reduce(0) { $0 << 8 | Int($1) }
            }
        }
        let keys = try harness.keyring.read { connection throws(KeyringFailure) in
            try failing { () throws(SQLiteError) in
                try connection.query("SELECT generation FROM keyring_objects") { row throws(SQLiteError) in
                    try row.int(0)
                }
            }
        }
        return (Set(sealed), Set(keys))
    }

    @Test func `objects get another key while they are written and read, and the old ones are gone`() async throws {
        let harness = try TenantHarness()
        defer { harness.stop() }
        harness.tenants.onKeyRenewal(Self.renewal)
        let database = try harness.database("acme")
        for object in 0..<20 {
            for row in 0..<8 { try await write(object, row: row, database) }
        }
        let tenants = harness.tenants
        let worker = try NamedThread.start(name: "renewal") {
            _ = try? tenants.renewObjects(of: database.tenant) { _ in }
        }
        for row in 8..<40 {
            for object in [0, 7, 19] { try await write(object, row: row, database) }
            #expect(try await texts(database).allSatisfy { $0.hasPrefix("note ") })
        }
        worker.join()
        let all = try await texts(database)
        #expect(all.count == 20 * 8 + 3 * 32)
        let now = try await generations(harness, database)
        #expect(now.sealed == [2] && now.keys == [2])
    }

    @Test func `a renewal that was cut short goes on with the keys it had`() async throws {
        let directory = try TemporaryDirectory()
        var harness = try TenantHarness(in: directory)
        harness.tenants.onKeyRenewal(Self.renewal)
        var database = try harness.database("acme")
        for object in 0..<4 {
            for row in 0..<30 { try await write(object, row: row, database) }
        }
        let before = try await texts(database)
        // Fresh keys, one transaction, and then the end.
        let thread = try harness.tenants.running().thread(of: database.tenant)
        let begun = try thread.runBlocking(for: database.tenant) { file throws(SQLiteError) in
            try file.beginObjectRenewal(after: nil)
        }
        let renewal = try #require(begun)
        _ = try thread.runBlocking(for: database.tenant) { file throws(SQLiteError) in try file.renewContent(renewal) }
        var now = try await generations(harness, database)
        #expect(now.sealed == [1, 2] && now.keys == [1, 2])
        harness.stop()

        harness = try TenantHarness(in: directory)
        defer { harness.stop() }
        harness.tenants.onKeyRenewal(Self.renewal)
        database = try harness.database("acme")
        #expect(try await texts(database) == before)
        #expect(try harness.tenants.renewObjects(of: database.tenant) { _ in } == 0)
        now = try await generations(harness, database)
        #expect(now.sealed == [2] && now.keys == [2])
        #expect(try await texts(database) == before)
    }

    @Test func `an object that nobody seals anew keeps its key`() async throws {
        let harness = try TenantHarness()
        defer { harness.stop() }
        let database = try harness.database("acme")
        try await write(1, row: 0, database)
        #expect(try harness.tenants.renewObjects(of: database.tenant) { _ in } == 0)
        let now = try await generations(harness, database)
        #expect(now.sealed == [1] && now.keys == [1])
        #expect(try await texts(database) == ["note 1000"])
    }
}
