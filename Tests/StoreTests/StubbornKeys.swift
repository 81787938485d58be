// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite
import Synchronization

@testable import Store

/// A keyring that refuses as often as it is told to.
final class StubbornKeys: TenantKeys {
    private let keys: any TenantKeys
    private let deletions: Mutex<Int>
    private let erasures: Mutex<Int>
    private let makings: Mutex<Int>

    init(_ keys: any TenantKeys, deletions: Int = 0, erasures: Int = 0, makings: Int = 0) {
        self.keys = keys
        self.deletions = Mutex(deletions)
        self.erasures = Mutex(erasures)
        self.makings = Mutex(makings)
    }

    private func refuse(_ left: borrowing Mutex<Int>) throws(SQLiteError) {
        let refuses = left.withLock { left in
            left -= 1
            return left >= 0
        }
        if refuses { throw SQLiteError(.unavailable, message: "the disk said no", subject: "") }
    }

    func create(_ tenant: TenantID) throws(SQLiteError) { try keys.create(tenant) }

    func delete(_ tenant: TenantID) throws(SQLiteError) {
        try refuse(deletions)
        try keys.delete(tenant)
    }

    func openFile(
        at path: String, of tenant: TenantID, options: SQLiteOptions, mayCreate: Bool
    ) throws(SQLiteError) -> SQLiteConnection {
        if mayCreate { try refuse(makings) }
        return try keys.openFile(at: path, of: tenant, options: options, mayCreate: mayCreate)
    }

    func scanFile(at path: String, of tenant: TenantID) -> PageScan? { keys.scanFile(at: path, of: tenant) }

    func check(_ connection: SQLiteConnection, of tenant: TenantID) throws(SQLiteError) -> Bool {
        try keys.check(connection, of: tenant)
    }

    func mark(_ connection: SQLiteConnection, of tenant: TenantID) throws(SQLiteError) {
        try keys.mark(connection, of: tenant)
    }

    func begin(_ object: ObjectID, of tenant: TenantID) throws(SQLiteError) -> NewObjectKey {
        try keys.begin(object, of: tenant)
    }

    func finish(_ new: [NewObjectKey]) throws(SQLiteError) { try keys.finish(new) }

    func key(of object: ObjectID, of tenant: TenantID) throws(SQLiteError) -> ObjectKey {
        try keys.key(of: object, of: tenant)
    }

    func beginRenewal(of objects: [ObjectID], of tenant: TenantID) throws(SQLiteError) {
        try keys.beginRenewal(of: objects, of: tenant)
    }

    func endRenewal(of objects: [ObjectID], of tenant: TenantID) throws(SQLiteError) {
        try keys.endRenewal(of: objects, of: tenant)
    }

    func objects(of tenant: TenantID, after object: ObjectID?, limit: Int) throws(SQLiteError) -> [ObjectID] {
        try keys.objects(of: tenant, after: object, limit: limit)
    }

    func erase(_ objects: [ObjectID], of tenant: TenantID) throws(SQLiteError) {
        try refuse(erasures)
        try keys.erase(objects, of: tenant)
    }

    func checkKeyring(as file: String) -> FileCheck { keys.checkKeyring(as: file) }

    func notePageWrites(of tenant: TenantID) throws(SQLiteError) -> Bool { try keys.notePageWrites(of: tenant) }

    func renewPageKey(of tenant: TenantID) throws(SQLiteError) { try keys.renewPageKey(of: tenant) }

    func retirePageKeys(of tenant: TenantID) throws(SQLiteError) { try keys.retirePageKeys(of: tenant) }

    func digest(_ label: StaticString, _ text: String, of tenant: TenantID) -> [UInt8] {
        keys.digest(label, text, of: tenant)
    }
}
