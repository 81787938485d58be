// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import SQLite

/// One tenant's database, as modules hold it: an id and the thread that owns the file. The id was chosen by who called, and
/// nothing in here can change it.
struct TenantHandle: TenantDatabase {
    let tenant: TenantID
    let thread: StoreThread

    func read<R: Sendable>(
        _ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> R
    ) async throws(DatabaseFailure) -> R {
        try await run(body, as: Job.Work.read)
    }

    func write<R: Sendable>(
        _ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> R
    ) async throws(DatabaseFailure) -> R {
        try await run(body, as: Job.Work.write)
    }

    private func run<R: Sendable>(
        _ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> R,
        as work: (@escaping Job.Body) -> Job.Work
    ) async throws(DatabaseFailure) -> R {
        let slot = ResultSlot<R>()
        let work = work { transaction throws(SQLiteError) in slot.value = try body(transaction) }
        return try await thread.run(work, for: tenant, slot)
    }
}

extension StoreThread {
    /// Leaves work for a tenant's file and waits for what it puts into the slot.
    func run<R: Sendable>(
        _ work: Job.Work, for tenant: TenantID, _ slot: ResultSlot<R>
    ) async throws(DatabaseFailure) -> R {
        let failure: DatabaseFailure? = await EventLoop.suspend { caller in
            post(Job(work: work) { caller.resume(returning: $0) }, for: tenant)
        }
        if let failure { throw failure }
        guard let value = slot.value else { throw .busy }
        return value
    }
}
