// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite

/// Erasures on their way from a tenant's file to the keyring.
///
/// Two files cannot commit together. So the transaction that deletes an object's rows also notes the object here; once it
/// has committed, the keyring deletes the key and writes the tombstone, and then the note goes. After a crash in between
/// the note is found when the file is opened, and the erasure is done then: before anybody can read what was deleted.
enum Outbox {
    static let table = "CREATE TABLE store_outbox (object TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;"

    static func add(_ object: ObjectID, in connection: SQLiteConnection) throws(SQLiteError) {
        try connection.execute("INSERT OR IGNORE INTO store_outbox VALUES (?)", object.text)
    }

    /// What a crash has left undone.
    static func waiting(in connection: SQLiteConnection) throws(SQLiteError) -> [ObjectID] {
        try connection.query("SELECT object FROM store_outbox") { row throws(SQLiteError) in
            ObjectID(try row.text(0))
        }
    }

    /// Takes out what the keyring has done.
    static func remove(_ objects: [ObjectID], in connection: SQLiteConnection) throws(SQLiteError) {
        try connection.transaction { () throws(SQLiteError) in
            for object in objects { try connection.execute("DELETE FROM store_outbox WHERE object = ?", object.text) }
        }
    }
}
