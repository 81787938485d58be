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

    /// How a module's objects are sealed anew when their keys are renewed. Modules say so when they start.
    func onKeyRenewal(_ renewal: ContentRenewal)

    /// Runs before a tenant's keys and file are destroyed: what is held of it in memory goes then. Modules say so when they
    /// start. After a crash in the middle of a deletion it is not run again: memory is empty then.
    func onDeletion(_ body: @escaping @Sendable (TenantID) async -> Void)
}

/// How a module seals the content of its objects anew, after an object got a fresh key beside the one it has.
///
/// Only objects of whom a module says so get a fresh key: the old one is deleted when all is sealed anew, and what nobody
/// seals anew would be lost.
package struct ContentRenewal: Sendable {
    package enum Step: Sendable, Equatable {
        /// There may be more, from this place on.
        case more(Int)
        /// Everything of the object is under its newest key, or it has nothing.
        case done
        /// Not possible now: the object keeps both keys, and another renewal goes on with it.
        case later
    }

    /// How the ids of the module's objects begin.
    package let prefixes: [String]
    /// Opens and seals some of an object's content, a megabyte or some hundred rows at most. Begins at place 0.
    package let step: @Sendable (ObjectID, Int, any TenantTransaction) throws(SQLiteError) -> Step

    package init(
        prefixes: [String], step: @escaping @Sendable (ObjectID, Int, any TenantTransaction) throws(SQLiteError) -> Step
    ) {
        self.prefixes = prefixes
        self.step = step
    }
}
