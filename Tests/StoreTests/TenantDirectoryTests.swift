// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Platform
import SQLite
import Support
import Synchronization
import Testing

@testable import Store

@Suite struct TenantDirectoryTests {
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
        let harness = try TenantHarness(in: directory, wrap: { StubbornKeys($0, deletions: 1) })
        let acme = try harness.database("acme")
        try onLoop { _ in
            try await acme.note("a")
            await #expect(throws: Failure.self) { try await harness.tenants.delete(acme.tenant) }
        }
        #expect(harness.tenants.status(of: acme.tenant) == nil)
        #expect(TemporaryDirectory.names(of: directory("tenants")) != [])
        harness.stop()
        let again = try TenantHarness(in: directory)
        #expect(TemporaryDirectory.names(of: directory("tenants")) == [])
        #expect(again.tenants.find("acme") == nil && again.tenants.list() == [])
        _ = try again.tenants.ensureBlocking(name: "acme")
    }

    @Test func `a tenant whose file cannot be made is not made, and its name stays free`() throws {
        let directory = try TemporaryDirectory()
        let harness = try TenantHarness(in: directory, wrap: { StubbornKeys($0, deletions: 1, makings: 1) })
        #expect(throws: StartFailure.self) { try harness.tenants.ensureBlocking(name: "acme") }
        #expect(harness.tenants.list() == [])
        harness.stop()
        let again = try TenantHarness(in: directory)
        #expect(again.tenants.list() == [] && TemporaryDirectory.names(of: directory("tenants")) == [])
        _ = try again.tenants.ensureBlocking(name: "acme")
    }

    @Test func `a file that is gone is missed, not replaced`() throws {
        let harness = try TenantHarness()
        let acme = try harness.database("acme")
        try onLoop { _ in try await acme.note("a") }
        harness.stop()
        for path in try TenantPaths.all(of: acme.tenant, in: harness.directory("tenants")) { unsafe _ = unlink(path) }
        let again = try TenantHarness(in: harness.directory)
        let found = try again.database("acme")
        try onLoop { _ in
            do throws(DatabaseFailure) {
                Issue.record("it gave \(try await found.notes())")
            } catch {
                guard case .damaged = error else { throw error }
            }
        }
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
