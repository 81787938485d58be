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

    static func load(
        from database: any Database, directory: any TenantDirectory, peppers: Peppers
    ) throws(DatabaseFailure) -> Keys {
        try database.migrate(KeyTables.migrations)
        let records = try database.writeBlocking { connection throws(SQLiteError) in
            try KeyTables.keys(in: connection)
        }
        let index = KeyIndex(peppers: peppers)
        for record in records { index.add(record) }
        return Keys(index: index, database: database, directory: directory)
    }

    /// Makes a key. Its text is in the result and nowhere else.
    func create(
        name: String, tenant: String?, scopes: Scopes, models: Set<String>?, expiresAt: WallTime?
    ) async throws(Failure) -> (text: String, record: KeyRecord) {
        let now = WallTime.now()
        let owner = try await directory.ensure(name: tenant ?? Auth.defaultTenant)
        let request = KeyRequest(tenant: owner.id, name: name, scopes: scopes, models: models, expiresAt: expiresAt)
        if let problem = request.problem(at: now) { throw Failure(.invalidParameter, problem) }
        let (key, record) = index.issue(request, at: now)
        try await write { connection throws(SQLiteError) in try KeyTables.insert(record, in: connection) }
        guard index.add(record) else { throw Failure(.overloaded, "there is no room for another key") }
        // A deletion of the tenant that went by meanwhile has taken the row, and did not see the entry.
        guard directory.status(of: owner.id) != nil else {
            index.removeAll(of: owner.id)
            throw Failure(.conflict, "this tenant is being deleted")
        }
        return (key.text, record)
    }

    /// Every key, the oldest first.
    func list() async throws(Failure) -> [KeyRecord] {
        try await write { connection throws(SQLiteError) in try KeyTables.keys(in: connection) }
    }

    /// Revokes a key for good; when this returns, no loop lets it in.
    func revoke(_ id: KeyID) async throws(Failure) -> KeyRecord {
        let now = WallTime.now()
        let exists = try await write { connection throws(SQLiteError) in
            try KeyTables.revoke(id, at: now, in: connection)
        }
        guard exists, let record = index.revoke(id, at: now) else {
            throw Failure(.notFound, "there is no key of that id")
        }
        return record
    }

    /// Writes down when keys were last used. Blocks; at the stop.
    func storeUses() throws(DatabaseFailure) {
        let uses = index.takeUses()
        guard !uses.isEmpty else { return }
        try database.writeBlocking { connection throws(SQLiteError) in try KeyTables.store(uses: uses, in: connection) }
    }

    /// A key that no table knows, with every scope; it ends with the process.
    func mintInMemory() -> String? {
        guard let home = directory.find(Auth.defaultTenant) else { return nil }
        let request = KeyRequest(tenant: home.id, name: "development", scopes: Scopes(Scope.allCases))
        let (key, record) = index.issue(request, at: .now())
        index.add(record)
        return key.text
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
