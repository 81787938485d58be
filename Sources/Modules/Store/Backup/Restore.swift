// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
package import Platform
import SQLite

// A restore, step by step; until the last rename the directory is none that a server would open:
//
//     1  the data directory is locked, and has nothing in it
//     2  every file is copied to data/restoring and compared with its manifest on the way
//     3  the keyring is opened there with the root key; it must have written both manifests, and not before the data
//     4  control.db and every tenant's file are opened there and read through
//     5  tenants that were deleted since are marked so; the next start finishes that
//     6  the files are moved up, keyring.slots last
//
// The keys are the newest there are, not those of the day of the backup. So what was erased since has no key, and its rows
// are deleted when the tenant's file is first opened (`TenantStore.onRestore`).

/// What a restore has done.
package struct RestoreReport: Sendable {
    /// The copy that was taken, and when it was made.
    package let name: String
    package let createdAt: WallTime
    /// When its keys were last copied: what was erased after that is there again.
    package let keysAt: WallTime
    package let bytes: Int
    package let tenants: Int
    /// Tenants of the copy that were deleted since.
    package let deletedTenants: Int
}

/// Puts a backup into an empty data directory. Overwrites nothing.
struct Restore {
    let directory: DataDirectory
    let place: BackupPlace
    let unlock: [UnlockSource]
    /// Told of each file that is begun, how many there are, and each piece of it in bytes.
    let progress: (_ file: String, _ files: Int, _ bytes: Int) -> Void

    private static let stageName = "restoring"
    private var stage: String { "\(directory.path)/\(Self.stageName)" }

    /// - Parameter name: of the copy; the newest where there is none.
    func run(_ name: String?) throws(StartFailure) -> RestoreReport {
        try directory.prepare()
        let lock = try directory.lock()
        defer { withExtendedLifetime(lock) {} }
        do throws(BackupFailure) {
            try requireEmpty()
            let keys = try FoundManifest(path: "\(place.keys)/\(BackupManifest.fileName)")
            let data = try FoundManifest(path: "\(place.directory(try chosen(name)))/\(BackupManifest.fileName)")
            let deleted = try opened(keys, data)
            try publish()
            return RestoreReport(
                name: data.manifest.name, createdAt: data.manifest.createdAt, keysAt: keys.manifest.createdAt,
                bytes: data.manifest.bytes, tenants: data.manifest.files.count - 1, deletedTenants: deleted)
        } catch {
            throw StartFailure(error)
        }
    }

    /// Steps 2 to 5, of which nothing stays where they fail.
    private func opened(_ keys: FoundManifest, _ data: FoundManifest) throws(BackupFailure) -> Int {
        do throws(BackupFailure) {
            try copy(keys.manifest, data.manifest)
            return try open(keys, data)
        } catch {
            try? Directory.remove(stage)
            throw error
        }
    }

    // MARK: 1

    private func requireEmpty() throws(BackupFailure) {
        var names = try Directory.names(in: directory.path)
        if names.contains(Self.stageName), !names.contains(KeyringOpening.slotsName) {
            // A restore was killed in the middle of step 6: what is here besides was moved up by it.
            for name in Self.entries.dropLast() { try remove("\(directory.path)/\(name)") }
            try Directory.remove(stage)
            names = try Directory.names(in: directory.path)
        }
        var allowed: Set = ["lost+found", "admin.sock"]
        let inside = directory.path + "/"
        if place.path.hasPrefix(inside) { allowed.insert(String(place.path.dropFirst(inside.count))) }
        let strangers = names.filter { !allowed.contains($0) }.sorted()
        guard strangers.isEmpty else {
            throw .refused(
                "the data directory \(directory.path) is not empty: it has \(strangers.prefix(5).joined(separator: ", "))",
                hint: "a restore overwrites nothing: move the directory away, or name another `data`")
        }
    }

    private func remove(_ path: String) throws(BackupFailure) {
        try BackupFailure.file(path) { () throws(Errno) in
            do throws(Errno) {
                try Errno.check { unsafe unlink(path) }
            } catch .noSuchFile {
            } catch .isDirectory {}
        }
        if (try? FileStatus(path: path)) != nil { try Directory.remove(path) }
    }

    private func chosen(_ name: String?) throws(BackupFailure) -> String {
        let names = try place.names()
        guard let newest = names.last else {
            throw .refused("there is no backup at \(place.path)", hint: "--from DIRECTORY names another place")
        }
        guard let name else { return newest }
        guard names.contains(name) else {
            throw .refused(
                "there is no backup \(name) at \(place.path)", hint: "gatehouse backup list shows what there is")
        }
        return name
    }

    // MARK: 2

