// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import SQLite
import Synchronization

extension Keyring {
    /// Objects that one transaction deletes or moves.
    static let chunk = 8192

    /// Makes the keys of a new tenant; durable when it returns.
    ///
    /// - Throws: `exists`, or `erased` for the name of a tenant that was deleted.
    func createTenant(_ tenant: TenantID) throws(KeyringFailure) {
        try writer.run { [self] connection throws(KeyringFailure) in
            guard try TenantRow.find(tenant, connection) == nil else { throw .exists }
            guard try !isErased(tombstone(of: tenant, nil), connection) else { throw .erased }
            let epoch = try newestEpoch(connection)
            let key = SecretBytes(randomCount: 32)
            let wrap = KeyWrap(key)
            let id = tenant.text
            try failing { () throws(SQLiteError) in
                try connection.execute(
                    """
                    INSERT INTO keyring_tenants (id, file, kek_generation, kek_epoch, kek, index_key, erasures, made_at)
                    VALUES (?, ?, 1, ?, ?, ?, 0, ?)
                    """, id, Random.bytes(16), epoch.number,
                    epoch.wrap.wrap(key, as: .tenant(id, generation: 1, epoch: epoch.number)),
                    wrap.wrap(SecretBytes(randomCount: 32), as: .index(id, kek: 1)), WallTime.now())
                try connection.execute(
                    """
                    INSERT INTO keyring_page_keys (tenant, generation, wrapped, made_at)
                    SELECT number, 1, ?, ? FROM keyring_tenants WHERE id = ?
                    """, wrap.wrap(SecretBytes(randomCount: 32), as: .page(id, kek: 1, generation: 1)), WallTime.now(),
                    id)
            }
        }
    }

    /// The keys of a tenant.
    ///
    /// - Throws: `unknownTenant`.
    func tenantKeys(_ tenant: TenantID) throws(KeyringFailure) -> TenantKeySet {
        let (cached, before) = tenants.withLock { ($0.find(tenant), $0.removals) }
        if let cached { return cached }
        let keys = try read { connection throws(KeyringFailure) in try tenantKeys(tenant, connection) }
        tenants.withLock { $0.insert(keys, for: tenant, unlessRemovedSince: before) }
        return keys
    }

    /// The same from rows, whatever the cache knows.
    func tenantKeys(_ tenant: TenantID, _ connection: SQLiteConnection) throws(KeyringFailure) -> TenantKeySet {
        guard let row = try TenantRow.find(tenant, connection) else { throw .unknownTenant }
        return try TenantKeySet(
            row, pageKeys: try pageKeyRows(row.number, connection), epochs: material.withLock { $0.epochs })
    }

    /// The newest first.
    func pageKeyRows(
        _ number: Int, _ connection: SQLiteConnection
    ) throws(KeyringFailure) -> [(generation: Int, wrapped: [UInt8])] {
        try failing { () throws(SQLiteError) in
            try connection.query(
                "SELECT generation, wrapped FROM keyring_page_keys WHERE tenant = ? ORDER BY generation DESC", number
            ) { row throws(SQLiteError) in (try row.int(0), try row.blob(1)) }
        }
    }

    /// Gives a tenant's file a fresh page key, beside those there are; durable when it returns.
    func addPageKey(_ tenant: TenantID) throws(KeyringFailure) {
        try writer.run { [self] connection throws(KeyringFailure) in
            guard let row = try TenantRow.find(tenant, connection) else { throw .unknownTenant }
            let wrap = KeyWrap(try row.open(row.current, material.withLock { $0.epochs }))
            let generations = try pageKeyRows(row.number, connection).map(\.generation)
            let next = (generations.max() ?? 0) + 1
            let data = AssociatedData.page(row.id, kek: row.current.generation, generation: next)
            try failing { () throws(SQLiteError) in
                try connection.execute(
                    "INSERT INTO keyring_page_keys (tenant, generation, wrapped, made_at) VALUES (?, ?, ?, ?)",
                    row.number, next, wrap.wrap(SecretBytes(randomCount: 32), as: data), WallTime.now())
            }
        }
        tenants.withLock { $0.remove(tenant) }
    }

