// SPDX-License-Identifier: Apache-2.0

package import SQLite

/// Who the tenants are. Played by Store; held in memory, so that asking costs no hop.
///
/// Changes are on the disk before they are in force.
package protocol TenantDirectory: Sendable {
    /// What the identify stage asks with each request. `nil` for an unknown tenant and one that is being deleted: its
    /// credentials open nothing.
    func status(of tenant: TenantID) -> TenantStatus?

    /// The tenant of this id or this name.
    func find(_ nameOrID: String) -> Tenant?

    /// Every tenant, the oldest first.
    func list() -> [Tenant]

    /// What holds for a tenant: its plan's limits and the instance's, the smaller of each.
    func limits(of tenant: TenantID) -> TenantLimits

    /// Makes a tenant. Throws `conflict` where the name is taken, `invalid_parameter` for no name and for an unknown plan.
    func create(name: String, plan: String?) async throws(Failure) -> Tenant

    /// The tenant of this name, made where there is none.
    func ensure(name: String) async throws(Failure) -> Tenant

    /// The same for a thread that may block; at start, never on a loop.
    func ensureBlocking(name: String) throws(StartFailure) -> Tenant

    /// Suspends a tenant or lets it go on; in force on every loop when this returns. Throws `not_found`.
    func setStatus(_ status: TenantStatus, of tenant: TenantID) async throws(Failure) -> Tenant

    /// Runs behind each change of a tenant's status, once that is in force. Modules say so when they start.
    func onStatus(_ body: @escaping @Sendable (TenantID, TenantStatus) -> Void)

    /// Puts a tenant on a plan, or on none. Throws `not_found`, and `invalid_parameter` for an unknown plan.
    func setPlan(_ plan: String?, of tenant: TenantID) async throws(Failure) -> Tenant

    /// Destroys a tenant: credentials, memory, keys, file. From its beginning nothing of the tenant is let in; a deletion that
    /// a crash cut short is finished at the next start. Throws `not_found`.
    func delete(_ tenant: TenantID) async throws(Failure)

    /// How long the tenant itself wants its data kept, from its own database.
    func retentionWish(in transaction: any TenantTransaction) throws(SQLiteError) -> RetentionRule

    /// Writes the tenant's wish down in its own database, in the caller's transaction.
    func setRetentionWish(_ wish: RetentionRule, in transaction: any TenantTransaction) throws(SQLiteError)
}