    private func copy(_ keys: BackupManifest, _ data: BackupManifest) throws(BackupFailure) {
        guard Set(keys.files.map(\.name)) == Set(KeysCopy.names),
            data.files.contains(where: { $0.name == OpenStore.control })
        else { throw .damaged(file: place.keys, "its manifest does not name what belongs there") }
        for path in [stage, "\(stage)/tenants"] {
            _ = try BackupFailure.file(path) { () throws(Errno) in
                try AtomicFile.makeDirectory(path: path, mode: 0o700)
            }
        }
        let count = keys.files.count + data.files.count
        for file in keys.files { try copy(file, from: place.keys, count) }
        for file in data.files { try copy(file, from: place.directory(data.name), count) }
    }

    private func copy(_ file: BackupManifest.File, from source: String, _ count: Int) throws(BackupFailure) {
        let path = "\(source)/\(file.name)"
        progress(path, count, 0)
        let size = try? FileStatus(path: path, followingLinks: false).size
        guard let size else { throw .damaged(file: path, "it is missing") }
        guard size == file.bytes else {
            throw .damaged(file: path, "it has \(size) bytes where its manifest says \(file.bytes)")
        }
        let digest = try FileCopy.copy(path, bytes: file.bytes, to: "\(stage)/\(file.name)") {
            progress(path, count, $0)
        }
        guard digest == file.digest else { throw .damaged(file: path, "its SHA-256 is not what its manifest says") }
    }

    // MARK: 3 to 5

    /// The number of tenants that were deleted since.
    private func open(_ keys: FoundManifest, _ data: FoundManifest) throws(BackupFailure) -> Int {
        let keyring: Keyring
        do throws(StartFailure) {
            keyring = try KeyringOpening(directory: stage, unlock: unlock, makesKeyFile: false).open()
        } catch {
            throw .refused(error.message, hint: error.hint)
        }
        defer { keyring.close() }
        let mac = try BackupFailure.keyring { () throws(KeyringFailure) in try keyring.manifestKey() }
        let (keys, data) = (try keys.trusted(mac), try data.trusted(mac))
        guard data.generation <= keys.generation else {
            throw .refused(
                "the keys at \(place.keys) are older than the backup \(data.name): what it holds cannot all be opened",
                hint: "put the newest copy of the keys there")
        }
        let tenants = try BackupFailure.keyring { () throws(KeyringFailure) in
            try keyring.acceptRestored()
            return Set(try keyring.tenantIDs())
        }
        let deleted = try checkControl(keyring, tenants)
        let files = KeyringOfTenants(keyring)
        for file in data.files {
            guard let tenant = TenantPaths.tenant(of: file.name), tenants.contains(tenant) else { continue }
            try check(file.name) { () throws(SQLiteError) in
                try files.openFile(
                    at: "\(stage)/\(file.name)", of: tenant, options: SQLiteOptions(), mayCreate: false)
            }
        }
        return deleted
    }

    private func checkControl(_ keyring: Keyring, _ tenants: Set<TenantID>) throws(BackupFailure) -> Int {
        let (keys, identity) = try BackupFailure.keyring { () throws(KeyringFailure) in try keyring.controlKeys() }
        let file = SealedFile(path: "\(stage)/\(OpenStore.control)", keys: keys, identity: identity)
        var deleted = 0
        try check(OpenStore.control) { () throws(SQLiteError) in
            let connection = try file.connect()
            try TenantTables.noteRestore(at: .now(), in: connection)
            try connection.transaction { () throws(SQLiteError) in
                for row in try TenantTables.tenants(in: connection) where !tenants.contains(row.tenant.id) {
                    try TenantTables.markDeleting(row.tenant.id, in: connection)
                    deleted += 1
                }
            }
            return connection
        }
        return deleted
    }

    private func check(_ name: String, _ open: () throws(SQLiteError) -> SQLiteConnection) throws(BackupFailure) {
        do throws(SQLiteError) {
            let connection = try open()
            let check = FileCheck.run(name, on: connection)
            guard let problem = check.problems.first else { return try connection.checkpoint() }
            throw SQLiteError(.corrupt, message: problem.message, subject: name)
        } catch {
            throw .damaged(file: name, "\(error)")
        }
    }

    // MARK: 6

    /// In this order: without the slots nothing else is taken for a store.
    private static let entries = [
        "tenants", OpenStore.control, KeyringFile.name, EpochFiles.name, KeyringOpening.slotsName,
    ]

    private func publish() throws(BackupFailure) {
        for name in Self.entries {
            let target = "\(directory.path)/\(name)"
            try BackupFailure.file(target) { () throws(Errno) in
                try Errno.check { unsafe rename("\(stage)/\(name)", target) }
                try AtomicFile.flushDirectory(of: target)
            }
        }
        try Directory.remove(stage)
    }
}
