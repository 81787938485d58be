// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite
import Synchronization

/// How many pages a file's key may have sealed, over every process that used it: never too few.
///
/// `SealedFile` counts in memory. In the keyring stands a number that is ahead of that count; before the count comes near,
/// it is moved on by a step. So after a crash the sum is too high by a step at most, and so it is after any opening.
package struct PageWear: Sendable {
    package struct Limits: Sendable {
        /// From here on the key is changed.
        package var writesMax = PageKey.writesMax
        /// No transaction seals half as many pages.
        package var step: UInt64 = 1 << 16

        package init() {}
    }

    fileprivate var generation: UInt32 = 0
    /// What others may have sealed with this key before.
    fileprivate var before: UInt64 = 0
    /// What stands in the keyring.
    fileprivate var noted: UInt64 = 0
}

extension Keyring {
    /// Brings what the keyring knows of a file's page key up to date. Before the file is written; blocks where the count has
    /// come near the number that stands there, and otherwise does nothing.
    ///
    /// - Parameter name: the database's name: `control.db`, `keyring.db`, or a tenant's id.
    /// - Returns: whether the key has sealed as much as it may.
    func notePageWrites(of file: SealedFile, as name: String, _ limits: PageWear.Limits) throws(KeyringFailure) -> Bool
    {
        guard let generation = file.keys.first?.generation else { return false }
        var wear = file.wear.withLock { $0 }
        if wear.generation != generation {
            let known = try knownPageWrites(of: name, generation: Int(generation))
            wear = PageWear(generation: generation, before: known, noted: known)
        }
        let sum = wear.before + file.pageWrites
        if sum + limits.step / 2 >= wear.noted {
            wear.noted = sum + limits.step
            try notePageWrites(Int(clamping: wear.noted), of: name, generation: Int(generation))
        }
        file.wear.withLock { $0 = wear }
        return sum >= limits.writesMax
    }

    private func knownPageWrites(of name: String, generation: Int) throws(KeyringFailure) -> UInt64 {
        try read { connection throws(KeyringFailure) in
            try failing { () throws(SQLiteError) in
                try connection.first(
                    "SELECT writes FROM keyring_page_writes WHERE file = ? AND generation = ?", name, generation
                ) { row throws(SQLiteError) in UInt64(clamping: try row.integer(0)) } ?? 0
            }
        }
    }

    private func notePageWrites(_ count: Int, of name: String, generation: Int) throws(KeyringFailure) {
        try writer.run { connection throws(KeyringFailure) in
            let isTenant = name != OpenStore.control && name != KeyringFile.name
            // A tenant that was deleted meanwhile leaves no name behind.
            if isTenant, try TenantRow.find(TenantID(name), connection) == nil { throw .unknownTenant }
            try failing { () throws(SQLiteError) in
                try connection.execute(
                    "INSERT OR REPLACE INTO keyring_page_writes VALUES (?, ?, ?)", name, generation, count)
            }
        }
    }
}
