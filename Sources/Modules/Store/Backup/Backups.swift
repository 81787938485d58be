// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Log
import Platform
import SQLite
import Synchronization

/// Makes backups of a store that serves, and keeps the copy of its keys the newest.
final class Backups: Sendable {
    let place: BackupPlace
    private let keyring: Keyring
    private let control: DatabaseThread
    private let tenants: Tenants
    private let log: Logger
    /// One at a time writes to the place.
    private let turn = Mutex(())
    private let progress = Mutex(Progress())
    private let kept = Mutex(Kept())

    /// How far a backup under way is.
    struct Progress: Sendable {
        var files = 0
        var filesTotal = 0
        var bytes = 0
    }

    /// What the copy of the keys was made of, as far as this process knows.
    private struct Kept {
        var stamp = Keyring.Stamp(epoch: 0, slots: 0)
        var hasComplained = false
    }

    init(place: BackupPlace, keyring: Keyring, control: DatabaseThread, tenants: Tenants, log: Logger) {
        self.place = place
        self.keyring = keyring
        self.control = control
        self.tenants = tenants
        self.log = log
    }

    var state: Progress { progress.withLock { $0 } }

    // MARK: A copy

    /// Copies everything, beside the work on it. Blocks for as long as that takes.
    ///
    /// Each file is of one moment. control.db is the first and the keys are the last: so there is a file for every tenant that
    /// is in it, and a key for all that is in the files.
    func create(at time: WallTime = .now()) throws(BackupFailure) -> BackupManifest {
        try turn.withLock { _ throws(BackupFailure) in
            progress.withLock { $0 = Progress() }
            try place.prepare()
            let (name, path) = try place.begin(at: time)
            do throws(BackupFailure) {
                let files = try copyData(to: path)
                let keys = try keepKeys(at: time)
                let manifest = BackupManifest(
                    name: name, createdAt: time, keyring: keys.keyring, generation: keys.generation, epoch: keys.epoch,
                    slots: keys.slots, files: files)
                try manifest.write(
                    to: path, try BackupFailure.keyring { () throws(KeyringFailure) in try keyring.manifestKey() })
                try place.publish(name)
                return manifest
            } catch {
                // If this fails too, the next one removes it.
                try? Directory.remove(path)
                throw error
            }
        }
    }

    private func copyData(to path: String) throws(BackupFailure) -> [BackupManifest.File] {
        let snapshot = try BackupFailure.database(OpenStore.control) { () throws(DatabaseFailure) in
            try control.snapshot()
        }
        let tenants = try tenants(in: snapshot)
        progress.withLock { $0.filesTotal = tenants.count + 1 + KeysCopy.names.count }
        var files = [try copy(snapshot, as: OpenStore.control, to: path)]
        for tenant in tenants {
            let name = "tenants/\(tenant.text).db"
            let snapshot: FileSnapshot
            do throws(DatabaseFailure) {
                snapshot = try self.tenants.snapshot(of: tenant)
            } catch .gone {
                // Deleted meanwhile. Its keys are not in the copy of the keys, and a restore finishes the deletion.
                continue
            } catch {
                throw .database(file: name, error)
            }
            files.append(try copy(snapshot, as: name, to: path))
        }
        return files
    }

    /// Those whose making is finished and whose deletion has not begun.
    private func tenants(in snapshot: FileSnapshot) throws(BackupFailure) -> [TenantID] {
        do throws(SQLiteError) {
            return try snapshot.read { connection throws(SQLiteError) in
                try TenantTables.tenants(in: connection).filter { !$0.isPartial }.map(\.tenant.id)
            }
        } catch {
            throw .database(file: OpenStore.control, .failed(error))
        }
    }

    private func copy(
        _ snapshot: FileSnapshot, as name: String, to path: String
    ) throws(BackupFailure) -> BackupManifest.File {
        let digest = try FileCopy.copy(
            snapshot.path, bytes: snapshot.bytes, to: "\(path)/\(name)", progress: { advance($0) })
        progress.withLock { $0.files += 1 }
        return .init(name: name, bytes: snapshot.bytes, digest: digest)
    }

    private func advance(_ bytes: Int) { progress.withLock { $0.bytes += bytes } }

    // MARK: The keys

    private func keepKeys(at time: WallTime) throws(BackupFailure) -> BackupManifest {
        let manifest = try KeysCopy(place: place, keyring: keyring).make(at: time) { advance($0) }
        progress.withLock { $0.files += KeysCopy.names.count }
        kept.withLock { $0 = Kept(stamp: .init(epoch: manifest.epoch, slots: manifest.slots)) }
        return manifest
    }

    /// Makes the copy of the keys anew where a roll, a rotation or a change of slots has left it behind: its epoch key opens
    /// what was erased, and its slots know secrets that were taken away. Where nothing was ever backed up, nothing happens.
    func refreshKeys() {
        do throws(BackupFailure) {
            let now = try BackupFailure.keyring { () throws(KeyringFailure) in try keyring.stamp() }
            guard kept.withLock({ $0.stamp != now }), (try? FileStatus(path: place.keys)) != nil else { return }
            // While a backup is being made, that will do it.
            _ = try turn.withLockIfAvailable { _ throws(BackupFailure) in try keepKeys(at: .now()) }
        } catch {
            complain(error)
        }
    }

    /// The copies there are, the oldest first.
    func list() throws(BackupFailure) -> [BackupManifest] { try place.manifests() }

    /// Said once; it is tried again at each look.
    private func complain(_ failure: BackupFailure) {
        let isNew = kept.withLock { kept in
            defer { kept.hasComplained = true }
            return !kept.hasComplained
        }
        guard isNew else { return }
        log.error(
            "the copy of the keys beside the backups is not the newest: what was erased can still be read with it",
            ["directory": .string(place.keys), "cause": .string(failure.message)])
    }
}

extension Keyring {
    /// What makes an older copy of the keys dangerous to keep.
    struct Stamp: Equatable, Sendable {
        let epoch: Int
        let slots: Int
    }

    func stamp() throws(KeyringFailure) -> Stamp {
        let meta = try read { connection throws(KeyringFailure) in try self.meta(connection) }
        return Stamp(epoch: meta.epoch, slots: meta.slots)
    }
}

extension Tenants {
    /// How long a copy waits for whoever reads the file, and how often.
    private static let (patience, tries) = (useconds_t(50_000), 200)

    /// A tenant's file as it stands. Blocks, never on a loop or a store thread.
    func snapshot(of tenant: TenantID) throws(DatabaseFailure) -> FileSnapshot {
        guard let thread = try? running().thread(of: tenant) else { throw .busy }
        guard index[tenant] != nil else { throw .gone }
        var tries = Self.tries
        while true {
            do throws(DatabaseFailure) {
                return try thread.runBlocking(for: tenant) { file throws(SQLiteError) in try file.snapshot() }
            } catch .busy where tries > 0 {
                // Somebody reads an old state of the file, and its log must wait.
                tries -= 1
                usleep(Self.patience)
            } catch {
                // A tenant's keys go before its file is closed for good.
                throw index[tenant] == nil ? .gone : error
            }
        }
    }
}
