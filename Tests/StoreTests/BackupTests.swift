// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Glibc
import Log
import Platform
import SQLite
import Support
import Synchronization
import Testing

@testable import Store

/// Backups of a store that is being written to, and what is refused instead of restored.
@Suite(.serialized) struct BackupTests {
    private let place: BackupPlace
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        place = BackupPlace(path: directory("backup"))
    }

    // MARK: What a store of these tests holds

    private static let cell = Cell(table: "notes", column: "text", row: "1")

    private func open(_ directory: TemporaryDirectory) throws -> TenantHarness {
        let harness = try TenantHarness(in: directory)
        harness.tenants.onRestore { transaction throws(SQLiteError) in
            let owners = try transaction.connection.query("SELECT DISTINCT owner FROM notes") {
                row throws(SQLiteError) in
                try row.text(0)
            }
            for owner in owners where try transaction.isErased(ObjectID(owner)) {
                try transaction.connection.execute("DELETE FROM notes WHERE owner = ?", owner)
            }
        }
        return harness
    }

    private func backups(_ harness: TenantHarness) -> Backups {
        Backups(
            place: place, keyring: harness.keyring, control: harness.control, tenants: harness.tenants, log: .disabled)
    }

    /// Writes content under a new key.
    private func add(_ object: String, _ database: any TenantDatabase) throws {
        try onLoop { _ in
            try await database.write { transaction throws(SQLiteError) in
                let id = ObjectID(object)
                try transaction.createKey(of: id)
                let sealed = try transaction.seal(Array(object.utf8), in: Self.cell, of: id)
                try transaction.connection.execute("INSERT INTO notes (owner, text) VALUES (?, ?)", object, sealed)
            }
        }
    }

    private func erase(_ object: String, _ database: any TenantDatabase) throws {
        try onLoop { _ in
            try await database.write { transaction throws(SQLiteError) in
                try transaction.connection.execute("DELETE FROM notes WHERE owner = ?", object)
                try transaction.erase(ObjectID(object))
            }
        }
    }

    /// The objects there are; each must open.
    private func objects(_ database: any TenantDatabase) throws -> [String] {
        try onLoop { _ in
            try await database.read { transaction throws(SQLiteError) in
                try transaction.connection.query("SELECT owner, text FROM notes ORDER BY id") {
                    row throws(SQLiteError) in
                    let object = try row.text(0)
                    let plain = try transaction.open(try row.blob(1), in: Self.cell, of: ObjectID(object))
                    guard plain == Array(object.utf8) else {
                        throw SQLiteError(.mistake, message: "another content", subject: object)
                    }
                    return object
                }
            }
        }
    }

    /// Restores into a directory of its own, with the root key beside.
    private func restore(_ name: String? = nil, rootKeyOf source: TemporaryDirectory) throws -> TemporaryDirectory {
        let target = try TemporaryDirectory()
        _ = try run(name, to: target, rootKeyOf: source)
        try AtomicFile.write(
            path: target("root.key"), bytes: AtomicFile.read(path: source("root.key"), bytesMax: 1024), mode: 0o400)
        return target
    }

    private func run(
        _ name: String? = nil, to target: TemporaryDirectory, rootKeyOf source: TemporaryDirectory
    ) throws -> RestoreReport {
        try Restore(
            directory: DataDirectory(path: target.path), place: place, unlock: [.file(source("root.key"))],
            progress: { _, _, _ in }
        ).run(name)
    }

    private func refusal(
        _ name: String? = nil, to target: TemporaryDirectory? = nil, rootKeyOf source: TemporaryDirectory
    ) throws -> String? {
        do {
            _ = try run(name, to: try target ?? TemporaryDirectory(), rootKeyOf: source)
            return nil
        } catch let failure as StartFailure {
            return failure.message
        }
    }

    // MARK: Whole

    @Test func `a backup made under load has everything from before it, and opens`() throws {
        let source = try TemporaryDirectory()
        let harness = try open(source)
        defer { harness.stop() }
        let databases = try ["acme", "globex", "initech"].map { try harness.database($0) }
        for database in databases { for number in 0..<5 { try add("thr_before\(number)", database) } }
        let isOver = Atomic(false)
        let said = Mutex<[Set<String>]>([[], [], []])
        let made = Mutex<BackupManifest?>(nil)
        let failure = Mutex<String?>(nil)
        try withThreads(4) { thread in
            do {
                if thread == 3 {
                    defer { isOver.store(true, ordering: .sequentiallyConsistent) }
                    // While the others write.
                    while failure.withLock({ $0 == nil }), said.withLock({ $0.contains { $0.count < 3 } }) {
                        usleep(1000)
                    }
                    let manifest = try backups(harness).create()
                    made.withLock { $0 = manifest }
                    return
                }
                var number = 0
                while !isOver.load(ordering: .sequentiallyConsistent) {
                    let object = "thr_during\(number)"
                    try add(object, databases[thread])
                    if made.withLock({ $0 == nil }) { said.withLock { _ = $0[thread].insert(object) } }
                    number += 1
                }
            } catch {
                failure.withLock { $0 = "\(error)" }
            }
        }
        #expect(failure.withLock { $0 } == nil)
        try #require(made.withLock { $0 } != nil)
        for database in databases { try add("thr_after", database) }
        let target = try restore(rootKeyOf: source)
        let restored = try open(target)
        defer { restored.stop() }
        for name in ["acme", "globex", "initech"] {
            let objects = try objects(try restored.database(name))
            #expect(objects.prefix(5) == ["thr_before0", "thr_before1", "thr_before2", "thr_before3", "thr_before4"])
            #expect(!objects.contains("thr_after"))
            // One moment: what was written later is not there without what was written before it.
            let during = objects.dropFirst(5)
            #expect(Array(during) == during.indices.map { "thr_during\($0 - 5)" })
            #expect(during.count >= 1)
        }
        // The restored store goes on.
        try add("thr_new", try restored.database("acme"))
    }

    @Test func `the files of a backup are its owner's alone, and a second one stands beside the first`() throws {
        let source = try TemporaryDirectory()
        let harness = try open(source)
        defer { harness.stop() }
        try add("thr_1", try harness.database("acme"))
        let time = try #require(WallTime(rfc3339: "2026-11-21T08:40:00Z"))
        let names = try (0..<3).map { _ in try backups(harness).create(at: time).name }
        #expect(names == ["20261121T084000Z", "20261121T084000Z-2", "20261121T084000Z-3"])
        #expect(try place.names() == names)
        #expect(Set(try Directory.names(in: place.path)) == Set(names + ["keys"]))
        for name in ["keys/keyring.db", "keys/manifest", "\(names[0])/control.db", "\(names[0])/manifest"] {
            #expect(try FileStatus(path: "\(place.path)/\(name)").mode & 0o777 == 0o600)
        }
        #expect(try FileStatus(path: place.path).mode & 0o777 == 0o700)
    }

    @Test func `what an attempt left that was killed is removed by the next`() throws {
        let source = try TemporaryDirectory()
        let harness = try open(source)
        defer { harness.stop() }
        try add("thr_1", try harness.database("acme"))
        try place.prepare()
        let (_, path) = try place.begin(at: .now())
        try AtomicFile.write(path: "\(path)/tenants/ten_x.db", bytes: [1], mode: 0o600)
        try AtomicFile.write(path: "\(try place.beginKeys())/epoch.key", bytes: [1], mode: 0o600)
        let name = try backups(harness).create().name
        #expect(Set(try Directory.names(in: place.path)) == [name, "keys"])
    }

    // MARK: What was deleted

    @Test func `what was erased after a backup is not brought back by it`() throws {
        let source = try TemporaryDirectory()
        let harness = try open(source)
        defer { harness.stop() }
        let acme = try harness.database("acme")
        try add("thr_kept", acme)
        try add("thr_erased", acme)
        _ = try harness.database("globex")
        let first = try backups(harness).create().name
        let keysOfThen = try KeysCopy.names.map {
            ($0, try AtomicFile.read(path: "\(place.keys)/\($0)", bytesMax: 1 << 24))
        }
        let manifestOfThen = try AtomicFile.read(path: "\(place.keys)/manifest", bytesMax: 1 << 24)
        try erase("thr_erased", acme)
        try onLoop { _ in try await harness.tenants.delete(try #require(harness.tenants.find("globex")).id) }
        _ = try backups(harness).create()
        let restored = try open(try restore(first, rootKeyOf: source))
        #expect(try objects(try restored.database("acme")) == ["thr_kept"])
        #expect(restored.tenants.find("globex") == nil)
        restored.stop()
        // The control: with keys that somebody kept from then, it is all there. So the keys have one place.
        for (name, bytes) in keysOfThen {
            try AtomicFile.write(path: "\(place.keys)/\(name)", bytes: bytes, mode: 0o600)
        }
        try AtomicFile.write(path: "\(place.keys)/manifest", bytes: manifestOfThen, mode: 0o600)
        let revived = try open(try restore(first, rootKeyOf: source))
        #expect(try objects(try revived.database("acme")) == ["thr_kept", "thr_erased"])
        #expect(revived.tenants.find("globex") != nil)
        revived.stop()
    }

    @Test func `a roll overwrites the keys beside the backups, and what was erased is out of reach there too`() throws {
        let source = try TemporaryDirectory()
        let harness = try open(source)
        defer { harness.stop() }
        let acme = try harness.database("acme")
        try add("thr_erased", acme)
        let backups = backups(harness)
        _ = try backups.create()
        let old = try AtomicFile.read(path: "\(place.keys)/epoch.key", bytesMax: 1024)
        backups.refreshKeys()
        #expect(try AtomicFile.read(path: "\(place.keys)/epoch.key", bytesMax: 1024) == old)
        try erase("thr_erased", acme)
        _ = try harness.keyring.roll()
        backups.refreshKeys()
        #expect(try AtomicFile.read(path: "\(place.keys)/epoch.key", bytesMax: 1024) != old)
        let restored = try open(try restore(rootKeyOf: source))
        #expect(try objects(try restored.database("acme")) == [])
        restored.stop()
    }

    // MARK: Refused

    enum Harm: String, CaseIterable {
        case truncated, flipped, swapped, missing
    }

    @Test(arguments: Harm.allCases)
    func `a file of a backup that was harmed is named`(_ harm: Harm) throws {
        let source = try TemporaryDirectory()
        let harness = try open(source)
        for name in ["acme", "globex"] { try add("thr_1", try harness.database(name)) }
        let manifest = try backups(harness).create()
        harness.stop()
        let data = manifest.files.map { "\(manifest.name)/\($0.name)" }
        let keys = KeysCopy.names.map { "keys/\($0)" }
        for file in data + keys + ["\(manifest.name)/manifest", "keys/manifest"] {
            let path = "\(place.path)/\(file)"
            let bytes = try AtomicFile.read(path: path, bytesMax: 1 << 24)
            switch harm {
            case .truncated:
                try AtomicFile.write(path: path, bytes: Array(bytes.dropLast(bytes.count / 2)), mode: 0o600)
            case .flipped:
                var bytes = bytes
                bytes[bytes.count / 2] ^= 1
                try AtomicFile.write(path: path, bytes: bytes, mode: 0o600)
            case .swapped:
                let other = file == data[1] ? data[2] : data[1]
                try AtomicFile.write(
                    path: path, bytes: AtomicFile.read(path: "\(place.path)/\(other)", bytesMax: 1 << 24), mode: 0o600)
            case .missing: unsafe _ = unlink(path)
            }
            let target = try TemporaryDirectory()
            let refusal = try #require(try refusal(to: target, rootKeyOf: source), "\(file) \(harm)")
            #expect(refusal.contains(file), "\(file) \(harm): \(refusal)")
            #expect(TemporaryDirectory.names(of: target.path) == [], "\(file) \(harm)")
            try AtomicFile.write(path: path, bytes: bytes, mode: 0o600)
        }
        #expect(try refusal(rootKeyOf: source) == nil)
    }

    /// Somebody without the keys who changes a file can write a manifest that fits it, but not its code.
    @Test func `a manifest that was written anew without the keys is refused`() throws {
        let source = try TemporaryDirectory()
        let harness = try open(source)
        try add("thr_1", try harness.database("acme"))
        let manifest = try backups(harness).create()
        harness.stop()
        let path = "\(place.path)/\(manifest.name)/manifest"
        var files = manifest.files
        files.removeLast()
        let forged = BackupManifest(
            name: manifest.name, createdAt: manifest.createdAt, keyring: manifest.keyring,
            generation: manifest.generation, epoch: manifest.epoch, slots: manifest.slots, files: files)
        try AtomicFile.write(
            path: path, bytes: forged.serialized(.init(key: SecretBytes(randomCount: 32))), mode: 0o600)
        #expect(try #require(try refusal(rootKeyOf: source)).contains("was not written by this keyring"))
    }

    @Test func `keys that are older than the data are refused`() throws {
        let source = try TemporaryDirectory()
        let harness = try open(source)
        let acme = try harness.database("acme")
        try add("thr_1", acme)
        let backups = backups(harness)
        _ = try backups.create()
        let names = KeysCopy.names + ["manifest"]
        let old = try names.map { ($0, try AtomicFile.read(path: "\(place.keys)/\($0)", bytesMax: 1 << 24)) }
        try add("thr_2", acme)
        let newest = try backups.create().name
        harness.stop()
        for (name, bytes) in old { try AtomicFile.write(path: "\(place.keys)/\(name)", bytes: bytes, mode: 0o600) }
        #expect(try #require(try refusal(rootKeyOf: source)).contains("are older than the backup \(newest)"))
    }

    @Test func `nothing is overwritten, and a directory in use is left alone`() throws {
        let source = try TemporaryDirectory()
        let harness = try open(source)
        try add("thr_1", try harness.database("acme"))
        _ = try backups(harness).create()
        let live = try DataDirectory(path: source.path).lock()
        #expect(try #require(try refusal(to: source, rootKeyOf: source)).contains("another gatehouse uses"))
        withExtendedLifetime(live) {}
        harness.stop()
        let target = try restore(rootKeyOf: source)
        #expect(try #require(try refusal(to: target, rootKeyOf: source)).contains("is not empty"))
        let stranger = try TemporaryDirectory()
        try AtomicFile.write(path: stranger("letter.txt"), bytes: [1], mode: 0o600)
        #expect(try #require(try refusal(to: stranger, rootKeyOf: source)).contains("it has letter.txt"))
        #expect(try refusal("20200101T000000Z", rootKeyOf: source)?.contains("there is no backup") == true)
    }

    @Test func `another root key opens no backup`() throws {
        let source = try TemporaryDirectory()
        let harness = try open(source)
        try add("thr_1", try harness.database("acme"))
        _ = try backups(harness).create()
        harness.stop()
        try AtomicFile.write(path: source("root.key"), bytes: Random.bytes(32), mode: 0o400)
        #expect(try #require(try refusal(rootKeyOf: source)).contains("is not the root key"))
    }

    /// A crash while the files are moved up: the next restore begins again, and a server takes none of it for a store.
    @Test func `a restore that was killed is begun again`() throws {
        let source = try TemporaryDirectory()
        let harness = try open(source)
        try add("thr_1", try harness.database("acme"))
        _ = try backups(harness).create()
        harness.stop()
        let target = try restore(rootKeyOf: source)
        // As it is before the last rename.
        try AtomicFile.makeDirectory(path: target("restoring"), mode: 0o700)
        unsafe _ = rename(target("keyring.slots"), target("restoring/keyring.slots"))
        unsafe _ = unlink(target("root.key"))
        #expect(throws: StartFailure.self) {
            try KeyringOpening(directory: target.path, unlock: [.file(source("root.key"))], makesKeyFile: false).open()
        }
        #expect(try refusal(to: target, rootKeyOf: source) == nil)
        #expect(!TemporaryDirectory.names(of: target.path).contains("restoring"))
    }
}
