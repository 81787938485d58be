// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import SQLite
import Synchronization

// An object gets another key in three steps, while it is used:
//
//     1  the keyring     a fresh key beside the one there is; from here on content is sealed with it
//     2  the file        its content is opened and sealed anew, some at a time (ContentRenewal)
//     3  the keyring     deletes the old key
//
// An object found with two keys is at step 2.

extension Keyring {
    /// Step 1, for those of `objects` that have one key; durable when it returns.
    func beginRenewal(_ tenant: TenantID, _ objects: [ObjectID]) throws(KeyringFailure) {
        try writer.run { [self] connection throws(KeyringFailure) in
            let keys = try writableKeys(tenant, connection)
            for object in objects {
                let rows = try objectRows(keys.number, object, connection)
                guard rows.count == 1, let row = rows.first else { continue }
                try insert(SecretBytes(randomCount: 32), object, generation: row.generation + 1, keys, connection)
            }
        }
        forget(tenant, objects)
    }

    /// Step 3; durable when it returns, and harmless twice.
    func endRenewal(_ tenant: TenantID, _ objects: [ObjectID]) throws(KeyringFailure) {
        try writer.run { [self] connection throws(KeyringFailure) in
            let number = try writableKeys(tenant, connection).number
            for object in objects {
                try failing { () throws(SQLiteError) in
                    try connection.execute(
                        """
                        DELETE FROM keyring_objects WHERE tenant = ?1 AND id = ?2 AND generation <
                            (SELECT max(generation) FROM keyring_objects WHERE tenant = ?1 AND id = ?2)
                        """, number, object.text)
                }
            }
        }
        forget(tenant, objects)
    }

    private func forget(_ tenant: TenantID, _ erased: [ObjectID]) {
        objects.withLock { objects in
            for object in erased { objects.remove(ObjectName(tenant: tenant, object: object)) }
        }
    }
}
