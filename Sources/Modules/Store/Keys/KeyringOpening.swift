// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Glibc
import Platform
import SQLite
import Synchronization

/// Opens the keyring of a data directory, or makes one where there is nothing yet.
///
/// A new keyring comes to be in this order, and until the last step there is none, so that a crash leaves only what the next
/// start removes:
///
///     keyring.slots.new → epoch.key → keyring.db → rename keyring.slots.new to keyring.slots
struct KeyringOpening {
    let directory: String
    /// Where the secret may be, in order.
    let unlock: [UnlockSource]
    /// Makes the first file of `unlock` if there is neither keyring nor secret. For development only: a server that makes
    /// itself a new key has silently lost what the old one opened.
    let makesKeyFile: Bool
    var steps = Steps.unwatched
    /// Takes the files as they are, although they are of different ages. Only for the operator who has put them there.
    var acceptsRestored = false

    static let slotsName = "keyring.slots"

    private var slotsPath: String { "\(directory)/\(Self.slotsName)" }
    private var databasePath: String { "\(directory)/\(KeyringFile.name)" }

    /// Opens or makes it. What a roll left half done is finished first.
    ///
    /// - Throws: with the reason, where no secret is found, none opens a slot, or a file is missing, damaged or an older copy.
    func open() throws(StartFailure) -> Keyring {
        guard let slots = try readSlots() else { return try create() }
        return try open(slots, try unlocked(slots))
    }

    // MARK: The secret

    private func unlocked(_ slots: UnlockSlots) throws(StartFailure) -> MasterKey {
        var wrong: [String] = []
        for source in unlock {
            guard let secret = try UnlockSecret(at: source) else { continue }
            if let (master, _) = slots.unlock(secret) { return master }
            wrong.append(source.description)
        }
        guard wrong.isEmpty else {
            throw StartFailure(
                "what is at \(wrong.joined(separator: ", ")) is not the root key of the data directory \(directory)",
                hint: "the server of this directory was started with another one; `unlock` may name several places")
        }
        throw missing
    }

    /// The secret for a new keyring.
    private func newSecret() throws(StartFailure) -> (secret: UnlockSecret, name: String) {
        for source in unlock {
            let secret =
                source == .passphrase(.terminal)
                ? try UnlockSecret.askForNewPassphrase() : try UnlockSecret(at: source)
            if let secret { return (secret, source.kindName) }
        }
        if makesKeyFile, case .file(let path)? = unlock.first {
            return (try UnlockSecret(makingFile: path), "file")
        }
        throw missing
    }

    private var missing: StartFailure {
        StartFailure(
            "there is no root key at \(unlock.map(\.description).joined(separator: ", "))",
            hint:
                "make one: (umask 277; head -c 32 /dev/urandom > /etc/gatehouse/root.key), and keep a copy off this server"
        )
    }

    // MARK: A new keyring

    private func create() throws(StartFailure) -> Keyring {
        try refuseStrangers()
        let (secret, name) = try newSecret()
        var slots = UnlockSlots(newKeyring: Random.bytes(16))
        let master = MasterKey.random(generation: 1)
        let files = EpochFiles(directory: directory, keyring: slots.keyring)
        let epoch = EpochKey.random(number: 1)
        do {
            _ = try slots.add(secret, name: name, master: master, at: .now())
            slots.revision = 1
            for name in [KeyringFile.name, KeyringFile.name + "-wal", KeyringFile.name + "-shm", EpochFiles.name] {
                unsafe _ = unlink("\(directory)/\(name)")
            }
            try AtomicFile.write(path: slotsPath + ".new", bytes: slots.serialized(master), mode: 0o600)
            try files.write(epoch, to: .current, master: master)
            try fill(slots, master, epoch)
            try Errno.check { unsafe rename(slotsPath + ".new", slotsPath) }
            try AtomicFile.flushDirectory(of: slotsPath)
        } catch {
            throw StartFailure("the keyring in \(directory) cannot be made: \(error)")
        }
        guard let written = try readSlots() else { throw StartFailure("\(slotsPath) is gone") }
        return try open(written, master)
    }

