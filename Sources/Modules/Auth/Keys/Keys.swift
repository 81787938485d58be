// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite

/// The keys of a started server: the index that every request asks, and the tables that outlive it. What is changed is
/// written first and takes effect then, so that no key works that a crash would forget, and no revoked one comes back.
struct Keys: Sendable {
    let index: KeyIndex
    private let database: any Database
    private let directory: any TenantDirectory
    /// Where the limits of single keys are in force; `nil` where nothing is limited.
    private let limits: (any KeyLimits)?

    static func load(
        from database: any Database, directory: any TenantDirectory, index: KeyIndex, limits: (any KeyLimits)?
    ) throws(DatabaseFailure) -> Keys {
        try database.migrate(KeyTables.migrations)
        let records = try database.writeBlocking { connection throws(SQLiteError) in
            try KeyTables.forgetFormer(at: .now(), in: connection)
            return try KeyTables.keys(in: connection)
        }
        for record in records {
            index.add(record)
            if !record.limits.isEmpty { limits?.set(record.limits, of: record.id, record.tenant) }
        }
        return Keys(index: index, database: database, directory: directory, limits: limits)
    }

    // MARK: Making

    /// The tenant that an operator names for a key, made where there is none.
    func tenant(named name: String?) async throws(Failure) -> TenantID {
        try await directory.ensure(name: name ?? Auth.defaultTenant).id
    }

    /// The same without making one.
    func existingTenant(named name: String) throws(Failure) -> TenantID {
        guard let tenant = directory.find(name) else {
            throw Failure(.notFound, "there is no tenant of that name or id", param: "tenant")
        }
        return tenant.id
    }

    /// Makes a key. Its text is in the result and nowhere else.
    func create(_ request: KeyRequest) async throws(Failure) -> (text: String, record: KeyRecord) {
        let now = WallTime.now()
        if let problem = request.problem(at: now) { throw Failure(.invalidParameter, problem) }
        try check(limits: request.limits)
        guard index.count(of: request.tenant) < AuthLimits.keysPerTenantMax else {
            throw Failure(.conflict, "a tenant has at most \(AuthLimits.keysPerTenantMax) keys")
        }
        let (key, record) = index.issue(request, at: now)
        try await write { connection throws(SQLiteError) in try KeyTables.insert(record, in: connection) }
        if !record.limits.isEmpty { limits?.set(record.limits, of: record.id, record.tenant) }
        guard index.add(record) else { throw Failure(.overloaded, "there is no room for another key") }
        // A deletion of the tenant that went by meanwhile has taken the row, and did not see the entry.
        guard directory.status(of: record.tenant) != nil else {
            index.removeAll(of: record.tenant)
            throw Failure(.conflict, "this tenant is being deleted")
        }
        return (key.text, record)
    }

    /// A key that no table knows; it ends with the process, or when it expires.
    func mintInMemory(
        _ name: String, of tenant: TenantID, _ scopes: Scopes, expiresAt: WallTime? = nil
    ) -> (text: String, record: KeyRecord) {
        let request = KeyRequest(tenant: tenant, name: name, scopes: scopes, expiresAt: expiresAt)
        var (key, record) = index.issue(request, at: .now())
        record.version = KeyRecord.unwritten
        index.add(record)
        return (key.text, record)
    }

    /// The key of a development server, with every scope.
    func mintForDevelopment() -> String? {
        guard let home = directory.find(Auth.defaultTenant) else { return nil }
        return mintInMemory("development", of: home.id, Scopes(Scope.allCases)).text
    }

    // MARK: Looking

    /// The keys of a tenant, or all.
    func list(of tenant: TenantID?, _ page: Page) async throws(Failure) -> Slice<KeyRecord> {
        let slice = try await write { connection throws(SQLiteError) in
            try KeyTables.keys(of: tenant, page, in: connection)
        }
        // The index knows of uses that are not written yet.
        return Slice(slice.elements.map { index.record($0.id) ?? $0 }, hasMore: slice.hasMore)
    }

    /// A key by its id, of a tenant, or of any for the operator.
    func find(_ id: String, of tenant: TenantID?) throws(Failure) -> KeyRecord {
        guard let record = index.record(KeyID(id)), tenant == nil || record.tenant == tenant else { throw .absent }
        return record
    }

    // MARK: Changing

