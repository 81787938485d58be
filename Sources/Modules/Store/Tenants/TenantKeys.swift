// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite

/// What the tenants' files need of the keyring. Any thread but a loop's: all of it may block.
protocol TenantKeys: Sendable {
    /// Makes a tenant's keys; durable when it returns. Making them twice keeps the first.
    func create(_ tenant: TenantID) throws(SQLiteError)

    /// Destroys a tenant's keys and those of all its objects; durable when it returns, harmless twice.
    func delete(_ tenant: TenantID) throws(SQLiteError)

    /// Opens the tenant's file with its own key: another tenant's file at this path is refused.
    ///
    /// - Parameter mayCreate: makes the file. Otherwise one that is not there was lost, and is damage.
    func openFile(
        at path: String, of tenant: TenantID, options: SQLiteOptions, mayCreate: Bool
    ) throws(SQLiteError) -> SQLiteConnection

    /// Looks at the pages of a file that does not open; `nil` where somebody has it open.
    func scanFile(at path: String, of tenant: TenantID) -> PageScan?

    /// Refuses a file that is older than the keyring has seen it, or a keyring that is older than the file has seen. True
    /// where the file may be from a backup, and so have rows of what was erased since.
    func check(_ connection: SQLiteConnection, of tenant: TenantID) throws(SQLiteError) -> Bool

    /// Marks a file that has changed, in itself and in the keyring, outside a transaction.
    func mark(_ connection: SQLiteConnection, of tenant: TenantID) throws(SQLiteError)

    /// Keeps the sum of what the open file's page key has sealed, ahead of the truth. Before the file is written.
    ///
    /// - Returns: whether the key has sealed as much as it may.
    func notePageWrites(of tenant: TenantID) throws(SQLiteError) -> Bool

    /// Gives the tenant's open file another page key; durable when it returns. It seals from now on, and earlier ones open.
    func renewPageKey(of tenant: TenantID) throws(SQLiteError)

    /// Deletes the page keys but the newest: no page is sealed with them any more. Harmless twice.
    func retirePageKeys(of tenant: TenantID) throws(SQLiteError)

    /// Makes an object's key, which seals at once; what it seals must not be committed before `finish`.
    func begin(_ object: ObjectID, of tenant: TenantID) throws(SQLiteError) -> NewObjectKey

    /// Waits until new keys are on the disk.
    func finish(_ keys: [NewObjectKey]) throws(SQLiteError)

    /// The key of an object. Throws `erased` where it has none, or none any more.
    func key(of object: ObjectID, of tenant: TenantID) throws(SQLiteError) -> ObjectKey

    /// Gives those of `objects` that have one key a fresh one beside it; durable when it returns. It seals from now on, and
    /// both open.
    func beginRenewal(of objects: [ObjectID], of tenant: TenantID) throws(SQLiteError)

    /// Deletes all keys of objects but the newest: nothing is sealed with them any more. Harmless twice.
    func endRenewal(of objects: [ObjectID], of tenant: TenantID) throws(SQLiteError)

    /// Objects that have a key, in the order of their ids, behind `object`.
    func objects(of tenant: TenantID, after object: ObjectID?, limit: Int) throws(SQLiteError) -> [ObjectID]

    /// Deletes keys and leaves a tombstone for each; durable when it returns, harmless twice.
    func erase(_ objects: [ObjectID], of tenant: TenantID) throws(SQLiteError)

    /// Looks at everything in the keyring's own file.
    func checkKeyring(as file: String) -> FileCheck

    /// 16 bytes under the tenant's index key.
    func digest(_ label: StaticString, _ text: String, of tenant: TenantID) -> [UInt8]
}
