// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Glibc
import Platform
import SQLite
import Synchronization

// A new master key, or a new page key of keyring.db, means another keyring.db, another epoch.key and another keyring.slots
// at one moment. The slots decide: under their revision r they are written last of the three, and the others wait beside
// their places.
//
//     1  keyring.db.r     a copy under the new keys        a start removes it: the slots are at r - 1
//     2  epoch.key.r      the same epoch, sealed anew      the same
//     3  keyring.slots    revision r                       a start does 4 and 5
//     4  epoch.key.r      takes the place of epoch.key, which is overwritten
//     5  keyring.db.r     takes the place of keyring.db
//
// Object keys, tenants' keys and everything else stay what they are; only what wraps them changes.

extension Keyring {
    /// Makes a new master key, and seals it in every slot.
    ///
    /// - Parameter secrets: what is at hand: from the places of `unlock`, and what the operator typed.
    /// - Returns: the text of each new recovery key, by slot: the old ones cannot be sealed for, since nobody has them, and
    ///   open nothing any more.
    /// - Throws: `refused`, naming the slots whose secret is not at hand.
    func rotateMaster(_ secrets: [UnlockSecret]) throws(KeyringFailure) -> [Int: String] {
        try maintenance.withLock { _ throws(KeyringFailure) in
            let (old, slots) = material.withLock { ($0.master, $0.slots) }
            let master = MasterKey.random(generation: old.generation + 1)
            var new = slots
            new.masterGeneration = master.generation
            new.pageGeneration = 1
            var recovery: [Int: String] = [:]
            var missing: [String] = []
            for slot in slots.slots {
                let secret: UnlockSecret
                if slot.kind == .recovery {
                    let key = SecretBytes(randomCount: 32)
                    recovery[slot.number] = RecoveryKey.text(of: key)
                    secret = UnlockSecret(.recovery, key)
                } else if let found = secrets.first(where: { slots.unlocks(slot, with: $0) }) {
                    secret = found
                } else {
                    missing.append("\(slot.number) (\(slot.kind.name), \(slot.name))")
                    continue
                }
                try Self.crypto { () throws(CryptoError) in
                    try new.replace(slot.number, with: secret, master: master, at: slot.madeAt)
                }
            }
            guard missing.isEmpty else {
                throw .refused(
                    "the secret of slot \(missing.joined(separator: ", ")) is not at hand: give it, or remove the slot")
            }
            try reseal(new, master)
            return recovery
        }
    }

    /// Seals the pages of keyring.db under a fresh key.
    func rotateKeyringPages() throws(KeyringFailure) {
        try maintenance.withLock { _ throws(KeyringFailure) in
            var (slots, master) = material.withLock { ($0.slots, $0.master) }
            slots.pageGeneration += 1
            try reseal(slots, master)
        }
    }

    private func reseal(_ changed: UnlockSlots, _ master: MasterKey) throws(KeyringFailure) {
        var slots = changed
        slots.revision += 1
        let (old, epochs) = material.withLock { ($0.master, $0.epochs) }
        guard epochs.count == 1, let epoch = epochs.values.first else { throw .refused("a roll is not finished") }
        let (target, resealing) = (slots, Resealing(directory: directory, revision: slots.revision))
        try writer.runAlone { [self] connection throws(KeyringFailure) in
            // Readers wait, so that nobody holds the old file open when its name goes.
            try reader.withLock { reader throws(KeyringFailure) in
                reader?.adopt()
                reader = nil
                let file = SealedFile.of(connection)
                do throws(KeyringFailure) {
                    try prepare(resealing, connection, from: old, to: master, slots: target, epoch)
                } catch {
                    resealing.remove()
                    reader = try failing { () throws(SQLiteError) in try file?.connect() }
                    throw error
                }
                // If this fails nobody knows which slots are in force after a crash: the keyring stays closed, both sets of
                // files stay, and the next start goes by what it finds.
                try write(target, master)
                material.withLock { ($0.slots, $0.master) = (target, master) }
                try files.exchange(suffix: resealing.suffix)
                steps.reached("epoch.key is exchanged")
                try resealing.exchange(files)
                let new = KeyringFile.sealed(directory: directory, slots: target, master: master)
                connection = try failing { () throws(SQLiteError) in try new.connect() }
                steps.reached("keyring.db is exchanged")
                reader = try failing { () throws(SQLiteError) in try new.connect() }
            }
        }
    }

