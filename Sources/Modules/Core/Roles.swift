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

/// Random keys for one purpose each, kept in the keyring. Played by Store.
package protocol SecretVault: Sendable {
    /// The generations of the key with a label, 32 bytes each; one is made where there is none. They stay what they are
    /// when the master key or what unlocks it changes. Blocks; only after Store has started.
    func keys(label: String) throws(StartFailure) -> [Int: SecretBytes]
}

/// Keys that live in memory only and end with the process. Played by Auth, for development mode.
package protocol DevelopmentKeys: Sendable {
    /// A fresh key with every scope; its text is shown once and kept nowhere. `nil` unless started.
    func mintDevelopmentKey() -> String?
}