    /// Changes a key; when this returns, every loop knows. `body` runs once, in the transaction that writes what it makes.
    func change(
        _ id: KeyID, of tenant: TenantID?, _ body: @escaping @Sendable (inout KeyRecord) throws(Failure) -> Void
    ) async throws(Failure) -> KeyRecord {
        let verdict: Verdict<KeyRecord> = try await write { connection throws(SQLiteError) in
            guard var record = try KeyTables.key(id, in: connection), tenant == nil || record.tenant == tenant else {
                return .failure(.absent)
            }
            let old = record
            do throws(Failure) {
                try body(&record)
                if record == old { return .success(record) }
                // What a revoked key becomes matters to nobody.
                if old.revokedAt == nil, let problem = record.problem { throw Failure(.invalidParameter, problem) }
            } catch {
                return .failure(error)
            }
            record.version = old.version + 1
            try KeyTables.update(record, in: connection)
            return .success(record)
        }
        let record = try verdict.get()
        limits?.set(record.limits, of: record.id, record.tenant)
        index.replace(with: record)
        return index.record(id) ?? record
    }

    /// Revokes a key for good; when this returns, no loop lets it in, and its streams break off.
    func revoke(_ id: KeyID, of tenant: TenantID?, for end: KeyEnd = .asked) async throws(Failure) -> KeyRecord {
        let now = WallTime.now()
        var held = try find(id.text, of: tenant)
        if held.version == KeyRecord.unwritten {
            (held.version, held.revokedAt, held.end) = (1, now, end)
            index.replace(with: held)
            return held
        }
        return try await change(id, of: tenant) { record throws(Failure) in
            guard record.revokedAt == nil else { return }
            (record.revokedAt, record.end, record.former) = (now, end, nil)
        }
    }

    /// Gives a key another text. The old one goes on for a while, so that programs can be told the new one in peace.
    func rotate(
        _ id: KeyID, of tenant: TenantID?, graceSeconds: Int
    ) async throws(Failure) -> (text: String, record: KeyRecord) {
        let now = WallTime.now()
        let (key, digest, generation) = index.makeText()
        let record = try await change(id, of: tenant) { record throws(Failure) in
            try record.requireAlive()
            record.former =
                graceSeconds == 0
                ? nil
                : FormerKey(
                    prefix: record.prefix, digest: record.digest, pepperGeneration: record.pepperGeneration,
                    until: now + .seconds(graceSeconds))
            (record.prefix, record.digest, record.pepperGeneration) = (key.prefix, digest, generation)
            (record.rotatedAt, record.exposedAt, record.exposure) = (now, nil, nil)
        }
        return (key.text, record)
    }

    /// Has a key open nothing for now, or again.
    func setBlocked(_ isBlocked: Bool, _ id: KeyID, of tenant: TenantID?) async throws(Failure) -> KeyRecord {
        let now = WallTime.now()
        return try await change(id, of: tenant) { record throws(Failure) in
            try record.requireAlive()
            record.blockedAt = isBlocked ? record.blockedAt ?? now : nil
        }
    }

    /// Says what is wrong with the limits of a key.
    func check(limits wanted: [String]) throws(Failure) {
        guard !wanted.isEmpty else { return }
        guard let limits else {
            throw Failure(.invalidParameter, "nothing is limited here: there is no [limiter]", param: "limits")
        }
        if let problem = limits.problem(with: wanted) {
            throw Failure(.invalidParameter, problem, param: "limits")
        }
    }

    // MARK: Uses

    /// Writes down when keys were last used, so many at a time that nobody waits for it long.
    func storeUses() async throws(Failure) {
        while true {
            let uses = index.takeUses(max: AuthLimits.usesPerWrite)
            guard !uses.isEmpty else { return }
            try await write { connection throws(SQLiteError) in try KeyTables.store(uses: uses, in: connection) }
        }
    }

    /// The same at the stop. Blocks.
    func storeUsesBlocking() throws(DatabaseFailure) {
        let uses = index.takeUses()
        guard !uses.isEmpty else { return }
        try database.writeBlocking { connection throws(SQLiteError) in try KeyTables.store(uses: uses, in: connection) }
    }

    private func write<Result: Sendable>(
        _ body: @escaping @Sendable (SQLiteConnection) throws(SQLiteError) -> Result
    ) async throws(Failure) -> Result {
        do throws(DatabaseFailure) {
            return try await database.write(body)
        } catch {
            throw Failure(error)
        }
    }
}

extension KeyRecord {
    /// A key that was revoked stays so: it is nobody's to change any more.
    func requireAlive() throws(Failure) {
        guard revokedAt == nil else { throw Failure(.conflict, "this key has been revoked") }
    }
}
