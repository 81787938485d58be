// SPDX-License-Identifier: Apache-2.0

package import Core
import EventLoop
import Log
import Platform
package import SQLite
import Synchronization

/// The tenants of an appliance: who they are, and each one's database.
///
/// Changes happen on one thread, one after the other: first on the disk, then in memory.
package final class Tenants: Sendable {
    let settings: StoreSettings
    let log: Logger
    let index = TenantIndex()
    private let state = Mutex(State())
    private let services = Mutex<Services?>(nil)
    /// Tenants whose page key has sealed as much as it may.
    private let worn = Mutex<Set<TenantID>>([])

    private struct State {
        var migrations: [SQLiteMigrations] = []
        /// Once a file has been opened, no further tables are taken.
        var isFrozen = false
        var hooks: [@Sendable (TenantID) async -> Void] = []
        var statusHooks: [@Sendable (TenantID, TenantStatus) -> Void] = []
        var renewals: [ContentRenewal] = []
        var restoreHooks: [@Sendable (any TenantTransaction) throws(SQLiteError) -> Void] = []
    }

    /// What exists between start and stop.
    struct Services: Sendable {
        let database: DatabaseThread
        let keys: any TenantKeys
        let directory: String
        /// Where tenants and plans are changed.
        let worker: Worker
        /// Where files are checked, which may take minutes.
        let checker: Worker
        let threads: [StoreThread]

        /// The thread that owns a tenant's file: always the same one.
        func thread(of tenant: TenantID) -> StoreThread {
            // FNV-1a; ids are ours, so nobody chooses them to fall together.
            var hash: UInt64 = 0xCBF2_9CE4_8422_2325
            for byte in tenant.text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
            return threads[Int(hash % UInt64(threads.count))]
        }
    }

    private let isDiskLow: @Sendable (String) -> Bool

    init(
        settings: StoreSettings, log: Logger, isDiskLow: @escaping @Sendable (String) -> Bool = DiskSpace.isLow
    ) {
        self.settings = settings
        self.log = log
        self.isDiskLow = isDiskLow
    }

    /// Reads the directory, clears away makings and deletions that a crash cut short, and starts the threads. Blocks.
    func start(database: DatabaseThread, keys: any TenantKeys, data: String) throws(StartFailure) {
        let directory = TenantPaths.directory(in: data)
        do {
            try AtomicFile.makeDirectory(path: directory, mode: 0o700)
            try database.migrate(TenantTables.migrations)
            let (rows, plans) = try database.writeBlocking { connection throws(SQLiteError) in
                (try TenantTables.tenants(in: connection), try TenantTables.plans(in: connection))
            }
            for row in rows where row.isPartial {
                try Deletion(tenant: row.tenant.id, directory: directory, keys: keys).destroy()
                try database.writeBlocking { connection throws(SQLiteError) in
                    try TenantTables.delete(row.tenant.id, in: connection)
                }
            }
            index.load(rows.filter { !$0.isPartial }.map(\.tenant), plans)
            let services = Services(
                database: database, keys: keys, directory: directory,
                worker: try Worker(name: "tenants", queueMax: 256),
                checker: try Worker(name: "check", queueMax: 16),
                threads: try makeThreads(directory, keys))
            self.services.withLock { $0 = services }
        } catch {
            throw StartFailure("the tenants cannot be read: \(error)")
        }
    }

    /// Does what waits and closes every file. Blocks.
    func stop() {
        let services = self.services.withLock { services in
            defer { services = nil }
            return services
        }
        guard let services else { return }
        for worker in [services.worker, services.checker] {
            worker.stop()
            worker.join()
        }
        for thread in services.threads { thread.stop() }
    }

    func running() throws(Failure) -> Services {
        guard let services = services.withLock({ $0 }) else {
            throw Failure(.overloaded, "the store is not open").retrying(after: .seconds(1))
        }
        return services
    }

    private func makeThreads(_ directory: String, _ keys: any TenantKeys) throws(Errno) -> [StoreThread] {
        let count = min(TenantLimit.threads, settings.openFiles)
        let plan = TenantFiles.Plan(
            directory: directory, keys: keys, openMax: settings.openFiles / count,
            migrations: { [self] in freeze() }, bytesMax: { [self] in limits(of: $0).bytesMax },
            reconcile: { [self] transaction throws(SQLiteError) in
                for hook in state.withLock({ $0.restoreHooks }) { try hook(transaction) }
            }, renewals: { [self] in state.withLock { $0.renewals } },
            isDiskLow: isDiskLow,
            wornOut: { [self] tenant in worn.withLock { _ = $0.insert(tenant) } }, log: log)
        return try (0..<count).map { _ throws(Errno) in try StoreThread { TenantFiles(plan) } }
    }

    /// Tenants whose page key is to be changed, each told once.
    func takeWorn() -> [TenantID] {
        worn.withLock { worn in
            defer { worn = [] }
            return Array(worn)
        }
    }

    private func freeze() -> [SQLiteMigrations] {
        state.withLock { state in
            state.isFrozen = true
            return state.migrations
        }
    }

    /// What modules asked to run before a tenant is destroyed.
    var deletionHooks: [@Sendable (TenantID) async -> Void] { state.withLock { $0.hooks } }

    /// What modules asked to run when a tenant is suspended or resumed.
    var statusHooks: [@Sendable (TenantID, TenantStatus) -> Void] { state.withLock { $0.statusHooks } }

    func addStatusHook(_ body: @escaping @Sendable (TenantID, TenantStatus) -> Void) {
        state.withLock { $0.statusHooks.append(body) }
    }
}

extension Tenants: TenantStore {
    package func database(of principal: Principal?) throws(Failure) -> any TenantDatabase {
        guard let id = principal?.tenant, let tenant = index[id] else {
            throw Failure(.notFound, "there is nothing of that id")
        }
        guard tenant.status == .active else { throw Failure(.blocked, "this tenant is suspended") }
        return TenantHandle(tenant: id, thread: try running().thread(of: id))
    }

    package func database(of tenant: TenantID, actor: String) throws(Failure) -> any TenantDatabase {
        guard index[tenant] != nil else { throw Failure(.notFound, "there is no tenant of that id") }
        log.debug("a tenant's database is used", ["tenant": .string(tenant.text), "actor": .string(actor)])
        return TenantHandle(tenant: tenant, thread: try running().thread(of: tenant))
    }

    package func register(_ migrations: SQLiteMigrations) throws(StartFailure) {
        let isFrozen = state.withLock { state in
            if !state.isFrozen { state.migrations.append(migrations) }
            return state.isFrozen
        }
        guard !isFrozen else {
            throw StartFailure("the tables of \(migrations.module) came after a tenant's file was opened")
        }
    }

    package func onRestore(_ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> Void) {
        state.withLock { $0.restoreHooks.append(body) }
    }

    package func onKeyRenewal(_ renewal: ContentRenewal) {
        state.withLock { $0.renewals.append(renewal) }
    }

    package func onDeletion(_ body: @escaping @Sendable (TenantID) async -> Void) {
        state.withLock { $0.hooks.append(body) }
    }
}
