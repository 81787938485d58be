// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import SQLite
import Synchronization

/// A key that was made and may not be on the disk yet: it can seal at once, but what it seals must not be committed before
/// ``Keyring/finish(_:)`` has returned.
struct NewObjectKey: Sendable {
    let key: ObjectKey
    fileprivate let name: Keyring.ObjectName
    fileprivate let ticket: GroupCommit.Ticket
}

extension Keyring {
    /// The longest id of an object, in bytes.
    static let objectIDBytesMax = 128

    /// Makes the key of a new object without waiting for the disk, so that many share one flush.
    ///
    /// - Throws: at once `unknownTenant`, `busy`; at ``finish(_:)`` `exists`, or `erased` for the id of what was erased.
    func beginObjectKey(_ tenant: TenantID, _ object: ObjectID) throws(KeyringFailure) -> NewObjectKey {
        guard (1...Self.objectIDBytesMax).contains(object.text.utf8.count) else {
            throw .refused("an object's id has 1 to \(Self.objectIDBytesMax) bytes")
        }
        _ = try tenantKeys(tenant)
        let key = SecretBytes(randomCount: 32)
        let ticket = try writer.enqueue { [self] connection throws(KeyringFailure) in
            let keys = try writableKeys(tenant, connection)
            guard try !isErased(tombstone(of: tenant, object), connection) else { throw .erased }
            try insert(key, object, generation: 1, keys, connection)
        }
        return NewObjectKey(key: ObjectKey(key), name: ObjectName(tenant: tenant, object: object), ticket: ticket)
    }

    /// Waits until keys are on the disk.
    func finish(_ keys: [NewObjectKey]) throws(KeyringFailure) {
        for new in keys {
            let before = objects.withLock { $0.removals }
            try new.ticket.wait()
            objects.withLock { $0.insert(new.key, for: new.name, unlessRemovedSince: before) }
        }
    }

    /// The key of an object; `nil` where it has none, or none any more.
    func objectKey(_ tenant: TenantID, _ object: ObjectID) throws(KeyringFailure) -> ObjectKey? {
        let name = ObjectName(tenant: tenant, object: object)
        let (cached, before) = objects.withLock { ($0.find(name), $0.removals) }
        if let cached { return cached }
        // A roll may move the object between one read and the next; twice in a row it cannot.
        for _ in 0..<3 {
            let keys = try tenantKeys(tenant)
            let rows = try read { connection throws(KeyringFailure) in try objectRows(keys.number, object, connection) }
            guard !rows.isEmpty else { return nil }
            guard rows.allSatisfy({ keys.wrap(generation: $0.kek) != nil }) else {
                tenants.withLock { $0.remove(tenant) }
                continue
            }
            let key = ObjectKey(
                try rows.map { row throws(KeyringFailure) in (row.generation, try row.open(keys, object)) })
            objects.withLock { $0.insert(key, for: name, unlessRemovedSince: before) }
            return key
        }
        throw .damaged("the key of \(object.text)")
    }

    /// Deletes the keys of objects for good, in all their generations. Durable when it returns, and harmless when repeated.
    ///
    /// Earlier copies of the keyring still open them, with the epoch's key, until ``roll()`` has destroyed that.
    func erase(_ tenant: TenantID, _ erased: [ObjectID]) throws(KeyringFailure) {
        guard !erased.isEmpty else { return }
        try writer.run { [self] connection throws(KeyringFailure) in
            guard let row = try TenantRow.find(tenant, connection) else { throw .unknownTenant }
            let now = WallTime.now()
            try failing { () throws(SQLiteError) in
                for object in erased {
                    try connection.execute(
                        "DELETE FROM keyring_objects WHERE tenant = ? AND id = ?", row.number, object.text)
                    try connection.execute(
                        "INSERT OR IGNORE INTO keyring_tombstones VALUES (?, ?)", tombstone(of: tenant, object), now)
                }
                try connection.execute(
                    "UPDATE keyring_tenants SET erasures = erasures + ? WHERE number = ?", erased.count, row.number)
                try connection.execute("UPDATE keyring_meta SET erasures = erasures + ?", erased.count)
            }
        }
        objects.withLock { objects in
            for object in erased { objects.remove(ObjectName(tenant: tenant, object: object)) }
        }
        try emptyLog()
    }

