// SPDX-License-Identifier: Apache-2.0

package import Platform
package import SQLite

// What modules do for one another. A module names the role it needs; the composition root brings the module that plays it.

/// Access to the appliance's own database, `control.db`. Played by Store.
package protocol Database: Sendable {
    /// Runs work in one transaction on the database's own thread. When this returns, what was written is on the disk.
    ///
    /// The caller's thread is not blocked, so this is the form for loops.
    func write<Result: Sendable>(
        _ body: @escaping @Sendable (SQLiteConnection) throws(SQLiteError) -> Result
    ) async throws(DatabaseFailure) -> Result

    /// The same for a thread that may block: at start and at stop, never on a loop.
    func writeBlocking<Result: Sendable>(
        _ body: @escaping @Sendable (SQLiteConnection) throws(SQLiteError) -> Result
    ) throws(DatabaseFailure) -> Result

    /// Brings the tables of a module up to date. At start only; blocks.
    func migrate(_ migrations: SQLiteMigrations) throws(DatabaseFailure)
}

/// Keys for one purpose each, derived from the appliance's root key. Played by Store.
package protocol SecretVault: Sendable {
    /// 32 bytes for a label, the same at every start with the same root key. Only after Store has started.
    func deriveKey(label: String) throws(StartFailure) -> SecretBytes
}

/// Keys that live in memory only and end with the process. Played by Auth, for development mode.
package protocol DevelopmentKeys: Sendable {
    /// A fresh key with every scope; its text is shown once and kept nowhere. `nil` unless started.
    func mintDevelopmentKey() -> String?
}
