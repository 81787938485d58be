// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite
import Support
import Synchronization
import Testing

@testable import Store

@Suite struct TenantDirectoryTests {
    /// Keys whose deletion fails as often as told.
    private final class StubbornKeys: TenantKeys {
        private let keys = MemoryKeys()
        let failures: Mutex<Int>

        init(failures: Int) { self.failures = Mutex(failures) }

        func create(_ tenant: TenantID) throws(SQLiteError) { try keys.create(tenant) }

        func delete(_ tenant: TenantID) throws(SQLiteError) {
            let fails = failures.withLock { failures in
                failures -= 1
                return failures >= 0
            }
            guard !fails else { throw SQLiteError(.unavailable, message: "no disk", subject: "") }
            try keys.delete(tenant)
        }

        func openFile(
            at path: String, of tenant: TenantID, options: SQLiteOptions
        ) throws(SQLiteError) -> SQLiteConnection {
            try keys.openFile(at: path, of: tenant, options: options)
        }

        func createKey(of object: ObjectID, of tenant: TenantID) throws(SQLiteError) {
            try keys.createKey(of: object, of: tenant)
        }

        func erase(_ objects: [ObjectID], of tenant: TenantID) throws(SQLiteError) {
            try keys.erase(objects, of: tenant)
        }

        func seal(
            _ plain: [UInt8], in cell: Cell, of object: ObjectID, of tenant: TenantID
        ) throws(SQLiteError) -> [UInt8] {
            try keys.seal(plain, in: cell, of: object, of: tenant)
        }

        func open(
            _ sealed: [UInt8], in cell: Cell, of object: ObjectID, of tenant: TenantID
        ) throws(SQLiteError) -> [UInt8] {
            try keys.open(sealed, in: cell, of: object, of: tenant)
        }

        func digest(_ label: StaticString, _ text: String, of tenant: TenantID) -> [UInt8] {
            keys.digest(label, text, of: tenant)
        }
    }

    private func code(_ body: () throws -> Void) -> ErrorCode? {
        do {
            try body()
            return nil
        } catch {
            return (error as? Failure)?.code
        }
    }

    @Test func `remembers tenants and plans over a restart`() throws {
        let harness = try TenantHarness()
        let plan = Plan(name: "team", retention: RetentionRule([.files: .none]), bytesMax: 2 << 20)
        let made = try onLoop { _ in
            try await harness.tenants.setPlan(plan)
            let made = try await harness.tenants.create(name: "acme", plan: "team")
            return try await harness.tenants.setStatus(.suspended, of: made.id)
        }
        harness.stop()
        let again = try TenantHarness(in: harness.directory)
        #expect(again.tenants.find("acme") == made && again.tenants.find(made.id.text) == made)
        #expect(again.tenants.status(of: made.id) == .suspended)
        #expect(again.tenants.plan("team") == plan)
        #expect(again.tenants.limits(of: made.id).bytesMax == 2 << 20)
    }

    @Test func `who calls decides whose database it is`() throws {
        let harness = try TenantHarness()
        let acme = try harness.tenants.ensureBlocking(name: "acme")
        let principal = TenantHarness.principal(of: acme.id)
        #expect(try harness.tenants.database(of: principal).tenant == acme.id)
        for nobody in [nil, TenantHarness.principal(of: nil), TenantHarness.principal(of: TenantID("ten_none"))] {
            #expect(code { _ = try harness.tenants.database(of: nobody) } == .notFound)
        }
        _ = try onLoop { _ in try await harness.tenants.setStatus(.suspended, of: acme.id) }
        #expect(code { _ = try harness.tenants.database(of: principal) } == .blocked)
        // Its data ages all the same: the sweeper gets in.
        #expect(code { _ = try harness.tenants.database(of: acme.id, actor: "sweeper") } == nil)
        harness.stop()
        #expect(code { _ = try harness.tenants.database(of: acme.id, actor: "sweeper") } == .overloaded)
    }

