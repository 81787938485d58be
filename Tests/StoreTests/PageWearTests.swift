// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite
import Support
import Testing

@testable import Store

@Suite struct PageWearTests {
    private static func limits(_ writesMax: UInt64, step: UInt64) -> PageWear.Limits {
        var limits = PageWear.Limits()
        (limits.writesMax, limits.step) = (writesMax, step)
        return limits
    }

    /// Seals at least `count` pages in a file of a tenant's, and says how many.
    private func write(_ count: UInt64, _ file: SealedFile) throws -> UInt64 {
        let database = try file.connect(mayCreate: true)
        try database.run(script: "CREATE TABLE IF NOT EXISTS t (a BLOB)")
        while file.pageWrites < count { try database.execute("INSERT INTO t VALUES (randomblob(3000))") }
        try database.checkpoint()
        return file.pageWrites
    }

    @Test func `the sum of a key's pages outlives every end of the process, and is never too low`() throws {
        let house = try KeyringHouse()
        let keyring = try house.open()
        defer { keyring.close() }
        try keyring.createTenant(.red)
        let keys = try keyring.tenantKeys(.red)
        let limits = Self.limits(1000, step: 64)
        var (sealed, openings): (UInt64, UInt64) = (0, 0)
        var isWorn = false
        while !isWorn {
            // Each object is a process: none of them tells the keyring when it ends.
            let file = SealedFile(path: house.path("t.db"), keys: keys.pageKeys, identity: keys.identity)
            openings += 1
            for end in [20, 40, 60] as [UInt64] where !isWorn {
                isWorn = try keyring.notePageWrites(of: file, as: TenantID.red.text, limits)
                if !isWorn { _ = try write(end, file) }
            }
            sealed += file.pageWrites
        }
        // Too high by a step for each opening, at most.
        #expect(sealed <= 1000 + 64 && sealed + openings * 2 * 64 >= 1000, "\(sealed) pages, \(openings) openings")
        #expect(openings >= 3)
    }

    @Test func `a worn key is changed by itself, and what it sealed is read`() async throws {
        let directory = try TemporaryDirectory()
        let limits = Self.limits(1500, step: 64)
        var rounds = 0
        var generation: UInt32 = 1
        while generation == 1, rounds < 40 {
            let harness = try TenantHarness(in: directory, wear: limits)
            let database = try harness.database("acme")
            for number in 0..<20 {
                try await database.note("\(rounds) \(number) " + String(repeating: "x", count: 9000))
            }
            // What the keeper does every few seconds.
            for tenant in harness.tenants.takeWorn() { try harness.tenants.renewPages(of: tenant) { _ in } }
            generation = try #require(try harness.keyring.tenantKeys(database.tenant).pageKeys.first).generation
            rounds += 1
            #expect(try await database.notes().count == 20 * rounds)
            harness.stop()
        }
        #expect(generation == 2)
        // No single opening sealed as much: it was the sum.
        #expect(rounds > 2)
        let harness = try TenantHarness(in: directory, wear: limits)
        defer { harness.stop() }
        let database = try harness.database("acme")
        #expect(try await database.notes().count == 20 * rounds)
        #expect(try harness.keyring.tenantKeys(database.tenant).pageKeys.map(\.generation) == [2])
        // The fresh key begins at nothing.
        try await database.note("more")
        #expect(harness.tenants.takeWorn() == [])
    }

    @Test func `without the keyring's number the count begins anew with each process`() throws {
        let house = try KeyringHouse()
        let keyring = try house.open()
        defer { keyring.close() }
        try keyring.createTenant(.red)
        let keys = try keyring.tenantKeys(.red)
        let limits = Self.limits(100, step: 16)
        for _ in 0..<4 {
            let file = SealedFile(path: house.path("t.db"), keys: keys.pageKeys, identity: keys.identity)
            #expect(try !keyring.notePageWrites(of: file, as: TenantID.red.text, limits))
            _ = try write(50, file)
            try keyring.writer.run { connection throws(KeyringFailure) in
                try failing { () throws(SQLiteError) in try connection.execute("DELETE FROM keyring_page_writes") }
            }
        }
    }
}
