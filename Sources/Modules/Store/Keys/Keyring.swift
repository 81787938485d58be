// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import SQLite
import Synchronization

// Theory of operation.
//
//     unlock slots ─ open ─→ master key ─ derives ─→ wrapping keys
//                                          ├ data keys and secrets            (keyring.db)
//                                          └ epoch key                        (epoch.key)
//                                              └ tenant's key-encryption key  (keyring.db)
//                                                  ├ page keys and index key of the tenant
//                                                  └ key of each erasable object
//
// Three files that only make sense together: `keyring.slots` (UnlockSlots), `epoch.key` (EpochFiles) and `keyring.db`
// (KeyringFile). Each names what it expects of the others, so that an older copy of one is recognised at start.
//
// Erasing an object deletes its wrapped key and leaves a tombstone. Earlier copies of keyring.db still hold it, wrapped
// by the tenant's key, wrapped by the epoch's. The roll (Keyring+Roll) makes a new epoch, and a new key-encryption key
// for each tenant that erased something, and destroys the old epoch's key: from then on those copies open nothing.
//
// One thread writes (GroupCommit); any thread reads. What is opened is kept in bounded caches.

/// Who wants to know of each step of a piece of work that must survive a crash between any two. In the server nobody does;
/// a test copies the files at each.
struct Steps: Sendable {
    let reached: @Sendable (String) -> Void

    static let unwatched = Steps { _ in }
}

/// The store's keys.
///
/// Its methods block (on a mutex, on a read, on a commit) and may be called from any thread but a loop's.
final class Keyring: Sendable {
    /// Object keys kept opened in memory.
    static let objectsCachedMax = 8192
    /// Tenants' keys kept opened in memory.
    static let tenantsCachedMax = 1024

    /// What lies in the clear, in memory only.
    struct Material: Sendable {
        var master: MasterKey
        /// One, or two while a roll is under way.
        var epochs: [Int: EpochKey]
        var slots: UnlockSlots
    }

    /// An object, as the cache knows it.
    struct ObjectName: Hashable {
        let tenant: TenantID
        let object: ObjectID
    }

    let directory: String
    /// Random, 16 bytes.
    let id: [UInt8]
    /// Guards what changes with slots, rolls and rotations; held for a copy of references.
    let material: Mutex<Material>
    let writer: GroupCommit
    /// The connection for reads, lent to one thread at a time.
    let reader: Mutex<SQLiteConnection?>
    let tenants = Mutex(RecentCache<TenantID, TenantKeySet>(countMax: tenantsCachedMax))
    let objects = Mutex(RecentCache<ObjectName, ObjectKey>(countMax: objectsCachedMax))
    /// Held during a roll or a rotation, of which there is one at a time.
    let maintenance = Mutex(())
    /// How far the roll or rotation under way is.
    let progress = Mutex(KeyringProgress())
    /// The key of tombstones.
    let tombstones: HMACSHA256
    /// Tells tests of each step that is on the disk.
    let steps: Steps

    init(
        directory: String, id: [UInt8], material: Material, writer: GroupCommit, reader: SQLiteConnection,
        tombstones: HMACSHA256, steps: Steps
    ) {
        self.directory = directory
        self.id = id
        self.material = Mutex(material)
        self.writer = writer
        self.reader = Mutex(reader)
        self.tombstones = tombstones
        self.steps = steps
    }

    var files: EpochFiles { EpochFiles(directory: directory, keyring: id, steps: steps) }

    var master: MasterKey { material.withLock { $0.master } }

    /// Finishes what waits and closes the file. Nothing works afterwards.
    func close() {
        writer.stop()
        reader.withLock { reader in
            // The last connection to go folds the WAL into the file.
            reader?.adopt()
            reader = nil
        }
        forget()
    }

    /// Empties the caches.
    func forget() {
        tenants.withLock { $0.removeAll() }
        objects.withLock { $0.removeAll() }
    }

    /// Reads on the caller's thread.
    func read<Result>(
        _ body: (SQLiteConnection) throws(KeyringFailure) -> Result
    ) throws(KeyringFailure) -> Result {
        try reader.withLock { reader throws(KeyringFailure) in
            guard let reader else { throw .stopped }
            reader.adopt()
            return try body(reader)
        }
    }

    /// The row about the keyring itself.
    func meta(_ connection: SQLiteConnection) throws(KeyringFailure) -> KeyringMeta {
        let meta = try failing { () throws(SQLiteError) in try KeyringMeta.read(connection) }
        guard let meta else { throw .damaged(KeyringFile.name) }
        return meta
    }

    /// What stays of something erased: a digest under a key of the keyring, by which its return is recognised and from which
    /// nobody learns its name. It stays for good, 16 bytes and a time: a backup of any age may bring the rows of what was
    /// erased back, and no fresh key may ever be made under its id.
    func tombstone(of tenant: TenantID, _ object: ObjectID?) -> [UInt8] {
        var message: [UInt8] = []
        message.append(counted: tenant.text)
        if let object { message.append(contentsOf: object.text.utf8) }
        return Array(tombstones.code(of: message).bytes[..<16])
    }

    func isErased(_ tombstone: [UInt8], _ connection: SQLiteConnection) throws(KeyringFailure) -> Bool {
        try failing { () throws(SQLiteError) in
            try connection.first("SELECT 1 FROM keyring_tombstones WHERE digest = ?", tombstone) { _ in true } ?? false
        }
    }
}
