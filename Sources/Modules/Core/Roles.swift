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

    /// Makes a key that has a label to itself and can be destroyed, 32 bytes; on the disk when this returns. Blocks.
    ///
    /// - Throws: where there is one of that label.
    func createKey(label: String) throws(DatabaseFailure) -> SecretBytes

    /// A key that was made by itself; `nil` where it never was, or was destroyed. Blocks.
    func key(label: String) throws(DatabaseFailure) -> SecretBytes?

    /// Destroys a key; on the disk when this returns, and harmless twice. A copy of the keyring from before has it still,
    /// wrapped under the master key. Blocks.
    func destroyKey(label: String) throws(DatabaseFailure)

    /// The labels of keys that begin so, in order. Blocks.
    func keyLabels(prefix: String) throws(DatabaseFailure) -> [String]
}

/// Secrets that live as long as a tenant and no longer. Played by Store.
package protocol TenantSalts: Sendable {
    /// 32 bytes that differ by label and tenant, are the same after a restart, a roll and every rotation, and cannot be had
    /// again by anybody once the tenant is deleted (after the roll that follows: not from earlier copies either). `nil` for
    /// a tenant that is gone. Blocks; whoever keeps it lets go of it at `TenantStore.onDeletion`.
    func salt(_ label: StaticString, of tenant: TenantID) throws(DatabaseFailure) -> SecretBytes?
}

/// Keys that live in memory only and end with the process. Played by Auth, for development mode.
package protocol DevelopmentKeys: Sendable {
    /// A fresh key with every scope; its text is shown once and kept nowhere. `nil` unless started.
    func mintDevelopmentKey() -> String?
}
