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
            """,
            """
            ALTER TABLE auth_keys ADD COLUMN kind TEXT NOT NULL DEFAULT 'secret';
            ALTER TABLE auth_keys ADD COLUMN nodes TEXT;
            ALTER TABLE auth_keys ADD COLUMN origins TEXT;
            ALTER TABLE auth_keys ADD COLUMN addresses TEXT;
            ALTER TABLE auth_keys ADD COLUMN limits TEXT;
            ALTER TABLE auth_keys ADD COLUMN metadata TEXT NOT NULL DEFAULT '';
            ALTER TABLE auth_keys ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
            ALTER TABLE auth_keys ADD COLUMN blocked_at INTEGER;
            ALTER TABLE auth_keys ADD COLUMN rotated_at INTEGER;
            ALTER TABLE auth_keys ADD COLUMN former_prefix TEXT;
            ALTER TABLE auth_keys ADD COLUMN former_digest BLOB;
            ALTER TABLE auth_keys ADD COLUMN former_generation INTEGER;
            ALTER TABLE auth_keys ADD COLUMN former_until INTEGER;
            ALTER TABLE auth_keys ADD COLUMN exposed_at INTEGER;
            ALTER TABLE auth_keys ADD COLUMN exposure TEXT;
            ALTER TABLE auth_keys ADD COLUMN revoked_for TEXT;
            ALTER TABLE auth_keys ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
            """,
        ])

    /// What a change may change, behind what it may not.
    private static let changeable = [
        "name", "prefix", "digest", "pepper_generation", "scopes", "models", "expires_at", "revoked_at", "kind",
        "nodes",
        "origins", "addresses", "limits", "metadata", "blocked_at", "rotated_at", "former_prefix", "former_digest",
        "former_generation", "former_until", "exposed_at", "exposure", "revoked_for", "version",
    ]
    private static let columns =
        (["id", "tenant_id", "created_at", "created_by", "last_used_at"] + changeable).joined(separator: ", ")

    /// Throws `constraint` where there is no such tenant.
    package static func insert(_ key: KeyRecord, in database: SQLiteConnection) throws(SQLiteError) {
        try database.execute(
            """
            INSERT INTO auth_keys (id, tenant_id, created_at, created_by, last_used_at, name, prefix, digest,
                pepper_generation, scopes)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """, key.id.text, key.tenant.text, key.createdAt, key.createdBy, key.lastUsedAt, key.name, key.prefix,
            key.digest.bytes, key.pepperGeneration, "")
        try update(key, in: database)
    }

    /// Writes down what a key has become, but for its last use.
    package static func update(_ key: KeyRecord, in database: SQLiteConnection) throws(SQLiteError) {
        let assignments = changeable.enumerated().map { "\($1) = ?\($0 + 2)" }.joined(separator: ", ")
        try database.execute(
            "UPDATE auth_keys SET \(assignments) WHERE id = ?1", key.id.text,
            key.name, key.prefix, key.digest.bytes, key.pepperGeneration,
            key.scopes.list.map(\.rawValue).joined(separator: " "), lines(key.models?.sorted()), key.expiresAt,
            key.revokedAt, key.kind.rawValue, lines(key.nodes?.sorted()), lines(key.origins),
            lines(key.addresses.map(\.text)), lines(key.limits), key.metadata, key.blockedAt, key.rotatedAt,
            key.former?.prefix, key.former?.digest.bytes, key.former?.pepperGeneration, key.former?.until,
            key.exposedAt, key.exposure?.rawValue, key.end?.rawValue, key.version)
    }

    /// All keys, or those of one tenant, the oldest first.
    package static func keys(
        of tenant: TenantID? = nil, in database: SQLiteConnection
    ) throws(SQLiteError) -> [KeyRecord] {
        try database.query(
            "SELECT \(columns) FROM auth_keys WHERE ?1 IS NULL OR tenant_id = ?1 ORDER BY id", tenant?.text
        ) {
            row throws(SQLiteError) in try record(row)
        }
    }

    /// A part of them.
    static func keys(
        of tenant: TenantID?, _ page: Page, in database: SQLiteConnection
    ) throws(SQLiteError) -> Slice<KeyRecord> {
        let sql = page.sql("id")
        let ofTenant = tenant == nil ? "?3 IS NULL" : "tenant_id = ?3"
        let found = try database.query(
            "SELECT \(columns) FROM auth_keys WHERE \(sql.condition) AND \(ofTenant) \(sql.order) LIMIT ?2",
            page.idBound, page.limit + 1, tenant?.text
        ) { row throws(SQLiteError) in try record(row) }
        return Slice(found, of: page)
    }

    /// The key of this id, of any tenant.
    package static func key(_ id: KeyID, in database: SQLiteConnection) throws(SQLiteError) -> KeyRecord? {
        try database.first("SELECT \(columns) FROM auth_keys WHERE id = ?", id.text) {
            row throws(SQLiteError) in try record(row)
        }
    }

    /// Writes down when keys were last used; never an earlier time than what stands there.
    package static func store(uses: [KeyID: WallTime], in database: SQLiteConnection) throws(SQLiteError) {
        for (id, time) in uses {
            try database.execute(
                "UPDATE auth_keys SET last_used_at = max(coalesce(last_used_at, 0), ?) WHERE id = ?", time, id.text)
        }
    }

    /// Forgets what keys were before they were rotated, where that opens nothing any more.
    static func forgetFormer(at now: WallTime, in database: SQLiteConnection) throws(SQLiteError) {
        try database.execute(
            """
            UPDATE auth_keys SET former_prefix = NULL, former_digest = NULL, former_generation = NULL, former_until = NULL
            WHERE former_until <= ?
            """, now)
    }

    private static func lines(_ texts: [String]?) -> String? {
        guard let texts, !texts.isEmpty else { return nil }
        return texts.joined(separator: "\n")
    }

    private static func lines(_ column: Int, _ row: borrowing SQLiteRow) throws(SQLiteError) -> [String]? {
        try row.optionalText(column)?.split(separator: "\n").map(String.init)
    }

    private static func record(_ row: borrowing SQLiteRow) throws(SQLiteError) -> KeyRecord {
        let id = try row.text(0)
        // A scope this version does not know is a scope it does not grant.
        let scopes = try row.text(9).split(separator: " ").compactMap { Scope(rawValue: String($0)) }
        // A kind, a range or an end that it does not know is none that it lets in.
        guard let kind = KeyKind(rawValue: try row.text(13)) else { throw unreadable("kind", id) }
        let addresses = try lines(16, row)?.map { AddressRange($0) } ?? []
        guard !addresses.contains(nil) else { throw unreadable("addresses", id) }
        return KeyRecord(
            id: KeyID(id), tenant: TenantID(try row.text(1)), name: try row.text(5), prefix: try row.text(6),
            digest: try digest(try row.blob(7), id), pepperGeneration: try row.int(8), scopes: Scopes(scopes),
            models: try lines(10, row).map(Set.init), createdAt: try row.time(2), expiresAt: try row.optionalTime(11),
            revokedAt: try row.optionalTime(12), lastUsedAt: try row.optionalTime(4), kind: kind,
            nodes: try lines(14, row).map(Set.init), origins: try lines(15, row) ?? [],
            addresses: addresses.compactMap(\.self), limits: try lines(17, row) ?? [], metadata: try row.text(18),
            createdBy: try row.text(3), blockedAt: try row.optionalTime(19), rotatedAt: try row.optionalTime(20),
            former: try former(row, id), exposedAt: try row.optionalTime(25),
            exposure: try row.optionalText(26).flatMap(KeyExposure.init),
            end: try row.optionalText(27).flatMap(KeyEnd.init),
            version: try row.int(28))
    }

    private static func former(_ row: borrowing SQLiteRow, _ id: String) throws(SQLiteError) -> FormerKey? {
        guard let prefix = try row.optionalText(21), let bytes = try row.optionalBlob(22),
            let until = try row.optionalTime(24)
        else { return nil }
        return FormerKey(
            prefix: prefix, digest: try digest(bytes, id), pepperGeneration: try row.int(23), until: until)
    }

    private static func digest(_ bytes: [UInt8], _ id: String) throws(SQLiteError) -> Digest {
        guard let digest = Digest(bytes.span) else { throw unreadable("digest", id) }
        return digest
    }

    private static func unreadable(_ what: String, _ id: String) -> SQLiteError {
        SQLiteError(.type, message: "the \(what) of \(id) cannot be read", subject: "auth_keys")
    }
}
