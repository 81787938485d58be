// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A shard, for the table itself and for whoever keeps the table alive: to take its lock counts no reference, of which a request
/// would make two dozen.
@safe struct ShardReference: Equatable, @unchecked Sendable {
    // SAFETY: every shard stands in a list of the table, which never changes and goes with the table alone. A reference is used by
    // the table's own methods, and by those who have a `Pair`, which has the table.
    private let locked: Unmanaged<AccountTable.Locked>

    /// - Parameter locked: of a table that is there for as long as this is used.
    init(_ locked: AccountTable.Locked) { unsafe self.locked = Unmanaged.passUnretained(locked) }

    @inline(__always)
    func withLock<Result>(_ body: (inout sending AccountTable.Shard) -> sending Result) -> Result {
        unsafe locked._withUnsafeGuaranteedRef { $0.shard.withLock(body) }
    }

    static func == (left: ShardReference, right: ShardReference) -> Bool {
        unsafe left.locked.toOpaque() == right.locked.toOpaque()
    }
}