    @Test func `a name is one line, given once, and no id`() throws {
        let harness = try TenantHarness()
        for name in ["", "a\nb", "a\u{202E}b", String(repeating: "x", count: 201), "ten_01JD0000000000000000000000"] {
            let refused = try onLoop { _ in
                do throws(Failure) {
                    _ = try await harness.tenants.create(name: name, plan: nil)
                    return nil as ErrorCode?
                } catch {
                    return error.code
                }
            }
            #expect(refused == .invalidParameter, "\(name.debugDescription)")
        }
    }

    @Test func `of many who make one tenant at once, all get the same`() throws {
        let harness = try TenantHarness()
        let ids = try onLoop { _ in
            await withTaskGroup(of: TenantID?.self) { group in
                for _ in 0..<20 { group.addTask { try? await harness.tenants.ensure(name: "acme").id } }
                return await group.reduce(into: Set<TenantID?>()) { $0.insert($1) }
            }
        }
        #expect(ids.count == 1 && ids.first != .some(nil))
    }

    @Test func `a deleted tenant leaves no file, no key, no row and no way in`() throws {
        let harness = try TenantHarness()
        let acme = try harness.database("acme")
        let hooked = Mutex<[TenantID]>([])
        harness.tenants.onDeletion { tenant in hooked.withLock { $0.append(tenant) } }
        try onLoop { _ in
            try await acme.note("a")
            try await harness.tenants.delete(acme.tenant)
            do throws(DatabaseFailure) {
                try await acme.note("b")
                Issue.record("a handle of before still writes")
            } catch {
                guard case .gone = error else { throw error }
            }
        }
        #expect(hooked.withLock { $0 } == [acme.tenant])
        #expect(TemporaryDirectory.names(of: harness.directory("tenants")) == [])
        #expect(harness.tenants.status(of: acme.tenant) == nil && harness.tenants.find("acme") == nil)
        #expect(code { _ = try harness.tenants.database(of: acme.tenant, actor: "test") } == .notFound)
        #expect(try harness.database("acme").tenant != acme.tenant)
    }

    @Test func `a deletion half done lets nobody in, and is finished at the next start`() throws {
        let directory = try TemporaryDirectory()
        let keys = StubbornKeys(failures: 1)
        let harness = try TenantHarness(in: directory, keys: keys)
        let acme = try harness.database("acme")
        try onLoop { _ in
            try await acme.note("a")
            await #expect(throws: Failure.self) { try await harness.tenants.delete(acme.tenant) }
        }
        #expect(harness.tenants.status(of: acme.tenant) == nil)
        #expect(TemporaryDirectory.names(of: directory("tenants")) != [])
        harness.stop()
        let again = try TenantHarness(in: directory, keys: keys)
        #expect(TemporaryDirectory.names(of: directory("tenants")) == [])
        #expect(again.tenants.find("acme") == nil && again.tenants.list() == [])
        _ = try again.tenants.ensureBlocking(name: "acme")
    }

    @Test func `a wish for retention is the tenant's own, in its own file`() throws {
        let harness = try TenantHarness()
        let (acme, globex) = (try harness.database("acme"), try harness.database("globex"))
        let wish = RetentionRule([.threads: Retention(seconds: 60), .logs: .none])
        try onLoop { _ in
            try await acme.write { transaction throws(SQLiteError) in
                try harness.tenants.setRetentionWish(wish, in: transaction)
            }
            let wishes = try await [acme, globex].wishes(of: harness.tenants)
            #expect(wishes == [wish, RetentionRule()])
        }
    }
}

extension [any TenantDatabase] {
    fileprivate func wishes(of directory: Tenants) async throws(DatabaseFailure) -> [RetentionRule] {
        var wishes: [RetentionRule] = []
        for database in self {
            wishes.append(
                try await database.read { transaction throws(SQLiteError) in
                    try directory.retentionWish(in: transaction)
                })
        }
        return wishes
    }
}
