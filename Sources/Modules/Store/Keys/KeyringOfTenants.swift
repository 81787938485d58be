// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite
import Synchronization

/// The keyring as the tenants' files need it.
final class KeyringOfTenants: TenantKeys {
    private let keyring: Keyring
    /// Of tenants whose file was opened.
    private let opened = Mutex<[TenantID: Opened]>([:])

    private struct Opened {
        /// For digests: they are asked for where nothing may fail any more.
        var keys: TenantKeySet
        /// Lives as long as a connection to it: all of a process share one.
        weak var file: SealedFile?
    }

    /// The VFS below the seals; another than SQLite's own only in tests.
    private let below: String

    private let wear: PageWear.Limits

    init(_ keyring: Keyring, below: String = "unix", wear: PageWear.Limits = PageWear.Limits()) {
        self.keyring = keyring
        self.wear = wear
        self.below = below
    }

    func create(_ tenant: TenantID) throws(SQLiteError) {
        do throws(KeyringFailure) {
            try keyring.createTenant(tenant)
        } catch .exists {
            // Made by an attempt that a crash cut short.
        } catch {
            throw SQLiteError(error)
        }
    }

    func delete(_ tenant: TenantID) throws(SQLiteError) {
        opened.withLock { $0[tenant] = nil }
        do throws(KeyringFailure) {
            try keyring.deleteTenant(tenant)
        } catch .unknownTenant {
            // Its making did not come as far as the keyring.
        } catch {
            throw SQLiteError(error)
        }
    }

    func openFile(
        at path: String, of tenant: TenantID, options: SQLiteOptions, mayCreate: Bool
    ) throws(SQLiteError) -> SQLiteConnection {
        try file(at: path, of: tenant).connect(options, mayCreate: mayCreate)
    }

    func scanFile(at path: String, of tenant: TenantID) -> PageScan? {
        try? file(at: path, of: tenant).scanClosed()
    }

    private func file(at path: String, of tenant: TenantID) throws(SQLiteError) -> SealedFile {
        let keys = try failing { () throws(KeyringFailure) in try keyring.tenantKeys(tenant) }
        return opened.withLock { opened in
            if let file = opened[tenant]?.file { return file }
            let file = SealedFile(path: path, keys: keys.pageKeys, identity: keys.identity, below: below)
            opened[tenant] = Opened(keys: keys, file: file)
            return file
        }
    }

    func notePageWrites(of tenant: TenantID) throws(SQLiteError) -> Bool {
        guard let file = opened.withLock({ $0[tenant]?.file }) else { return false }
        return try failing { () throws(KeyringFailure) in
            try keyring.notePageWrites(of: file, as: tenant.text, wear)
        }
    }

    func renewPageKey(of tenant: TenantID) throws(SQLiteError) {
        let keys = try failing { () throws(KeyringFailure) in
            try keyring.addPageKey(tenant)
            return try keyring.tenantKeys(tenant)
        }
        opened.withLock { opened in
            opened[tenant]?.keys = keys
            if let key = keys.pageKeys.first { opened[tenant]?.file?.use(key) }
        }
    }

    func retirePageKeys(of tenant: TenantID) throws(SQLiteError) {
        let keys = try failing { () throws(KeyringFailure) in
            try keyring.retirePageKeys(tenant)
            return try keyring.tenantKeys(tenant)
        }
        opened.withLock { opened in
            opened[tenant]?.keys = keys
            opened[tenant]?.file?.forgetRetired()
        }
    }

    func check(_ connection: SQLiteConnection, of tenant: TenantID) throws(SQLiteError) -> Bool {
        let mark = try FileMark.read(connection)
        return try failing { () throws(KeyringFailure) in try keyring.check(mark, of: tenant.text) }
    }

    func mark(_ connection: SQLiteConnection, of tenant: TenantID) throws(SQLiteError) {
        try failing { () throws(KeyringFailure) in
            try keyring.mark(tenant.text) { mark throws(SQLiteError) in
                try connection.transaction { () throws(SQLiteError) in try mark.write(connection) }
            }
        }
    }

    func begin(_ object: ObjectID, of tenant: TenantID) throws(SQLiteError) -> NewObjectKey {
        try failing { () throws(KeyringFailure) in try keyring.beginObjectKey(tenant, object) }
    }

    func finish(_ keys: [NewObjectKey]) throws(SQLiteError) {
        try failing { () throws(KeyringFailure) in try keyring.finish(keys) }
    }

    func key(of object: ObjectID, of tenant: TenantID) throws(SQLiteError) -> ObjectKey {
        let key = try failing { () throws(KeyringFailure) in try keyring.objectKey(tenant, object) }
        guard let key else { throw SQLiteError(.erased, message: "the key of this content is gone", subject: "") }
        return key
    }

    func beginRenewal(of objects: [ObjectID], of tenant: TenantID) throws(SQLiteError) {
        try failing { () throws(KeyringFailure) in try keyring.beginRenewal(tenant, objects) }
    }

    func endRenewal(of objects: [ObjectID], of tenant: TenantID) throws(SQLiteError) {
        try failing { () throws(KeyringFailure) in try keyring.endRenewal(tenant, objects) }
    }

    func objects(of tenant: TenantID, after object: ObjectID?, limit: Int) throws(SQLiteError) -> [ObjectID] {
        try failing { () throws(KeyringFailure) in try keyring.objectIDs(of: tenant, after: object, limit: limit) }
    }

    func erase(_ objects: [ObjectID], of tenant: TenantID) throws(SQLiteError) {
        try failing { () throws(KeyringFailure) in try keyring.erase(tenant, objects) }
    }

    func checkKeyring(as file: String) -> FileCheck {
        do throws(SQLiteError) {
            return try failing { () throws(KeyringFailure) in
                try keyring.read { connection throws(KeyringFailure) in FileCheck.run(file, on: connection) }
            }
        } catch {
            return FileCheck(file: file, error: error)
        }
    }

    func digest(_ label: StaticString, _ text: String, of tenant: TenantID) -> [UInt8] {
        guard let keys = opened.withLock({ $0[tenant]?.keys }) else {
            preconditionFailure("a digest is made in a transaction, and that on an open file")
        }
        return keys.digest(label, text)
    }

    private func failing<Result>(
        _ body: () throws(KeyringFailure) -> Result
    ) throws(SQLiteError) -> Result {
        do throws(KeyringFailure) {
            return try body()
        } catch {
            throw SQLiteError(error)
        }
    }
}

extension SQLiteError {
    /// A failure of the keyring, for those who work on a tenant's database.
    init(_ failure: KeyringFailure) {
        switch failure {
        case .failed(let error): self = error
        case .erased, .unknownTenant: self.init(.erased, message: failure.description, subject: "")
        case .damaged, .older: self.init(.corrupt, message: failure.description, subject: KeyringFile.name)
        case .exists: self.init(.constraint, message: failure.description, subject: KeyringFile.name)
        case .busy: self.init(.busy, message: failure.description, subject: KeyringFile.name)
        case .stopped, .file: self.init(.unavailable, message: failure.description, subject: KeyringFile.name)
        case .refused: self.init(.mistake, message: failure.description, subject: KeyringFile.name)
        }
    }
}
