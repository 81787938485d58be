// SPDX-License-Identifier: Apache-2.0

import Core
import Log
import Platform
import SQLite

/// The open files of one store thread: as many as it may have, the least recently used makes room. Belongs to the thread.
final class TenantFiles {
    struct Plan: Sendable {
        /// `data/tenants`.
        let directory: String
        let keys: any TenantKeys
        /// Files open at once.
        let openMax: Int
        /// What every file's tables come from, once all modules have said.
        let migrations: @Sendable () -> [SQLiteMigrations]
        /// The most bytes a tenant's database may have now.
        let bytesMax: @Sendable (TenantID) -> Int
        /// What modules do to a file that was restored from a backup.
        let reconcile: @Sendable (any TenantTransaction) throws(SQLiteError) -> Void
        /// How modules seal their objects anew.
        let renewals: @Sendable () -> [ContentRenewal]
        /// Whether the disk under a file has so little room left that no tenant's file may grow.
        let isDiskLow: @Sendable (String) -> Bool
        /// Told of a tenant whose page key has sealed as much as it may.
        let wornOut: @Sendable (TenantID) -> Void
        let log: Logger

        var options: SQLiteOptions {
            var options = SQLiteOptions()
            options.checkpointPages = 0
            // Only a check or a copy on another thread ever holds a lock here.
            options.busyTimeout = .milliseconds(100)
            return options
        }
    }

    private let plan: Plan
    private var files: [TenantID: TenantFile] = [:]
    /// Counts turns, to know who was used last.
    private var turn: UInt64 = 0

    init(_ plan: Plan) {
        self.plan = plan
    }

    /// Does one turn's work of a tenant and tells everybody who waits for it.
    func run(_ jobs: [Job], of tenant: TenantID) {
        let file: TenantFile
        do throws(SQLiteError) {
            file = try open(tenant)
        } catch {
            let failure = DatabaseFailure(error, path: path(of: tenant))
            log(failure, tenant)
            for job in jobs { job.finish(failure) }
            return
        }
        file.run(jobs)
        // After an error of the disk nobody knows what SQLite still believes of the file: the next one starts afresh.
        if file.isDoubtful { close(tenant) }
    }

    var hasIdleWork: Bool { files.values.contains { $0.wantsCheckpoint } }

    func doIdleWork() {
        for file in files.values where file.wantsCheckpoint { file.checkpoint() }
    }

    func close(_ tenant: TenantID) {
        files.removeValue(forKey: tenant)?.close()
    }

    func closeAll() {
        for tenant in Array(files.keys) { close(tenant) }
    }

    private func open(_ tenant: TenantID) throws(SQLiteError) -> TenantFile {
        turn += 1
        if let file = files[tenant] {
            file.lastTurn = turn
            return file
        }
        if files.count >= plan.openMax, let oldest = files.values.min(by: { $0.lastTurn < $1.lastTurn }) {
            close(oldest.tenant)
        }
        let file = try TenantFile(tenant, path: path(of: tenant), plan: plan)
        file.lastTurn = turn
        files[tenant] = file
        return file
    }

    private func path(of tenant: TenantID) -> String { TenantPaths.file(of: tenant, in: plan.directory) }

    private func log(_ failure: DatabaseFailure, _ tenant: TenantID) {
        plan.log.error(
            "a tenant's file cannot be opened",
            ["tenant": .string(tenant.text), "cause": .string(Failure(failure).cause ?? "\(failure)")])
    }
}
