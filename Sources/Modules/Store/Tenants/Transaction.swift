// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite

/// What the bodies of one group are given, one after the other.
final class Transaction: TenantTransaction {
    let tenant: TenantID
    let connection: SQLiteConnection
    private let keys: any TenantKeys
    /// What this group erases: noted in the outbox by the same transaction that deletes the rows, done in the keyring once
    /// that has committed.
    private(set) var erased: [ObjectID] = []
    private let isReading: Bool

    init(tenant: TenantID, connection: SQLiteConnection, keys: any TenantKeys, isReading: Bool) {
        self.tenant = tenant
        self.connection = connection
        self.keys = keys
        self.isReading = isReading
    }

    func createKey(of object: ObjectID) throws(SQLiteError) {
        try requireWriting()
        try keys.createKey(of: object, of: tenant)
    }

    func seal(_ plain: [UInt8], in cell: Cell, of object: ObjectID) throws(SQLiteError) -> [UInt8] {
        try keys.seal(plain, in: cell, of: object, of: tenant)
    }

    func open(_ sealed: [UInt8], in cell: Cell, of object: ObjectID) throws(SQLiteError) -> [UInt8] {
        try keys.open(sealed, in: cell, of: object, of: tenant)
    }

    func erase(_ object: ObjectID) throws(SQLiteError) {
        try requireWriting()
        try Outbox.add(object, in: connection)
        erased.append(object)
    }

    func digest(_ label: StaticString, _ text: String) -> [UInt8] {
        keys.digest(label, text, of: tenant)
    }

    /// Forgets erasures that a rolled back part asked for.
    func keepErased(_ count: Int) {
        erased.removeLast(erased.count - count)
    }

    private func requireWriting() throws(SQLiteError) {
        guard !isReading else {
            throw SQLiteError(.mistake, message: "a read neither makes nor erases keys", subject: "")
        }
    }
}