    /// Folds the log into the file: until then it still has the wrapped keys that were deleted, and their objects' ids.
    func emptyLog() throws(KeyringFailure) {
        try writer.runAlone { connection throws(KeyringFailure) in
            let connection = connection
            try failing { () throws(SQLiteError) in try connection.checkpoint() }
        }
    }

    /// Whether an object was erased, as its tombstone says; also for tenants restored from a backup.
    func isErased(_ tenant: TenantID, _ object: ObjectID) throws(KeyringFailure) -> Bool {
        try read { connection throws(KeyringFailure) in try isErased(tombstone(of: tenant, object), connection) }
    }

    /// Ids of objects that have keys, behind `object`, in order.
    func objectIDs(
        of tenant: TenantID, after object: ObjectID?, limit: Int
    ) throws(KeyringFailure) -> [ObjectID] {
        let number = try tenantKeys(tenant).number
        return try read { connection throws(KeyringFailure) in
            try failing { () throws(SQLiteError) in
                try connection.query(
                    "SELECT DISTINCT id FROM keyring_objects WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?", number,
                    object?.text ?? "", limit
                ) { row throws(SQLiteError) in ObjectID(try row.text(0)) }
            }
        }
    }

    // MARK: Rows

    struct ObjectRow: Sendable {
        let generation: Int
        let kek: Int
        let wrapped: [UInt8]

        func open(_ keys: TenantKeySet, _ object: ObjectID) throws(KeyringFailure) -> SecretBytes {
            let data = AssociatedData.object(keys.tenant.text, object.text, kek: kek, generation: generation)
            guard let key = keys.wrap(generation: kek)?.unwrapKey(wrapped, as: data) else {
                throw .damaged("the key of \(object.text)")
            }
            return key
        }
    }

    /// In the order of generations.
    func objectRows(
        _ tenant: Int, _ object: ObjectID, _ connection: SQLiteConnection
    ) throws(KeyringFailure) -> [ObjectRow] {
        try failing { () throws(SQLiteError) in
            try connection.query(
                """
                SELECT generation, kek, wrapped FROM keyring_objects WHERE tenant = ? AND id = ? ORDER BY generation
                """, tenant, object.text
            ) { row throws(SQLiteError) in
                ObjectRow(generation: try row.int(0), kek: try row.int(1), wrapped: try row.blob(2))
            }
        }
    }

    /// A tenant's keys as they are in this very transaction. On the writing thread.
    func writableKeys(_ tenant: TenantID, _ connection: SQLiteConnection) throws(KeyringFailure) -> TenantKeySet {
        let generation = try failing { () throws(SQLiteError) in
            try connection.first("SELECT kek_generation FROM keyring_tenants WHERE id = ?", tenant.text) {
                row throws(SQLiteError) in try row.int(0)
            }
        }
        guard let generation else { throw .unknownTenant }
        if let cached = tenants.withLock({ $0.find(tenant) }), cached.keyEncryptionGeneration == generation {
            return cached
        }
        return try tenantKeys(tenant, connection)
    }

    func insert(
        _ key: SecretBytes, _ object: ObjectID, generation: Int, _ keys: TenantKeySet, _ connection: SQLiteConnection
    ) throws(KeyringFailure) {
        let kek = keys.keyEncryptionGeneration
        let data = AssociatedData.object(keys.tenant.text, object.text, kek: kek, generation: generation)
        guard let wrap = keys.wrap(generation: kek) else { throw .damaged("the key of \(keys.tenant.text)") }
        do throws(SQLiteError) {
            try connection.execute(
                "INSERT INTO keyring_objects VALUES (?, ?, ?, ?, ?)", keys.number, object.text, generation, kek,
                wrap.wrap(key, as: data))
        } catch {
            throw error.kind == .constraint ? .exists : .failed(error)
        }
    }
}