    private func fill(_ slots: UnlockSlots, _ master: MasterKey, _ epoch: EpochKey) throws(SQLiteError) {
        let file = KeyringFile.sealed(directory: directory, slots: slots, master: master)
        let connection = try file.connect(mayCreate: true)
        try connection.migrate([KeyringFile.migrations])
        try connection.execute(
            """
            INSERT INTO keyring_meta (id, keyring, generation, slots, master, epoch, epoch_commitment, rolled_at, erasures)
            VALUES (1, ?, 1, ?, ?, ?, ?, ?, 0)
            """, slots.keyring, slots.revision, master.generation, epoch.number,
            epoch.commitment(keyring: slots.keyring), WallTime.now())
        try connection.checkpoint()
    }

    /// Without slots nothing can be opened: whatever else lies in the directory would be lost under a new keyring.
    private func refuseStrangers() throws(StartFailure) {
        for name in ["control.db", "tenants"] where unsafe access("\(directory)/\(name)", F_OK) == 0 {
            throw StartFailure(
                "the data directory \(directory) has \(name) and no \(Self.slotsName): what is in it cannot be opened",
                hint: """
                    put \(Self.slotsName), \(KeyringFile.name) and \(EpochFiles.name) back; data of a version before \
                    the keyring is not read: give this one another `data`
                    """)
        }
        let isHalfMade = unsafe access(slotsPath + ".new", F_OK) == 0
        guard !isHalfMade else { return }
        for name in [KeyringFile.name, EpochFiles.name] where unsafe access("\(directory)/\(name)", F_OK) == 0 {
            throw StartFailure(
                "the data directory \(directory) has \(name) and no \(Self.slotsName)",
                hint: "put \(Self.slotsName) back from where the keyring is kept")
        }
    }

    // MARK: A keyring that is there

    /// `nil` where there is none.
    private func readSlots() throws(StartFailure) -> UnlockSlots? {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try AtomicFile.read(path: slotsPath, bytesMax: UnlockSlots.bytesMax)
        } catch .noSuchFile {
            return nil
        } catch {
            throw StartFailure("\(slotsPath) cannot be read: \(error)")
        }
        guard let slots = UnlockSlots(parsing: bytes) else { throw Self.damaged(slotsPath) }
        return slots
    }

    private func open(_ slots: UnlockSlots, _ master: MasterKey) throws(StartFailure) -> Keyring {
        guard slots.isAuthentic(master) else { throw Self.damaged(slotsPath) }
        try finishResealing(slots)
        guard unsafe access(databasePath, F_OK) == 0 else {
            throw StartFailure("\(databasePath) is missing", hint: "put it back from where the keyring is kept")
        }
        do {
            let file = KeyringFile.sealed(directory: directory, slots: slots, master: master)
            let writer = try file.connect()
            try writer.migrate([KeyringFile.migrations])
            guard let meta = try KeyringMeta.read(writer) else { throw KeyringFailure.damaged(databasePath) }
            try check(meta, slots)
            let epochs = try EpochRecovery(
                files: EpochFiles(directory: directory, keyring: slots.keyring, steps: steps), master: master,
                meta: meta
            ).keys()
            steps.reached("the files of the epoch are in order")
            let tombstones = try DataKeys.newest("tombstones", master, writer)
            let reader = try file.connect()
            let keyring = Keyring(
                directory: directory, id: slots.keyring,
                material: .init(master: master, epochs: epochs, slots: slots),
                writer: try GroupCommit(writer), reader: reader, tombstones: HMACSHA256(key: tombstones.key),
                steps: steps)
            try keyring.resume(meta)
            return keyring
        } catch let failure as StartFailure {
            throw failure
        } catch let failure as KeyringFailure {
            throw StartFailure(failure)
        } catch let error as SQLiteError {
            throw StartFailure(error, path: databasePath)
        } catch {
            throw StartFailure("the keyring \(databasePath) cannot be opened: \(error)")
        }
    }

    /// Steps 4 and 5 of a resealing whose slots are in force, and the end of one whose are not.
    private func finishResealing(_ slots: UnlockSlots) throws(StartFailure) {
        let files = EpochFiles(directory: directory, keyring: slots.keyring, steps: steps)
        do throws(KeyringFailure) {
            try AtomicFile.destroyIfThere(path: slotsPath + ".old")
            let done = Resealing(directory: directory, revision: slots.revision)
            try files.exchange(suffix: done.suffix)
            try done.exchange(files)
            let given = Resealing(directory: directory, revision: slots.revision + 1)
            given.remove()
            try AtomicFile.destroyIfThere(path: files.path(.current) + given.suffix)
        } catch {
            throw StartFailure(error)
        }
    }

    /// Slots and database name each other: the database the writing of the slots it knows, the slots the master key.
    private func check(_ meta: KeyringMeta, _ slots: UnlockSlots) throws(StartFailure) {
        guard meta.keyring == slots.keyring, meta.master == slots.masterGeneration else {
            throw StartFailure("\(Self.slotsName) and \(KeyringFile.name) do not belong together")
        }
        // One ahead: a crash between the writing of the slots and the row that remembers it.
        guard slots.revision == meta.slots || slots.revision == meta.slots + 1 || acceptsRestored else {
            let older = slots.revision < meta.slots ? Self.slotsName : KeyringFile.name
            throw StartFailure(
                .older(file: older, "the slots were written \(slots.revision) times, and \(meta.slots) are remembered"))
        }
    }

    private static func damaged(_ path: String) -> StartFailure {
        StartFailure("\(path) is damaged", hint: "put it back from where the keyring is kept")
    }
}

