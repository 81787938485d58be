// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import SQLite

/// The keys of one tenant, opened: what wraps its objects' keys, what seals its file's pages, what its look-ups are digested
/// under.
final class TenantKeySet: Sendable {
    let tenant: TenantID
    /// Its number in the keyring, never given twice.
    let number: Int
    let identity: FileIdentity
    /// The keys of its file, the newest first. There is more than one while pages move.
    let pageKeys: [PageKey]
    let keyEncryptionGeneration: Int
    /// Wraps object keys, by generation: one, or two while objects move.
    private let keyEncryption: [Int: KeyWrap]
    private let index: HMACSHA256

    /// Bytes of a look-up digest.
    static let digestByteCount = 16

    /// A keyed digest of a text for equality look-ups; equal texts under one label have one digest, and nobody without the
    /// tenant's key can make or try one.
    func digest(_ label: StaticString, _ text: String) -> [UInt8] {
        var message: [UInt8] = []
        message.append(counted: "\(label)")
        message.append(contentsOf: text.utf8)
        return Array(index.code(of: message).bytes[..<Self.digestByteCount])
    }

    /// 32 bytes for one purpose, under the tenant's index key: they stay the same as long as the tenant lives.
    func salt(_ label: StaticString) -> SecretBytes {
        var message: [UInt8] = []
        // No label of a look-up: half of a salt is not to be had as a digest.
        message.append(counted: "store/salt")
        message.append(contentsOf: "\(label)".utf8)
        var code = Array(index.code(of: message).bytes)
        return SecretBytes(taking: &code)
    }

    /// What wraps object keys of a generation; `nil` for one that is gone, or that is newer than what was read.
    func wrap(generation: Int) -> KeyWrap? { keyEncryption[generation] }

    /// - Throws: `damaged` where a key does not open.
    init(_ row: TenantRow, pageKeys rows: [(generation: Int, wrapped: [UInt8])], epochs: [Int: EpochKey])
        throws(KeyringFailure)
    {
        tenant = TenantID(row.id)
        number = row.number
        identity = FileIdentity(id: row.file, role: .tenant, tenant: row.id)
        keyEncryptionGeneration = row.current.generation
        let current = KeyWrap(try row.open(row.current, epochs))
        var all = [row.current.generation: current]
        if let old = row.old { all[old.generation] = KeyWrap(try row.open(old, epochs)) }
        keyEncryption = all
        guard
            let indexKey = current.unwrapKey(row.indexKey, as: .index(row.id, kek: row.current.generation))
        else { throw .damaged("the index key of \(row.id)") }
        index = HMACSHA256(key: indexKey)
        var pageKeys: [PageKey] = []
        for key in rows {
            let data = AssociatedData.page(row.id, kek: row.current.generation, generation: key.generation)
            guard let bytes = current.unwrapKey(key.wrapped, as: data) else {
                throw .damaged("a page key of \(row.id)")
            }
            pageKeys.append(PageKey(generation: UInt32(clamping: key.generation), bytes: bytes))
        }
        guard !pageKeys.isEmpty else { throw .damaged("the page key of \(row.id)") }
        self.pageKeys = pageKeys
    }
}

/// A row of `keyring_tenants`, with its keys still wrapped.
struct TenantRow: Sendable {
    struct Wrapped: Sendable {
        let generation: Int
        let epoch: Int
        let key: [UInt8]
    }

    let number: Int
    let id: String
    let file: [UInt8]
    let current: Wrapped
    /// The key-encryption key before, while objects move to the new one.
    let old: Wrapped?
    let indexKey: [UInt8]
    /// Since the current key-encryption key was made.
    let erasures: Int

    /// The key-encryption key in the clear.
    func open(_ wrapped: Wrapped, _ epochs: [Int: EpochKey]) throws(KeyringFailure) -> SecretBytes {
        guard let epoch = epochs[wrapped.epoch],
            let key = epoch.wrap.unwrapKey(
                wrapped.key, as: .tenant(id, generation: wrapped.generation, epoch: wrapped.epoch))
        else { throw .damaged("the key of \(id)") }
        return key
    }

    private static let columns = """
        SELECT number, id, file, kek_generation, kek_epoch, kek, old_generation, old_epoch, old_kek, index_key, erasures
        FROM keyring_tenants
        """

    static func find(_ tenant: TenantID, _ connection: SQLiteConnection) throws(KeyringFailure) -> TenantRow? {
        try failing { () throws(SQLiteError) in
            try connection.first("\(columns) WHERE id = ?", tenant.text) { row throws(SQLiteError) in try read(row) }
        }
    }

    static func find(number: Int, _ connection: SQLiteConnection) throws(KeyringFailure) -> TenantRow? {
        try failing { () throws(SQLiteError) in
            try connection.first("\(columns) WHERE number = ?", number) { row throws(SQLiteError) in try read(row) }
        }
    }

    /// Tenants that a roll to `epoch` has not finished with, behind `number`, in order.
    static func unmoved(
        to epoch: Int, after number: Int, limit: Int, _ connection: SQLiteConnection
    ) throws(KeyringFailure) -> [TenantRow] {
        try failing { () throws(SQLiteError) in
            try connection.query(
                """
                \(columns) WHERE number > ? AND (kek_epoch < ? OR old_kek IS NOT NULL) ORDER BY number LIMIT ?
                """, number, epoch, limit
            ) { row throws(SQLiteError) in try read(row) }
        }
    }

    private static func read(_ row: borrowing SQLiteRow) throws(SQLiteError) -> TenantRow {
        var old: Wrapped?
        if let key = try row.optionalBlob(8) {
            old = Wrapped(generation: try row.int(6), epoch: try row.int(7), key: key)
        }
        return TenantRow(
            number: try row.int(0), id: try row.text(1), file: try row.blob(2),
            current: Wrapped(generation: try row.int(3), epoch: try row.int(4), key: try row.blob(5)), old: old,
            indexKey: try row.blob(9), erasures: try row.int(10))
    }
}

// What each wrap of the keyring is bound to.
extension AssociatedData {
    static func dataKey(_ label: String, generation: Int) -> AssociatedData {
        AssociatedData(label: "data-key", row: label, keyID: generation)
    }

    static func secret(_ name: String, generation: Int) -> AssociatedData {
        AssociatedData(label: "secret", row: name, keyID: generation)
    }

    static func tenant(_ id: String, generation: Int, epoch: Int) -> AssociatedData {
        AssociatedData(label: "tenant", tenant: id, version: generation, keyID: epoch)
    }

    static func index(_ id: String, kek: Int) -> AssociatedData {
        AssociatedData(label: "index", tenant: id, keyID: kek)
    }

    static func page(_ id: String, kek: Int, generation: Int) -> AssociatedData {
        AssociatedData(label: "page", tenant: id, version: generation, keyID: kek)
    }

    static func object(_ tenant: String, _ object: String, kek: Int, generation: Int) -> AssociatedData {
        AssociatedData(label: "object", tenant: tenant, row: object, version: generation, keyID: kek)
    }
}

/// Runs what SQLite may refuse; its error comes out as the keyring's.
func failing<Result>(_ body: () throws(SQLiteError) -> Result) throws(KeyringFailure) -> Result {
    do throws(SQLiteError) {
        return try body()
    } catch {
        throw .failed(error)
    }
}
