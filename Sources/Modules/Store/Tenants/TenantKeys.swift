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
    func openFile(at path: String, of tenant: TenantID, options: SQLiteOptions) throws(SQLiteError) -> SQLiteConnection

    /// Makes an object's key; durable when it returns.
    func createKey(of object: ObjectID, of tenant: TenantID) throws(SQLiteError)

    /// Deletes keys and leaves a tombstone for each; durable when it returns, harmless twice.
    func erase(_ objects: [ObjectID], of tenant: TenantID) throws(SQLiteError)

    func seal(
        _ plain: [UInt8], in cell: Cell, of object: ObjectID, of tenant: TenantID
    ) throws(SQLiteError) -> [UInt8]

    func open(
        _ sealed: [UInt8], in cell: Cell, of object: ObjectID, of tenant: TenantID
    ) throws(SQLiteError) -> [UInt8]

    /// 16 bytes under the tenant's index key.
    func digest(_ label: StaticString, _ text: String, of tenant: TenantID) -> [UInt8]
}
