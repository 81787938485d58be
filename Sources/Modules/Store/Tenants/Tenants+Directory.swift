// SPDX-License-Identifier: Apache-2.0

package import Core
import EventLoop
import Platform
package import SQLite

extension Tenants: TenantDirectory {
    package func status(of tenant: TenantID) -> TenantStatus? { index.status(of: tenant) }

    package func find(_ nameOrID: String) -> Tenant? { index.find(nameOrID) }

    package func list() -> [Tenant] { index.all }

    package func limits(of tenant: TenantID) -> TenantLimits {
        let plan = index.plan(of: tenant)
        return TenantLimits(
            retention: plan?.retention ?? RetentionRule(), standardRetention: settings.retention,
            bytesMax: min(plan?.bytesMax ?? .max, settings.tenantBytesMax))
    }

    package func create(name: String, plan: String?) async throws(Failure) -> Tenant {
        try await change { services throws(Failure) in
            guard !self.index.isTaken(name) else { throw Failure(.conflict, "there is a tenant of that name already") }
            return try self.make(name, plan, services)
        }
    }

    package func ensure(name: String) async throws(Failure) -> Tenant {
        if let tenant = index.find(name) { return tenant }
        return try await change { services throws(Failure) in
            if let tenant = self.index.find(name) { return tenant }
            return try self.make(name, nil, services)
        }
    }

    package func ensureBlocking(name: String) throws(StartFailure) -> Tenant {
        if let tenant = index.find(name) { return tenant }
        do throws(Failure) {
            return try make(name, nil, try running())
        } catch {
            throw StartFailure("the tenant \(name) cannot be made: \(error.cause ?? error.message)")
        }
    }

    package func setStatus(_ status: TenantStatus, of tenant: TenantID) async throws(Failure) -> Tenant {
        let changed = try await alter(tenant) { $0.status = status }
        for hook in statusHooks { hook(tenant, status) }
        return changed
    }

    package func onStatus(_ body: @escaping @Sendable (TenantID, TenantStatus) -> Void) { addStatusHook(body) }

    package func setPlan(_ plan: String?, of tenant: TenantID) async throws(Failure) -> Tenant {
        try await change { services throws(Failure) in
            try self.requirePlan(plan)
            return try self.store(tenant, services) { $0.plan = plan }
        }
    }

    package func delete(_ tenant: TenantID) async throws(Failure) {
        let (services, name) = try await change { services throws(Failure) in
            guard let known = self.index[tenant] else { throw Failure(.notFound, "there is no tenant of that id") }
            try self.write(services) { connection throws(SQLiteError) in
                try TenantTables.markDeleting(tenant, in: connection)
            }
            self.index.hide(tenant)
            return (services, known.name)
        }
        for hook in deletionHooks { await hook(tenant) }
        await services.thread(of: tenant).retire(tenant)
        try await change { services throws(Failure) in
            do throws(SQLiteError) {
                try Deletion(tenant: tenant, directory: services.directory, keys: services.keys).destroy()
            } catch {
                throw Failure(
                    .internal, "the tenant is locked out; its deletion is finished at the next start",
                    cause: error.description)
            }
            try self.write(services) { connection throws(SQLiteError) in
                try TenantTables.delete(tenant, in: connection)
            }
            self.index.free(name)
        }
    }

    package func retentionWish(in transaction: any TenantTransaction) throws(SQLiteError) -> RetentionRule {
        try RetentionTable.wish(in: transaction.connection)
    }

    package func setRetentionWish(
        _ wish: RetentionRule, in transaction: any TenantTransaction
    ) throws(SQLiteError) {
        try RetentionTable.store(wish, in: transaction.connection)
    }

    // MARK: - Plans

    var plans: [Plan] { index.plans }

    func plan(_ name: String) -> Plan? { index.plan(name) }

    /// Makes a plan, or puts it in place of the one of that name; in force at once for every tenant on it.
    func setPlan(_ plan: Plan) async throws(Failure) {
        guard NameRule.allows(plan.name) else {
            throw Failure(.invalidParameter, "that is no plan's name", param: "name")
        }
        try await change { services throws(Failure) in
            guard self.index.plan(plan.name) != nil || self.index.plans.count < TenantLimit.plans else {
                throw Failure(.overloaded, "there is no room for another plan")
            }
            try self.write(services) { connection throws(SQLiteError) in
                try TenantTables.store(plan, in: connection)
            }
            self.index.put(plan)
        }
    }

