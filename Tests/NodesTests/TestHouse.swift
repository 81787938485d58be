// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import Log
import Platform
import SQLite
import Synchronization
import Testing

@testable import Nodes

/// What the module works with, around one tenant in memory and a clock that the test sets.
final class TestHouse: Sendable {
    let tenant: TestTenant
    let directory = TestDirectory()
    let context: NodesContext
    private let clock: Clock

    /// Set by a test, read by the module.
    final class Clock: Sendable {
        let time = Mutex(WallTime(seconds: 1_800_000_000))
    }

    init(consents: [ConsentScope] = [.threads, .files], models: (any ModelCaller)? = nil) throws {
        let tenant = try TestTenant()
        let clock = Clock()
        let settings = try NodesSettings(#require(try Configuration(text: "[nodes]").section("nodes")))
        self.tenant = tenant
        self.clock = clock
        context = NodesContext(
            store: TestStore(tenant: tenant), directory: directory, consents: ConsentBook(), models: models,
            settings: settings, mode: .development, log: .disabled, schedule: SweepSchedule(), uploads: Uploads(),
            now: { clock.time.withLock { $0 } })
        directory.tenants.withLock { $0 = [Tenant(id: tenant.tenant, name: "test", createdAt: context.now())] }
        for scope in consents { try grant(scope) }
    }

    var now: WallTime {
        get { clock.time.withLock { $0 } }
        set { clock.time.withLock { $0 = newValue } }
    }

    var threads: Threads { Threads(context: context) }
    var sweeper: Sweeper { Sweeper(context: context) }

    func grant(_ scope: ConsentScope) throws {
        let now = now
        try tenant.run { transaction throws(SQLiteError) in
            try ConsentBook().grant(scope, text: "1", by: "uid:0", at: now, in: transaction)
        }
    }

    func withdraw(_ scope: ConsentScope) throws {
        let now = now
        try tenant.run { transaction throws(SQLiteError) in
            try ConsentBook().withdraw(scope, by: "uid:0", at: now, in: transaction)
        }
    }

    /// A node's id.
    func node(_ alias: String, retentionSeconds: Int? = nil) throws -> String {
        let now = now
        var configuration = NodeConfiguration()
        configuration.alias = alias
        configuration.model = "echo"
        configuration.retentionSeconds = retentionSeconds
        let wanted = configuration
        return try tenant.run { transaction throws(SQLiteError) in
            try NodeTables.insert(wanted, by: "key_1", at: now, in: transaction).id
        }
    }

    /// A thread's id.
    func thread(node: String? = nil, correlation: String? = nil) throws -> String {
        let (threads, now) = (threads, now)
        let verdict = try tenant.run { transaction throws(SQLiteError) in
            try threads.create(
                ThreadDraft(nodeID: node, title: "a title", correlationID: correlation), by: "key_1", at: now,
                in: transaction)
        }
        return try verdict.get().id
    }

    @discardableResult
    func append(_ texts: [String], to id: String, clientID: String? = nil) throws -> [MessageRecord] {
        let (threads, now) = (threads, now)
        let drafts = texts.map { MessageDraft(role: .user, name: nil, content: $0, clientID: clientID) }
        return try tenant.run { transaction throws(SQLiteError) in
            try threads.append(drafts, to: id, at: now, in: transaction)
        }.get()
    }

    /// The texts of a thread; nil where there is no such thread.
    func texts(of id: String, _ page: Page = Page(limit: 100, order: .ascending)) throws -> [String]? {
        let (threads, bound) = (threads, try page.placeBound())
        return try tenant.run { transaction throws(SQLiteError) in
            try threads.messages(of: id, page, after: bound, in: transaction)
        }?.elements.map(\.content)
    }

    func sweep() async throws {
        try await sweeper.sweep(tenant)
    }
}

/// Gives the one tenant's database.
private struct TestStore: TenantStore {
    let tenant: TestTenant

    func database(of principal: Principal?) throws(Failure) -> any TenantDatabase { tenant }
    func database(of tenant: TenantID, actor: String) throws(Failure) -> any TenantDatabase { self.tenant }
    func register(_ migrations: SQLiteMigrations) throws(StartFailure) {}
    func onRestore(_ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> Void) {}
    func onDeletion(_ body: @escaping @Sendable (TenantID) async -> Void) {}
}

/// Limits and a wish that a test sets.
final class TestDirectory: TenantDirectory {
    let plan = Mutex(RetentionRule())
    let wish = Mutex(RetentionRule())
    let tenants = Mutex<[Tenant]>([])
    let status = Mutex(TenantStatus.active)

    func status(of tenant: TenantID) -> TenantStatus? { status.withLock { $0 } }
    func find(_ nameOrID: String) -> Tenant? { list().first { $0.name == nameOrID || $0.id.text == nameOrID } }
    func list() -> [Tenant] { tenants.withLock { $0 } }
    func limits(of tenant: TenantID) -> TenantLimits {
        TenantLimits(retention: plan.withLock { $0 }, standardRetention: .standard, bytesMax: 1 << 30)
    }
    func create(name: String, plan: String?) async throws(Failure) -> Tenant { throw Failure(.disabled, "") }
    func ensure(name: String) async throws(Failure) -> Tenant { throw Failure(.disabled, "") }
    func ensureBlocking(name: String) throws(StartFailure) -> Tenant { throw StartFailure("") }
    func setStatus(_ status: TenantStatus, of tenant: TenantID) async throws(Failure) -> Tenant {
        throw Failure(.disabled, "")
    }
    func setPlan(_ plan: String?, of tenant: TenantID) async throws(Failure) -> Tenant { throw Failure(.disabled, "") }
    func delete(_ tenant: TenantID) async throws(Failure) {}
    func retentionWish(in transaction: any TenantTransaction) throws(SQLiteError) -> RetentionRule {
        wish.withLock { $0 }
    }
    func setRetentionWish(_ wish: RetentionRule, in transaction: any TenantTransaction) throws(SQLiteError) {
        self.wish.withLock { $0 = wish }
    }
}
