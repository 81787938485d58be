// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite
import Support
import Synchronization
import Testing

@testable import Store

/// Row R4: an older copy of one file among newer ones is noticed at the start, and named.
@Suite struct RollbackTests {
    private func mark(_ keyring: Keyring, _ database: SQLiteConnection) throws {
        try keyring.mark("control.db") { mark throws(SQLiteError) in try mark.write(database) }
    }

    @Test(arguments: KeyringHouse.names)
    func `an older copy of one file of the keyring is named`(_ name: String) throws {
        let house = try KeyringHouse()
        var keyring = try house.open()
        try keyring.createTenant(.red)
        keyring.close()
        let old = try house.copy()
        keyring = try house.open()
        // Everything that changes a file: a slot, a roll, rows.
        _ = try keyring.addSlot(UnlockSecret(.recovery, SecretBytes(randomCount: 32)), name: "a")
        _ = try keyring.addSlot(UnlockSecret(.recovery, SecretBytes(randomCount: 32)), name: "b")
        try keyring.createObjectKey(.red, ObjectID("thr_1"))
        _ = try keyring.roll()
        keyring.close()
        let new = try house.copy()
        #expect(new[name] != old[name])
        try house.restore(old, [name])
        let refusal = try #require(house.refusal())
        #expect(refusal.contains("an older copy of \(name) was put back"), "\(refusal)")
        try house.restore(new)
        #expect(house.refusal() == nil)
    }

    @Test func `an older copy of a marked database is named, and so is an older keyring beside it`() throws {
        let house = try KeyringHouse()
        let keyring = try house.open()
        defer { keyring.close() }
        let database = try SQLiteConnection.inMemory()
        try database.migrate([FileMark.migrations])
        try keyring.check(try FileMark.read(database), of: "control.db")
        var marks: [FileMark] = []
        for _ in 0..<3 {
            try mark(keyring, database)
            marks.append(try #require(try FileMark.read(database)))
            try keyring.check(marks.last, of: "control.db")
        }
        #expect(named(keyring, marks[1]) == "control.db")
        #expect(named(keyring, nil) == "control.db")
        // A crash between the database's mark and the keyring's.
        let ahead = FileMark(generation: marks[2].generation + 1, keyring: try keyring.generation())
        #expect(named(keyring, ahead) == nil)
        #expect(named(keyring, FileMark(generation: ahead.generation + 1, keyring: ahead.keyring)) == "keyring.db")
        #expect(named(keyring, FileMark(generation: ahead.generation, keyring: ahead.keyring + 1)) == "keyring.db")
    }

    @Test func `whoever put older files back can say that they are meant`() throws {
        let house = try KeyringHouse()
        var keyring = try house.open()
        let database = try SQLiteConnection.inMemory()
        try database.migrate([FileMark.migrations])
        try mark(keyring, database)
        keyring.close()
        let old = try house.copy()
        keyring = try house.open()
        for _ in 0..<5 { try mark(keyring, database) }
        keyring.close()
        try house.restore(old)
        keyring = try house.open()
        defer { keyring.close() }
        #expect(named(keyring, try FileMark.read(database)) == "keyring.db")
        try keyring.acceptRestored()
        #expect(named(keyring, try FileMark.read(database)) == nil)
        try mark(keyring, database)
        #expect(named(keyring, try FileMark.read(database)) == nil)
    }

    /// The tenant's file and the keyring are looked at when the file is opened; the server has started by then.
    @Test(arguments: ["keyring.db", "the tenant's"])
    func `an older copy of a tenant's file, or of the keyring beside it, is refused`(_ which: String) throws {
        let directory = try TemporaryDirectory()
        var harness = try TenantHarness(in: directory)
        let tenant = try harness.tenants.ensureBlocking(name: "acme").id
        let path = directory(which == "keyring.db" ? which : "tenants/\(tenant.text).db")
        try note("one", harness)
        harness.stop()
        let old = try AtomicFile.read(path: path, bytesMax: 1 << 28)
        harness = try TenantHarness(in: directory)
        try note("two", harness)
        harness.stop()
        let new = try AtomicFile.read(path: path, bytesMax: 1 << 28)
        try AtomicFile.write(path: path, bytes: old, mode: 0o600)
        harness = try TenantHarness(in: directory)
        #expect(throws: DatabaseFailure.self) { try notes(harness) }
        harness.stop()
        // The control: with the newest back, everything is there.
        try AtomicFile.write(path: path, bytes: new, mode: 0o600)
        harness = try TenantHarness(in: directory)
        #expect(try notes(harness).count == 2)
        harness.stop()
    }

    /// With a key of its own: a keyring that differs by nothing but the last mark is as good as the newest.
    private func note(_ text: String, _ harness: TenantHarness) throws {
        let database = try harness.database("acme")
        try onLoop { _ in
            try await database.write { transaction throws(SQLiteError) in
                try transaction.createKey(of: ObjectID("thr_\(text)"))
                try transaction.note(text)
            }
        }
    }

    private func notes(_ harness: TenantHarness) throws -> [String] {
        let database = try harness.database("acme")
        return try onLoop { _ in try await database.notes() }
    }

    private func named(_ keyring: Keyring, _ mark: FileMark?) -> String? {
        do throws(KeyringFailure) {
            try keyring.check(mark, of: "control.db")
            return nil
        } catch .older(let file, _) {
            return file
        } catch {
            return "\(error)"
        }
    }
}