    /// What a tenant's file and log take on the disk.
    func bytes(of tenant: TenantID) async throws(Failure) -> Int {
        try await change { services throws(Failure) in
            let path = TenantPaths.file(of: tenant, in: services.directory)
            return [path, TenantPaths.log(of: path)].reduce(0) { $0 + ((try? FileStatus(path: $1).size) ?? 0) }
        }
    }

    // MARK: - On the thread of changes

    private func change<Result: Sendable>(
        _ body: @escaping @Sendable (Services) throws(Failure) -> Result
    ) async throws(Failure) -> Result {
        let services = try running()
        do throws(Worker.Failure<Failure>) {
            return try await services.worker.run { () throws(Failure) in try body(services) }
        } catch {
            switch error {
            case .refused: throw Failure(DatabaseFailure.busy)
            case .failed(let failure): throw failure
            }
        }
    }

    private func alter(
        _ tenant: TenantID, _ body: @escaping @Sendable (inout Tenant) -> Void
    ) async throws(Failure) -> Tenant {
        try await change { services throws(Failure) in try self.store(tenant, services, body) }
    }

    private func store(
        _ id: TenantID, _ services: Services, _ body: (inout Tenant) -> Void
    ) throws(Failure) -> Tenant {
        guard var tenant = index[id] else { throw Failure(.notFound, "there is no tenant of that id") }
        body(&tenant)
        let changed = tenant
        try write(services) { connection throws(SQLiteError) in try TenantTables.update(changed, in: connection) }
        index.put(changed)
        return changed
    }

    /// Makes a tenant in steps: a row that says so, its keys, its file, and then the row that lets it in. What a crash leaves
    /// of it is cleared away at the next start, and its file is never missing without being missed.
    private func make(_ name: String, _ plan: String?, _ services: Services) throws(Failure) -> Tenant {
        guard NameRule.allows(name), !ULID.isValid(name, prefix: "ten_") else {
            throw Failure(.invalidParameter, "that is no tenant's name", param: "name")
        }
        guard index.count < TenantLimit.tenants else {
            throw Failure(.overloaded, "there is no room for another tenant")
        }
        guard !index.isTaken(name) else { throw Failure(.conflict, "a tenant of that name is being deleted") }
        try requirePlan(plan)
        let now = WallTime.now()
        let tenant = Tenant(id: TenantID(ULID.make(prefix: "ten_", at: now)), name: name, plan: plan, createdAt: now)
        try write(services) { connection throws(SQLiteError) in
            try TenantTables.insertPartial(tenant, in: connection)
        }
        do throws(Failure) {
            try makeFile(of: tenant.id, services)
            try write(services) { connection throws(SQLiteError) in try TenantTables.update(tenant, in: connection) }
        } catch {
            // The name is free again, if the disk lets us; else after the next start.
            try? Deletion(tenant: tenant.id, directory: services.directory, keys: services.keys).destroy()
            try? write(services) { connection throws(SQLiteError) in
                try TenantTables.delete(tenant.id, in: connection)
            }
            throw error
        }
        index.put(tenant)
        return tenant
    }

    private func makeFile(of tenant: TenantID, _ services: Services) throws(Failure) {
        let path = TenantPaths.file(of: tenant, in: services.directory)
        do throws(SQLiteError) {
            try services.keys.create(tenant)
            // The modules' own tables come when it is opened: they may be registered later than this.
            _ = try services.keys.openFile(at: path, of: tenant, options: SQLiteOptions(), mayCreate: true)
        } catch {
            throw Failure(DatabaseFailure(error, path: path))
        }
    }

    private func requirePlan(_ name: String?) throws(Failure) {
        guard let name, index.plan(name) == nil else { return }
        throw Failure(.invalidParameter, "there is no plan of that name", param: "plan")
    }

    private func write(
        _ services: Services, _ body: @escaping @Sendable (SQLiteConnection) throws(SQLiteError) -> Void
    ) throws(Failure) {
        do throws(DatabaseFailure) {
            try services.database.writeBlocking(body)
        } catch {
            throw Failure(error)
        }
    }
}
