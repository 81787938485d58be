// SPDX-License-Identifier: Apache-2.0

import Platform
import SQLite

/// The file `keyring.db`: its tables, and the one place that opens it.
///
/// Every key and secret in it is sealed under the master key or, below a tenant, under the epoch's key; the pages are sealed
/// once more. It is no part of any backup with a history: a wrapped key that comes back from a backup would undo an
/// erasure.
enum KeyringFile {
    static let name = "keyring.db"

    static let migrations = SQLiteMigrations(
        module: "keyring",
        steps: [
            """
            CREATE TABLE keyring_meta (
                id INTEGER PRIMARY KEY CHECK (id = 1),
                keyring BLOB NOT NULL,
                generation INTEGER NOT NULL,        -- commits of this file
                slots INTEGER NOT NULL,             -- revision of keyring.slots
                master INTEGER NOT NULL,            -- generation of the master key
                epoch INTEGER NOT NULL,             -- the epoch in force
                epoch_commitment BLOB NOT NULL,
                next_epoch INTEGER,                 -- the one a roll under way moves to
                next_commitment BLOB,
                rolled_at INTEGER NOT NULL,
                erasures INTEGER NOT NULL           -- objects and tenants erased since the last roll
            ) STRICT;
            CREATE TABLE keyring_data_keys (
                label TEXT NOT NULL, generation INTEGER NOT NULL, wrapped BLOB NOT NULL, made_at INTEGER NOT NULL,
                PRIMARY KEY (label, generation)) STRICT, WITHOUT ROWID;
            CREATE TABLE keyring_secrets (
                name TEXT PRIMARY KEY, generation INTEGER NOT NULL, wrapped BLOB NOT NULL, set_at INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE keyring_tenants (
                number INTEGER PRIMARY KEY AUTOINCREMENT,
                id TEXT NOT NULL UNIQUE,
                file BLOB NOT NULL,                 -- id of its database file, random
                kek_generation INTEGER NOT NULL, kek_epoch INTEGER NOT NULL, kek BLOB NOT NULL,
                old_generation INTEGER, old_epoch INTEGER, old_kek BLOB,    -- while objects move to the new one
                index_key BLOB NOT NULL,
                erasures INTEGER NOT NULL,          -- since the key-encryption key was made
                made_at INTEGER NOT NULL) STRICT;
            CREATE TABLE keyring_page_keys (
                tenant INTEGER NOT NULL, generation INTEGER NOT NULL, wrapped BLOB NOT NULL, made_at INTEGER NOT NULL,
                PRIMARY KEY (tenant, generation)) STRICT, WITHOUT ROWID;
            CREATE TABLE keyring_objects (
                tenant INTEGER NOT NULL, id TEXT NOT NULL, generation INTEGER NOT NULL,
                kek INTEGER NOT NULL, wrapped BLOB NOT NULL,
                PRIMARY KEY (tenant, id, generation)) STRICT, WITHOUT ROWID;
            CREATE TABLE keyring_tombstones (digest BLOB PRIMARY KEY, erased_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
            CREATE TABLE keyring_marks (
                file TEXT PRIMARY KEY, generation INTEGER NOT NULL) STRICT, WITHOUT ROWID;
            """,
            """
            CREATE TABLE keyring_page_writes (
                file TEXT PRIMARY KEY,
                generation INTEGER NOT NULL,        -- of the page key
                writes INTEGER NOT NULL             -- pages that it may have sealed, at most
            ) STRICT, WITHOUT ROWID;
            """,
        ])

    /// The file that the slots describe, under the only page key that is derived: it cannot lie in the file it opens.
    static func sealed(directory: String, suffix: String = "", slots: UnlockSlots, master: MasterKey) -> SealedFile {
        let key = PageKey(
            generation: UInt32(clamping: slots.pageGeneration),
            bytes: master.keyringPageKey(generation: slots.pageGeneration))
        let identity = FileIdentity(id: slots.keyring, role: .keyring, tenant: "")
        return SealedFile(path: "\(directory)/\(name)\(suffix)", keys: [key], identity: identity)
    }
}

/// The one row of `keyring_meta`.
struct KeyringMeta: Sendable {
    let keyring: [UInt8]
    let generation: Int
    let slots: Int
    let master: Int
    let epoch: Int
    let epochCommitment: [UInt8]
    let nextEpoch: Int?
    let nextCommitment: [UInt8]?
    let rolledAt: WallTime
    let erasures: Int

    /// `nil` in a file that was never finished.
    static func read(_ connection: SQLiteConnection) throws(SQLiteError) -> KeyringMeta? {
        try connection.first(
            """
            SELECT keyring, generation, slots, master, epoch, epoch_commitment, next_epoch, next_commitment, rolled_at,
                erasures FROM keyring_meta
            """
        ) { row throws(SQLiteError) in
            KeyringMeta(
                keyring: try row.blob(0), generation: try row.int(1), slots: try row.int(2), master: try row.int(3),
                epoch: try row.int(4), epochCommitment: try row.blob(5),
                nextEpoch: try row.optionalInteger(6).map { Int($0) }, nextCommitment: try row.optionalBlob(7),
                rolledAt: try row.time(8), erasures: try row.int(9))
        }
    }
}