extension StartFailure {
    /// Why the store does not start, and for an older copy the way out.
    init(_ failure: KeyringFailure) {
        guard case .older = failure else {
            self.init("the keyring cannot be opened: \(failure)")
            return
        }
        self.init(
            failure.description,
            hint: """
                put the newest copy back; if there is none, `gatehouse store accept-restored` takes the files as they are, \
                and what was revoked or changed since the older copy is undone
                """)
    }
}

extension Keyring {
    /// Finishes what a crash interrupted.
    fileprivate func resume(_ meta: KeyringMeta) throws(KeyringFailure) {
        let revision = material.withLock { $0.slots.revision }
        if revision != meta.slots {
            try writer.run { connection throws(KeyringFailure) in
                try failing { () throws(SQLiteError) in
                    try connection.execute("UPDATE keyring_meta SET slots = ?", revision)
                }
            }
        }
        if meta.nextEpoch != nil {
            _ = try roll()
        } else {
            _ = try moveTenants()
        }
        try sweepObjectsOfDeletedTenants()
    }
}

/// Which key each file of an epoch must hold, by what the keyring says, and what is left to do after a crash.
struct EpochRecovery {
    let files: EpochFiles
    let master: MasterKey
    let meta: KeyringMeta

    /// The keys that are in force: one, or two in the middle of a roll.
    func keys() throws(KeyringFailure) -> [Int: EpochKey] {
        guard let current = try files.read(.current, master: master) else {
            throw .refused("\(files.path(.current)) is missing: put the newest one back")
        }
        if current.number == meta.epoch - 1, let next = try files.read(.next, master: master), next.number == meta.epoch
        {
            // The crash was between the keyring's last step and the exchange of the files.
            try check(next, meta.epochCommitment)
            try files.install()
            return [next.number: next]
        }
        try check(current, meta.epochCommitment)
        try files.destroy(.old)
        guard let number = meta.nextEpoch, let commitment = meta.nextCommitment else {
            // One that no tenant has moved to.
            try files.destroy(.next)
            return [current.number: current]
        }
        guard let next = try files.read(.next, master: master), next.number == number else {
            throw .refused("\(files.path(.next)) is missing in the middle of a roll: put it back")
        }
        guard next.commitment(keyring: files.keyring) == commitment else { throw .damaged(files.path(.next)) }
        return [current.number: current, number: next]
    }

    /// A key of another epoch than the keyring's is an older copy, of one or of the other.
    private func check(_ key: EpochKey, _ commitment: [UInt8]) throws(KeyringFailure) {
        guard key.number >= meta.epoch else {
            throw .older(file: EpochFiles.name, "it holds epoch \(key.number), and \(meta.epoch) is in force")
        }
        guard key.number == meta.epoch else {
            throw .older(
                file: KeyringFile.name, "it is at epoch \(meta.epoch), and \(EpochFiles.name) at \(key.number)")
        }
        guard key.commitment(keyring: files.keyring) == commitment else { throw .damaged(files.path(.current)) }
    }
}
