// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite

/// A piece of work that waits for a tenant's file.
struct Job: Sendable {
    enum Kind: Sendable { case read, write }

    let kind: Kind
    /// Does the work and keeps its result. At most once.
    let run: @Sendable (Transaction) throws(SQLiteError) -> Void
    /// Tells whoever waits: `nil` when the work is done and, for a write, on the disk. Exactly once.
    let finish: @Sendable (DatabaseFailure?) -> Void
}

/// A result on its way from the store's thread to who waits for it: written before `finish` is called, read after.
final class ResultSlot<Value: Sendable>: @unchecked Sendable {
    var value: Value?
}