    /// Deletes all page keys of a tenant's file but the newest.
    func retirePageKeys(_ tenant: TenantID) throws(KeyringFailure) {
        try writer.run { connection throws(KeyringFailure) in
            try failing { () throws(SQLiteError) in
                try connection.execute(
                    """
                    DELETE FROM keyring_page_keys WHERE tenant = (SELECT number FROM keyring_tenants WHERE id = ?1)
                        AND generation < (SELECT max(generation) FROM keyring_page_keys
                            WHERE tenant = (SELECT number FROM keyring_tenants WHERE id = ?1))
                    """, tenant.text)
            }
        }
        tenants.withLock { $0.remove(tenant) }
    }

    /// Tenants that have keys, in the order of their making.
    func tenantIDs() throws(KeyringFailure) -> [TenantID] {
        try read { connection throws(KeyringFailure) in
            try failing { () throws(SQLiteError) in
                try connection.query("SELECT id FROM keyring_tenants ORDER BY number") { row throws(SQLiteError) in
                    TenantID(try row.text(0))
                }
            }
        }
    }

    /// Takes a tenant's keys away: nothing of it can be read any more, and its name is not given again. May be called again.
    ///
    /// The tenant's own keys go in one transaction; after that its objects' keys open nothing, and go piece by piece.
    func deleteTenant(_ tenant: TenantID) throws(KeyringFailure) {
        try writer.run { [self] connection throws(KeyringFailure) in
            guard let row = try TenantRow.find(tenant, connection) else {
                guard try isErased(tombstone(of: tenant, nil), connection) else { throw .unknownTenant }
                return
            }
            try failing { () throws(SQLiteError) in
                try connection.execute("DELETE FROM keyring_page_keys WHERE tenant = ?", row.number)
                try connection.execute("DELETE FROM keyring_marks WHERE file = ?", row.id)
                try connection.execute("DELETE FROM keyring_page_writes WHERE file = ?", row.id)
                try connection.execute("DELETE FROM keyring_tenants WHERE number = ?", row.number)
                try connection.execute(
                    "INSERT OR IGNORE INTO keyring_tombstones VALUES (?, ?)", tombstone(of: tenant, nil), WallTime.now()
                )
                try connection.execute("UPDATE keyring_meta SET erasures = erasures + 1")
            }
        }
        tenants.withLock { $0.remove(tenant) }
        objects.withLock { $0.removeAll { $0.tenant == tenant } }
        try sweepObjectsOfDeletedTenants()
        try emptyLog()
    }

    /// Deletes the keys of objects whose tenant is gone, piece by piece; what a crash left is taken up at the next start.
    func sweepObjectsOfDeletedTenants() throws(KeyringFailure) {
        while true {
            let deleted = try writer.run { connection throws(KeyringFailure) in
                try failing { () throws(SQLiteError) in
                    let number = try connection.first(
                        """
                        SELECT min(tenant) FROM keyring_objects
                        WHERE tenant NOT IN (SELECT number FROM keyring_tenants)
                        """
                    ) { row throws(SQLiteError) in try row.optionalInteger(0) }
                    guard let number = number ?? nil else { return 0 }
                    try connection.execute(
                        """
                        DELETE FROM keyring_objects WHERE tenant = ?1 AND id <= (SELECT max(id) FROM
                            (SELECT id FROM keyring_objects WHERE tenant = ?1 ORDER BY id LIMIT ?2))
                        """, number, Self.chunk)
                    return connection.changes
                }
            }
            guard deleted > 0 else { return }
        }
    }

    /// The epoch that new wraps are made under: the one a roll moves to, while there is one. On the writing thread.
    func newestEpoch(_ connection: SQLiteConnection) throws(KeyringFailure) -> EpochKey {
        let meta = try meta(connection)
        let number = meta.nextEpoch ?? meta.epoch
        guard let epoch = material.withLock({ $0.epochs[number] }) else { throw .damaged(EpochFiles.name) }
        return epoch
    }
}
