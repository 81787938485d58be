// SPDX-License-Identifier: Apache-2.0

package import SQLite

/// Gives the database of one tenant and no other. Played by Store.
///
/// A tenant is a file: there is no database in which a forgotten `WHERE tenant = ?` could show somebody else's rows. What a
/// handler gets is chosen here, by who calls, and by nothing that stands in the request.
package protocol TenantStore: Sendable {
    /// The database of the caller's own tenant.
    ///
    /// - Throws: `blocked` for a suspended tenant, `not_found` for the operator, who has none, and for a tenant that is
    ///   gone, `overloaded` while the store stops.
    func database(of principal: Principal?) throws(Failure) -> any TenantDatabase

    /// The database of a tenant that background work or an operator's route has to touch, suspended or not.
    ///
    /// - Parameter actor: who does it (`sweeper`, `operator`), for the log.
    func database(of tenant: TenantID, actor: String) throws(Failure) -> any TenantDatabase

    /// Tables that every tenant's database has. Modules say so when they start; a file's tables are brought up to date when
    /// it is opened, before anything else runs on it.
    ///
    /// - Throws: once a file has been opened: it would be without these tables.
    func register(_ migrations: SQLiteMigrations) throws(StartFailure)

    /// Runs on a tenant's file that may be from a backup, in a transaction, before anything else does: rows of objects that
    /// were erased since (`TenantTransaction.isErased`) are deleted there. Modules say so when they start.
    func onRestore(_ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> Void)

    /// Runs before a tenant's keys and file are destroyed: what is held of it in memory goes then. Modules say so when they
    /// start. After a crash in the middle of a deletion it is not run again: memory is empty then.
    func onDeletion(_ body: @escaping @Sendable (TenantID) async -> Void)
}
