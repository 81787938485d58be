// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import Log
import Platform
import SQLite
import Synchronization

/// What was used, as a projection of the audit log: exact sums by key, node, model, provider, end user, hour and day.
///
/// The log's thread hands every record to ``ledger``. Every ten seconds, and before somebody reads them, the sums go into the
/// tenants' databases, together with the place in the log up to which they tell.
final class Usage: Sendable {
    struct Roles: Sendable {
        let store: any TenantStore
        let directory: any TenantDirectory
        /// `control.db`
        let control: any Database
        let log: Logger
        let now: @Sendable () -> WallTime
    }

    let ledger = UsageLedger()
    private let flusher: UsageFlusher
    private let roles: Roles
    /// For how long hours are told apart, and end users with them.
    private let detail: Duration
    private let thread = Mutex<EventLoop?>(nil)

    init(_ roles: Roles, detail: Duration) {
        self.roles = roles
        self.detail = detail
        flusher = UsageFlusher(
            ledger: ledger, store: roles.store, directory: roles.directory, control: roles.control, log: roles.log)
    }

    static let schemas = [UsageTables.schema, UsagePosition.schema]

    /// - Parameter userDigest: the digest under which records of a tenant name an end user.
    /// - Parameter prices: what tokens cost today; nil without a gateway.
    /// - Parameter sync: returns when the log's records so far are on the disk and counted.
    func routes(
        userDigest: @escaping @Sendable (TenantID, String) async throws(Failure) -> [UInt8],
        prices: @escaping @Sendable () -> (any PriceBook)?, sync: @escaping @Sendable () async throws(Failure) -> Void
    ) -> [Route] {
        UsageRoutes(
            ledger: ledger, flusher: flusher, store: roles.store, directory: roles.directory, prices: prices,
            userDigest: userDigest, sync: sync, now: roles.now
        ).all
    }

    /// Writes what is in memory of one tenant.
    func flush(_ tenant: TenantID, on loop: EventLoop) async throws(Failure) {
        try await flusher.flush(tenant, on: loop)
    }

    /// Names the tables and finds out with which record the reading of the log begins (``UsageLedger/next``); at the start,
    /// before a tenant's file is opened. Then ``ledger`` is given the log's records, and then comes ``start()``.
    func prepare() throws(StartFailure) {
        try roles.store.register(UsageTables.migrations)
        roles.store.onDeletion { [ledger] tenant in ledger.forget(tenant) }
        do throws(DatabaseFailure) {
            try roles.control.migrate(UsagePosition.migrations)
            let position = try roles.control.writeBlocking { connection throws(SQLiteError) in
                try UsagePosition.read(connection)
            }
            ledger.begin(at: position)
        } catch {
            throw StartFailure("the place of usage in the audit log cannot be read: \(error)")
        }
    }

    /// Begins to write what is in memory, on a thread of its own.
    func start() throws(StartFailure) {
        let loop: EventLoop
        do throws(Errno) {
            loop = try EventLoop(name: "usage")
            try loop.start()
        } catch {
            throw StartFailure("the thread of usage cannot be started: \(error)")
        }
        ledger.endRecovery()
        thread.withLock { $0 = loop }
        let (flusher, detail, now) = (flusher, detail, roles.now)
        loop.spawn {
            var folded: Int64 = 0
            while true {
                // Not at once: modules that start later still have tables to name, and opening a file ends that.
                await loop.sleep(UsageFlusher.interval)
                await flusher.run()
                let day = UsageCell.start(of: now(), .day)
                guard day != folded else { continue }
                await flusher.fold(before: now() - detail)
                folded = day
            }
        }
    }

    /// Writes what is left, by a deadline; what does not make it is read from the log at the next start.
    func stop(by deadline: Instant) {
        let loop = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        guard let loop else { return }
        let isDone = Monitor(false)
        let flusher = flusher
        loop.spawn {
            await flusher.run()
            isDone.withLock { $0 = true }
            isDone.signal()
        }
        isDone.wait(until: deadline) { $0 ? true : nil }
        loop.stop()
        loop.join()
    }
}
