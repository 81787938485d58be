// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Platform
import SQLite

extension StoreThread {
    /// Does work on a tenant's file between its transactions, and waits for it. Never on a loop or a store thread.
    func runBlocking<R: Sendable>(
        for tenant: TenantID, _ body: @escaping @Sendable (TenantFile) throws(SQLiteError) -> R
    ) throws(DatabaseFailure) -> R {
        let slot = ResultSlot<R>()
        let outcome = Monitor<DatabaseFailure??>(nil)
        let work = Job.Work.upkeep { file throws(SQLiteError) in slot.value = try body(file) }
        post(
            Job(work: work) { failure in
                outcome.withLock { $0 = .some(failure) }
                outcome.signal()
            }, for: tenant)
        if let failure = outcome.wait({ $0 }) { throw failure }
        guard let value = slot.value else { throw .busy }
        return value
    }
}

extension Tenants {
    /// Work between the transactions of a tenant's file; where somebody stands in the way, it is tried again for ten seconds.
    func upkeep<R: Sendable>(
        of tenant: TenantID, _ body: @escaping @Sendable (TenantFile) throws(SQLiteError) -> R
    ) throws(Failure) -> R {
        guard index[tenant] != nil else { throw Failure(.notFound, "there is no tenant of that id") }
        let thread = try running().thread(of: tenant)
        var tries = 200
        while true {
            do throws(DatabaseFailure) {
                return try thread.runBlocking(for: tenant, body)
            } catch .busy where tries > 0 {
                tries -= 1
                usleep(50_000)
            } catch {
                throw Failure(error)
            }
        }
    }
}
