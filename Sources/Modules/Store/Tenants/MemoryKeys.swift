// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import SQLite
import Synchronization

/// Keys of tenants and objects that live in memory and end with the process; files are plain SQLite.
final class MemoryKeys: TenantKeys {
    private struct ObjectKey: Sendable {
        let key: AES256GCM
    }

    private let index = HMACSHA256(key: SecretBytes(randomCount: 32))
    // Guards the table.
    private let keys = Mutex<[TenantID: [ObjectID: ObjectKey]]>([:])

    func create(_ tenant: TenantID) throws(SQLiteError) {
        keys.withLock { keys in
            if keys[tenant] == nil { keys[tenant] = [:] }
        }
    }

    func delete(_ tenant: TenantID) throws(SQLiteError) {
        keys.withLock { $0[tenant] = nil }
    }

    func openFile(
        at path: String, of tenant: TenantID, options: SQLiteOptions
    ) throws(SQLiteError) -> SQLiteConnection {
        try SQLiteConnection(path: path, options: options)
    }

    func createKey(of object: ObjectID, of tenant: TenantID) throws(SQLiteError) {
        let key: AES256GCM
        do {
            key = try AES256GCM(key: SecretBytes(randomCount: AES256GCM.keyByteCount))
        } catch {
            throw SQLiteError(.unavailable, message: "a key cannot be made: \(error)", subject: "")
        }
        keys.withLock { keys in
            if keys[tenant]?[object] == nil { keys[tenant, default: [:]][object] = ObjectKey(key: key) }
        }
    }

    func erase(_ objects: [ObjectID], of tenant: TenantID) throws(SQLiteError) {
        keys.withLock { keys in
            for object in objects { keys[tenant]?[object] = nil }
        }
    }

    func seal(
        _ plain: [UInt8], in cell: Cell, of object: ObjectID, of tenant: TenantID
    ) throws(SQLiteError) -> [UInt8] {
        let key = try key(of: object, of: tenant)
        let nonce = Random.bytes(AES256GCM.nonceByteCount)
        let place = associatedData(cell, object, tenant)
        do {
            return nonce + (try key.seal(plain.span, nonce: nonce.span, associatedData: place.span))
        } catch {
            throw SQLiteError(.mistake, message: "a value cannot be sealed: \(error)", subject: "\(cell.table)")
        }
    }

    func open(
        _ sealed: [UInt8], in cell: Cell, of object: ObjectID, of tenant: TenantID
    ) throws(SQLiteError) -> [UInt8] {
        let key = try key(of: object, of: tenant)
        let place = associatedData(cell, object, tenant)
        guard sealed.count >= AES256GCM.nonceByteCount + AES256GCM.tagByteCount else { throw damaged(cell) }
        let nonce = sealed.span.extracting(first: AES256GCM.nonceByteCount)
        let text = sealed.span.extracting(droppingFirst: AES256GCM.nonceByteCount)
        do {
            return try key.open(text, nonce: nonce, associatedData: place.span)
        } catch {
            throw damaged(cell)
        }
    }

    func digest(_ label: StaticString, _ text: String, of tenant: TenantID) -> [UInt8] {
        let message = [tenant.text, "\(label)", text].map { Array($0.utf8) }.joined(separator: [0])
        return Array(index.code(of: Array(message)).bytes.prefix(16))
    }

    private func key(of object: ObjectID, of tenant: TenantID) throws(SQLiteError) -> AES256GCM {
        guard let key = keys.withLock({ $0[tenant]?[object] }) else {
            throw SQLiteError(.erased, message: "the key of this content is gone", subject: "")
        }
        return key.key
    }

    private func associatedData(_ cell: Cell, _ object: ObjectID, _ tenant: TenantID) -> [UInt8] {
        let parts = [tenant.text, object.text, "\(cell.table)", "\(cell.column)", cell.row, "\(cell.version)"]
        // Ids and names of tables hold no zero byte, so the parts cannot be mistaken for others.
        return Array(parts.map { Array($0.utf8) }.joined(separator: [0]))
    }

    private func damaged(_ cell: Cell) -> SQLiteError {
        SQLiteError(.corrupt, message: "a sealed value does not open", subject: "\(cell.table).\(cell.column)")
    }
}
