// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import Platform
import SQLite
import Support
import Testing

@testable import Store

/// What a tenant's rows cost does not depend on how many there are. Counted in pages, not in time.
@Suite(.serialized) struct ScaleTests {
    private static let tables = SQLiteMigrations(
        module: "scale",
        steps: [
            """
            CREATE TABLE scale_messages (place INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, text BLOB NOT NULL) STRICT
            """
        ])

    /// Pages that a list of 20, a read by place and a read by id fetch, in the middle of `count` messages.
    private func costs(_ count: Int, _ database: any TenantDatabase) throws -> [String: Int] {
        let text = [UInt8](repeating: 0x61, count: 200)
        for start in stride(from: 0, to: count, by: 5000) {
            try onLoop(within: .seconds(300)) { _ in
                try await database.write { transaction throws(SQLiteError) in
                    for place in start..<min(start + 5000, count) {
                        // Ids in no order, as random ones are.
                        let id = "msg_\((place &* 2_654_435_761) & 0xFFFF_FFFF)"
                        try transaction.connection.execute(
                            "INSERT INTO scale_messages VALUES (?, ?, ?)", place, id, text)
                    }
                }
            }
        }
        let middle = count / 2
        let id = "msg_\((middle &* 2_654_435_761) & 0xFFFF_FFFF)"
        return try onLoop(within: .seconds(60)) { _ in
            try await database.read { transaction throws(SQLiteError) in
                let connection = transaction.connection
                func cost(_ sql: String, _ value: any SQLiteConvertible, rows: Int) throws(SQLiteError) -> Int {
                    // Once before, so that what is counted is the reading and not the preparing.
                    for _ in 0..<2 {
                        let before = connection.pageFetches
                        let found = try connection.query(sql, value) { row throws(SQLiteError) in try row.blob(1) }
                        guard found.count == rows else {
                            throw SQLiteError(.mistake, message: "\(found.count) rows", subject: sql)
                        }
                        last = connection.pageFetches - before
                    }
                    return last
                }
                var last = 0
                return [
                    "page": try cost(
                        "SELECT place, text FROM scale_messages WHERE place > ? ORDER BY place LIMIT 20", middle,
                        rows: 20),
                    "point": try cost("SELECT place, text FROM scale_messages WHERE place = ?", middle, rows: 1),
                    "id": try cost("SELECT place, text FROM scale_messages WHERE id = ?", id, rows: 1),
                    "all": try cost("SELECT place, text FROM scale_messages WHERE text = ?", text, rows: count),
                ]
            }
        }
    }

    @Test func `a list and a read cost the pages they show, however many messages there are`() throws {
        let harness = try TenantHarness()
        try harness.tenants.register(Self.tables)
        let many = Repetition.rounds(50_000, full: 1_000_000)
        let few = try costs(1000, try harness.database("small"))
        let lots = try costs(many, try harness.database("large"))
        for (what, most) in ["page": 8, "point": 6, "id": 12] {
            #expect(lots[what] ?? .max <= most, "\(what): \(few) \(lots)")
        }
        // The control: what looks at every row costs with their number, and the count sees it.
        #expect(lots["all"] ?? 0 > 20 * (few["all"] ?? .max), "\(few) \(lots)")
        if Repetition.isFull { print("scale: \(many) messages, pages: \(lots)") }
    }

    /// An erased row is out of the log once the store has nothing else to do, and not only when the log is full.
    @Test func `the log of a quiet tenant is empty`() throws {
        let harness = try TenantHarness()
        let acme = try harness.database("acme")
        try onLoop { _ in
            for number in 0..<20 { try await acme.note("\(number)") }
        }
        let log = TenantPaths.log(of: TenantPaths.file(of: acme.tenant, in: harness.directory("tenants")))
        #expect(try FileStatus(path: log).size > 0)
        let deadline = Instant.now() + .seconds(20)
        while (try? FileStatus(path: log).size) ?? 0 > 0, Instant.now() < deadline { pause() }
        #expect((try? FileStatus(path: log).size) ?? 0 == 0)
    }

    @Test func `a busy tenant's log does not grow without end`() throws {
        let harness = try TenantHarness()
        let acme = try harness.database("acme")
        let log = TenantPaths.log(of: TenantPaths.file(of: acme.tenant, in: harness.directory("tenants")))
        let text = String(repeating: "x", count: 50_000)
        var largest = 0
        for _ in 0..<300 {
            try onLoop { _ in try await acme.note(text) }
            largest = max(largest, try FileStatus(path: log).size)
        }
        #expect(largest > 0 && largest < 2 * TenantLimit.walBytes)
    }
}
