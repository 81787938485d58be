// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite

/// One tenant's database, as modules hold it: an id and the thread that owns the file. The id was chosen by who called, and
/// nothing in here can change it.
struct TenantHandle: TenantDatabase {
    let tenant: TenantID
    let thread: StoreThread

    func read<R: Sendable>(
        _ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> R
    ) async throws(DatabaseFailure) -> R {
        try await run(.read, body)
    }

    func write<R: Sendable>(
        _ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> R
    ) async throws(DatabaseFailure) -> R {
        try await run(.write, body)
    }

    private func run<R: Sendable>(
        _ kind: Job.Kind, _ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> R
    ) async throws(DatabaseFailure) -> R {
        let slot = ResultSlot<R>()
        let failure: DatabaseFailure? = unsafe await withUnsafeContinuation { continuation in
            let job = Job(kind: kind) { transaction throws(SQLiteError) in
                slot.value = try body(transaction)
            } finish: { failure in
                unsafe continuation.resume(returning: failure)
            }
            thread.post(job, for: tenant)
        }
        if let failure { throw failure }
        guard let value = slot.value else { throw .busy }
        return value
    }
}
