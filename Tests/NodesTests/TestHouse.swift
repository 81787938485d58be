// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import Log
import Platform
import SQLite
import Support
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
        let tenant = try TestTenant("ten_test", [NodesSchema.migrations])
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
            try threads.append(drafts, to: id, of: .everybody, at: now, in: transaction)
        }.get()
    }

    /// The texts of a thread; nil where there is no such thread.
    func texts(of id: String, _ page: Page = Page(limit: 100, order: .ascending)) throws -> [String]? {
        let (threads, bound) = (threads, try page.placeBound())
        return try tenant.run { transaction throws(SQLiteError) in
            try threads.messages(of: id, of: .everybody, page, after: bound, in: transaction)
        }?.elements.map(\.content)
    }

    func sweep() async throws {
        try await sweeper.sweep(tenant)
    }
}
