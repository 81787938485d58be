// SPDX-License-Identifier: Apache-2.0

package import Core
package import SQLite
package import Synchronization

/// Gives the one tenant's database.
package struct TestStore: TenantStore {
    package let tenant: TestTenant

    package init(tenant: TestTenant) { self.tenant = tenant }

    package func database(of principal: Principal?) throws(Failure) -> any TenantDatabase { tenant }
    package func database(of tenant: TenantID, actor: String) throws(Failure) -> any TenantDatabase { self.tenant }
    package func register(_ migrations: SQLiteMigrations) throws(StartFailure) {}
    package func onRestore(_ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> Void) {}
    package func onKeyRenewal(_ renewal: ContentRenewal) {}
    package func onDeletion(_ body: @escaping @Sendable (TenantID) async -> Void) {}
}

/// Limits and a wish that a test sets.
package final class TestDirectory: TenantDirectory {
    package init() {}

    package let plan = Mutex(RetentionRule())
    package let wish = Mutex(RetentionRule())
    package let tenants = Mutex<[Tenant]>([])
    package let status = Mutex(TenantStatus.active)

    package func status(of tenant: TenantID) -> TenantStatus? { status.withLock { $0 } }
    package func find(_ nameOrID: String) -> Tenant? { list().first { $0.name == nameOrID || $0.id.text == nameOrID } }
    package func list() -> [Tenant] { tenants.withLock { $0 } }
    package func limits(of tenant: TenantID) -> TenantLimits {
        TenantLimits(retention: plan.withLock { $0 }, standardRetention: .standard, bytesMax: 1 << 30)
    }
    package func create(name: String, plan: String?) async throws(Failure) -> Tenant { throw Failure(.disabled, "") }
    package func ensure(name: String) async throws(Failure) -> Tenant { throw Failure(.disabled, "") }
    package func ensureBlocking(name: String) throws(StartFailure) -> Tenant { throw StartFailure("") }
    package func setStatus(_ status: TenantStatus, of tenant: TenantID) async throws(Failure) -> Tenant {
        throw Failure(.disabled, "")
    }
    package func onStatus(_ body: @escaping @Sendable (TenantID, TenantStatus) -> Void) {}
    package func setPlan(_ plan: String?, of tenant: TenantID) async throws(Failure) -> Tenant {
        throw Failure(.disabled, "")
    }
    package func delete(_ tenant: TenantID) async throws(Failure) {}
    package func retentionWish(in transaction: any TenantTransaction) throws(SQLiteError) -> RetentionRule {
        wish.withLock { $0 }
    }
    package func setRetentionWish(_ wish: RetentionRule, in transaction: any TenantTransaction) throws(SQLiteError) {
        self.wish.withLock { $0 = wish }
    }
}