    /// Steps 1 and 2.
    private func prepare(
        _ resealing: Resealing, _ connection: SQLiteConnection, from old: MasterKey, to new: MasterKey,
        slots: UnlockSlots, _ epoch: EpochKey
    ) throws(KeyringFailure) {
        try failing { () throws(SQLiteError) in
            try connection.checkpoint()
            try resealing.copy(connection, from: old, to: new, slots: slots)
        }
        steps.reached("the keyring is copied")
        try files.write(epoch, suffix: resealing.suffix, master: new)
    }

}

/// The files of a resealing beside those in force.
struct Resealing: Sendable {
    let directory: String
    let revision: Int

    var suffix: String { ".\(revision)" }
    private var database: String { "\(directory)/\(KeyringFile.name)" }

    /// Step 1: everything in the database, under the new keys.
    func copy(
        _ connection: SQLiteConnection, from old: MasterKey, to new: MasterKey, slots: UnlockSlots
    ) throws(SQLiteError) {
        remove()
        let copy = try KeyringFile.sealed(directory: directory, suffix: suffix, slots: slots, master: new)
            .connect(mayCreate: true)
        try connection.copy(to: copy)
        try copy.transaction { () throws(SQLiteError) in
            if old.generation != new.generation {
                try Self.rewrap(copy, "keyring_data_keys", "label", old.dataKeys, new.dataKeys, AssociatedData.dataKey)
                try Self.rewrap(copy, "keyring_secrets", "name", old.secrets, new.secrets, AssociatedData.secret)
            }
            try copy.execute(
                "UPDATE keyring_meta SET generation = generation + 1, slots = ?, master = ?", slots.revision,
                new.generation)
        }
        try copy.checkpoint()
    }

    private static func rewrap(
        _ connection: SQLiteConnection, _ table: String, _ name: String, _ old: KeyWrap, _ new: KeyWrap,
        _ data: (String, Int) -> AssociatedData
    ) throws(SQLiteError) {
        let rows = try connection.query("SELECT \(name), generation, wrapped FROM \(table)") {
            row throws(SQLiteError) in (name: try row.text(0), generation: try row.int(1), wrapped: try row.blob(2))
        }
        for row in rows {
            let data = data(row.name, row.generation)
            guard let secret = old.unwrap(row.wrapped, as: data) else {
                throw SQLiteError(.corrupt, message: "the key \(row.name) does not open", subject: KeyringFile.name)
            }
            try connection.execute(
                "UPDATE \(table) SET wrapped = ? WHERE \(name) = ? AND generation = ?", new.wrap(secret, as: data),
                row.name, row.generation)
        }
    }

    /// Step 5; again after a crash. Nobody has the database open.
    func exchange(_ files: EpochFiles) throws(KeyringFailure) {
        guard unsafe access(database + suffix, F_OK) == 0 else { return }
        do throws(Errno) {
            // A log of the old file must not be taken for one of the new.
            for end in ["-wal", "-shm"] { unsafe _ = unlink(database + end) }
            try Errno.check { unsafe rename(database + suffix, database) }
            try AtomicFile.flushDirectory(of: database)
        } catch {
            throw .file(path: database, error)
        }
    }

    /// Takes away what a resealing left that did not come to step 3.
    func remove() {
        for end in ["", "-wal", "-shm", ".new"] { unsafe _ = unlink(database + suffix + end) }
    }
}
