// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite

/// What the bodies of one group are given, one after the other.
final class Transaction: TenantTransaction {
    let tenant: TenantID
    let connection: SQLiteConnection
    private let keys: any TenantKeys
    private let isReading: Bool
    private let cipher: FieldCipher
    /// The object that content was sealed or opened for last, mostly the next one's too.
    private var lastObject = ""
    private var lastKey: ObjectKey?
    /// Keys that this group makes. They are on the disk before it commits: a row that outlived its key would be lost.
    private var new: [ObjectID: NewObjectKey] = [:]
    /// What this group erases: noted in the outbox by the same transaction that deletes the rows, done in the keyring once
    /// that has committed.
    private(set) var erased: [ObjectID] = []

    init(_ cipher: FieldCipher, connection: SQLiteConnection, keys: any TenantKeys, isReading: Bool) {
        tenant = cipher.tenant
        self.cipher = cipher
        self.connection = connection
        self.keys = keys
        self.isReading = isReading
    }

    func createKey(of object: ObjectID) throws(SQLiteError) {
        try requireWriting()
        new[object] = try keys.begin(object, of: tenant)
        lastKey = nil
    }

    func seal(_ plain: [UInt8], in cell: Cell, of object: ObjectID) throws(SQLiteError) -> [UInt8] {
        let key = try key(of: object)
        do throws(KeyringFailure) {
            return try cipher.seal(plain.span, in: cell, with: key)
        } catch {
            throw SQLiteError(error)
        }
    }

    func open(_ sealed: Span<UInt8>, in cell: Cell, of object: ObjectID) throws(SQLiteError) -> [UInt8] {
        let key = try key(of: object)
        do throws(KeyringFailure) {
            return try cipher.open(sealed, in: cell, with: key)
        } catch {
            throw SQLiteError(error)
        }
    }

    func erase(_ object: ObjectID) throws(SQLiteError) {
        try requireWriting()
        try Outbox.add(object, in: connection)
        erased.append(object)
    }

    func isErased(_ object: ObjectID) throws(SQLiteError) -> Bool {
        do throws(SQLiteError) {
            _ = try key(of: object)
            return false
        } catch {
            guard error.kind == .erased else { throw error }
            return true
        }
    }

    func objects(after object: ObjectID?, limit: Int) throws(SQLiteError) -> [ObjectID] {
        try keys.objects(of: tenant, after: object, limit: limit)
    }

    func digest(_ label: StaticString, _ text: String) -> [UInt8] {
        keys.digest(label, text, of: tenant)
    }

    /// Waits for the new keys, just before the commit: meanwhile the other bodies of the group have run.
    func finishKeys() throws(SQLiteError) {
        guard !new.isEmpty else { return }
        try keys.finish(Array(new.values))
    }

    /// Forgets erasures that a rolled back part asked for.
    func keepErased(_ count: Int) {
        erased.removeLast(erased.count - count)
    }

    private func key(of object: ObjectID) throws(SQLiteError) -> ObjectKey {
        if let lastKey, lastObject == object.text { return lastKey }
        let key: ObjectKey
        if !new.isEmpty, let new = new[object] { key = new.key } else { key = try keys.key(of: object, of: tenant) }
        lastObject = object.text
        lastKey = key
        return key
    }

    private func requireWriting() throws(SQLiteError) {
        guard !isReading else {
            throw SQLiteError(.mistake, message: "a read neither makes nor erases keys", subject: "")
        }
    }
}
