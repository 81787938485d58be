// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import SQLite
import Synchronization

extension Keyring {
    /// The label of the key under which manifests are written.
    static let backupLabel = "backup"

    /// The key of manifests.
    func manifestKey() throws(KeyringFailure) -> HMACSHA256 {
        let keys = try dataKeys(Self.backupLabel)
        guard let newest = keys.max(by: { $0.key < $1.key }) else { throw .damaged("the key \(Self.backupLabel)") }
        return HMACSHA256(key: newest.value)
    }

    /// Runs `body` while slots, epoch and database stay as they are, with the database standing still.
    func withSnapshot<Result>(
        _ body: (FileSnapshot) throws(BackupFailure) -> Result
    ) throws(BackupFailure) -> Result {
        try maintenance.withLock { _ throws(BackupFailure) in
            try body(try BackupFailure.keyring { () throws(KeyringFailure) in try snapshot() })
        }
    }

    private func snapshot() throws(KeyringFailure) -> FileSnapshot {
        let made = Mutex<FileSnapshot?>(nil)
        try writer.runAlone { [self] connection throws(KeyringFailure) in
            // No read goes on meanwhile: one would keep the log from being emptied.
            let snapshot = try reader.withLock { _ throws(KeyringFailure) in
                try failing { () throws(SQLiteError) in
                    guard let file = SealedFile.of(connection) else {
                        throw SQLiteError(.mistake, message: "it is not sealed", subject: KeyringFile.name)
                    }
                    return try FileSnapshot(connection) { () throws(SQLiteError) in try file.connect() }
                }
            }
            made.withLock { $0 = snapshot }
        }
        guard let snapshot = made.withLock({ $0 }) else { throw .stopped }
        return snapshot
    }
}

/// The copy of the keys in the place of backups: one, overwritten each time.
struct KeysCopy: Sendable {
    let place: BackupPlace
    let keyring: Keyring

    static let names = [KeyringOpening.slotsName, EpochFiles.name, KeyringFile.name]

    /// Puts the keys as they are now in the place of those that are there, which are destroyed.
    func make(at time: WallTime, progress: (Int) -> Void) throws(BackupFailure) -> BackupManifest {
        // Made before the copy, if it is the first, so that it is in it.
        let mac = try BackupFailure.keyring { () throws(KeyringFailure) in try keyring.manifestKey() }
        let target = try place.beginKeys()
        let manifest = try keyring.withSnapshot { snapshot throws(BackupFailure) in
            let meta = try Self.meta(snapshot)
            var files: [BackupManifest.File] = []
            for name in Self.names {
                let path = "\(keyring.directory)/\(name)"
                let bytes = name == KeyringFile.name ? snapshot.bytes : try Self.size(path)
                let digest = try FileCopy.copy(path, bytes: bytes, to: "\(target)/\(name)", progress: progress)
                files.append(.init(name: name, bytes: bytes, digest: digest))
            }
            return BackupManifest(
                name: BackupPlace.keysName, createdAt: time, keyring: keyring.id, generation: meta.generation,
                epoch: meta.epoch, slots: meta.slots, files: files)
        }
        try manifest.write(to: target, mac)
        try place.publishKeys()
        return manifest
    }

    private static func meta(_ snapshot: FileSnapshot) throws(BackupFailure) -> KeyringMeta {
        do throws(SQLiteError) {
            if let meta = try snapshot.read({ connection throws(SQLiteError) in try KeyringMeta.read(connection) }) {
                return meta
            }
        } catch {
            throw .keyring(.failed(error))
        }
        throw .keyring(.damaged(KeyringFile.name))
    }

    private static func size(_ path: String) throws(BackupFailure) -> Int {
        try BackupFailure.file(path) { () throws(Errno) in try FileStatus(path: path).size }
    }
}

extension BackupManifest {
    func write(to directory: String, _ mac: HMACSHA256) throws(BackupFailure) {
        let path = "\(directory)/\(Self.fileName)"
        try BackupFailure.file(path) { () throws(Errno) in
            try AtomicFile.write(path: path, bytes: serialized(mac), mode: 0o600)
        }
    }
}
