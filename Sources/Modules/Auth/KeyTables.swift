// SPDX-License-Identifier: Apache-2.0

package import Core
import Crypto
package import Platform
package import SQLite

/// Keys in `control.db`, beside the tenants they belong to: a key cannot outlive its tenant. A key is stored as its prefix and its digest; nothing here opens anything.
///
/// Every function is one step of a transaction that its caller has begun.
package enum KeyTables {
    package static let migrations = SQLiteMigrations(
        module: "auth",
        steps: [
            """
            CREATE TABLE auth_keys (
                id TEXT NOT NULL PRIMARY KEY,
                tenant_id TEXT NOT NULL REFERENCES store_tenants (id) ON DELETE CASCADE,
                name TEXT NOT NULL,
                prefix TEXT NOT NULL,
                digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
                pepper_generation INTEGER NOT NULL,
                scopes TEXT NOT NULL,
                models TEXT,
                created_at INTEGER NOT NULL,
                expires_at INTEGER,
                revoked_at INTEGER,
                last_used_at INTEGER
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX auth_keys_tenant ON auth_keys (tenant_id);
            """
        ])

    private static let keyColumns =
        "id, tenant_id, name, prefix, digest, pepper_generation, scopes, models, created_at, expires_at, revoked_at, last_used_at"

    /// Throws `constraint` where there is no such tenant.
    package static func insert(_ key: KeyRecord, in database: SQLiteConnection) throws(SQLiteError) {
        try database.execute(
            "INSERT INTO auth_keys (\(keyColumns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            key.id.text, key.tenant.text, key.name, key.prefix, key.digest.bytes, key.pepperGeneration,
            key.scopes.list.map(\.rawValue).joined(separator: " "), key.models?.sorted().joined(separator: "\n"),
            key.createdAt, key.expiresAt, key.revokedAt, key.lastUsedAt)
    }

    /// All keys, or those of one tenant, the oldest first.
    package static func keys(
        of tenant: TenantID? = nil, in database: SQLiteConnection
    ) throws(SQLiteError) -> [KeyRecord] {
        try database.query(
            "SELECT \(keyColumns) FROM auth_keys WHERE ?1 IS NULL OR tenant_id = ?1 ORDER BY id", tenant?.text
        ) {
            row throws(SQLiteError) in try record(row)
        }
    }

    /// The key of this id, of any tenant.
    package static func key(_ id: KeyID, in database: SQLiteConnection) throws(SQLiteError) -> KeyRecord? {
        try database.first("SELECT \(keyColumns) FROM auth_keys WHERE id = ?", id.text) {
            row throws(SQLiteError) in try record(row)
        }
    }

    /// Marks a key as revoked, once. False where there is no such key.
    @discardableResult
    package static func revoke(
        _ id: KeyID, at now: WallTime, in database: SQLiteConnection
    ) throws(SQLiteError) -> Bool {
        try database.execute(
            "UPDATE auth_keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?", now, id.text)
        return database.changes == 1
    }

    /// Writes down when keys were last used; never an earlier time than what stands there.
    package static func store(uses: [KeyID: WallTime], in database: SQLiteConnection) throws(SQLiteError) {
        for (id, time) in uses {
            try database.execute(
                "UPDATE auth_keys SET last_used_at = max(coalesce(last_used_at, 0), ?) WHERE id = ?", time, id.text)
        }
    }

    private static func record(_ row: borrowing SQLiteRow) throws(SQLiteError) -> KeyRecord {
        let id = try row.text(0)
        let bytes = try row.blob(4)
        guard let digest = Digest(bytes.span) else {
            throw SQLiteError(.type, message: "the digest of \(id) is not 32 bytes", subject: "auth_keys")
        }
        // A scope this version does not know is a scope it does not grant.
        let scopeText = try row.text(6)
        let scopes = scopeText.split(separator: " ").compactMap { Scope(rawValue: String($0)) }
        let modelText = try row.optionalText(7)
        let models = modelText.map { Set($0.split(separator: "\n").map(String.init)) }
        return KeyRecord(
            id: KeyID(id), tenant: TenantID(try row.text(1)), name: try row.text(2), prefix: try row.text(3),
            digest: digest, pepperGeneration: try row.int(5), scopes: Scopes(scopes), models: models,
            createdAt: try row.time(8), expiresAt: try row.optionalTime(9), revokedAt: try row.optionalTime(10),
            lastUsedAt: try row.optionalTime(11))
    }
}
