// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite

/// A piece of work that waits for a tenant's file.
struct Job: Sendable {
    typealias Body = @Sendable (Transaction) throws(SQLiteError) -> Void

    /// Does the work and keeps its result. At most once.
    enum Work: Sendable {
        case read(Body)
        case write(Body)
        /// Between transactions.
        case upkeep(@Sendable (TenantFile) throws(SQLiteError) -> Void)
    }

    let work: Work
    /// Tells whoever waits: `nil` when the work is done and, for a write, on the disk. Exactly once.
    let finish: @Sendable (DatabaseFailure?) -> Void
}

/// A result on its way from the store's thread to who waits for it: written before `finish` is called, read after.
final class ResultSlot<Value: Sendable>: @unchecked Sendable {
    var value: Value?
}
