// SPDX-License-Identifier: Apache-2.0

import Core
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
