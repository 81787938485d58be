// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import Glibc
import Log
import Platform
import SQLite
import Support
import Synchronization
import Testing

@testable import Store

/// The files of a store are sealed, each with its own key: what that means for whoever starts it, uses it, or changes it.
@Suite(.serialized) struct SealedStoreTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    private func store(wear: PageWear.Limits = PageWear.Limits()) throws -> Store {
        let configuration = try Configuration(
            text: """
                mode = "development"
                data = "\(directory("data"))"
                [store]
                unlock = ["file:\(directory("root.key"))"]
                """)
        let section = try #require(try configuration.section("store"))
        return try Store(section, settings: try HouseSettings(configuration), log: .disabled, wear: wear)
    }

    private func refusal() throws -> StartFailure? {
        do {
            let store = try store()
            try store.start()
            store.stop(by: .now())
            return nil
        } catch {
            return try #require(error as? StartFailure)
        }
    }

    private func bytes(_ name: String) throws -> [UInt8] {
        try AtomicFile.read(path: directory("data/\(name)"), bytesMax: 1 << 28)
    }

    private func put(_ bytes: [UInt8], _ name: String) throws {
        try AtomicFile.write(path: directory("data/\(name)"), bytes: bytes, mode: 0o600)
    }

    // MARK: - Worn keys

    /// The generation of the newest page key of each file.
    private func generations(_ store: Store, _ tenant: TenantID) throws -> [String: UInt32] {
        let keyring = try store.opened().keyring
        let file = try keyring.read { connection throws(KeyringFailure) in SealedFile.of(connection) }
        return [
            "control": try keyring.controlKeys().pageKeys.first?.generation ?? 0,
            "keyring": file?.keys.first?.generation ?? 0,
            "tenant": try keyring.tenantKeys(tenant).pageKeys.first?.generation ?? 0,
        ]
    }

    @Test func `the server changes worn page keys of every file by itself`() throws {
        var limits = PageWear.Limits()
        (limits.writesMax, limits.step) = (300, 64)
        let server = try store(wear: limits)
        try server.start()
        defer { server.stop(by: .now()) }
        let tenant = try server.tenants.ensureBlocking(name: "acme").id
        let first = try generations(server, tenant)
        #expect(first.count == 3)
        let deadline = Instant.now() + .seconds(120)
        var now = first
        while !now.allSatisfy({ $0.value > first[$0.key] ?? 0 }), Instant.now() < deadline {
            try server.writeBlocking { connection throws(SQLiteError) in
                try connection.execute("CREATE TABLE IF NOT EXISTS t (a BLOB)")
                for _ in 0..<20 { try connection.execute("INSERT INTO t VALUES (randomblob(3000))") }
            }
            let database = try server.tenants.database(of: tenant, actor: "test")
            try onLoop(within: .seconds(60)) { _ in
                try await database.write { transaction throws(SQLiteError) in
                    try transaction.connection.run(script: "CREATE TABLE IF NOT EXISTS t (a BLOB)")
                    for _ in 0..<20 { try transaction.connection.execute("INSERT INTO t VALUES (randomblob(3000))") }
                }
            }
            for _ in 0..<5 { try server.opened().keyring.createObjectKey(tenant, ObjectID("thr_\(Random.uint64())")) }
            server.renewWornPages()
            now = try generations(server, tenant)
        }
        for (name, generation) in now { #expect(generation > first[name] ?? 0, "\(name)") }
    }

    // MARK: - Starting

    @Test func `a plain database is refused with a way out, and stays as it is`() throws {
        let first = try store()
        try first.start()
        first.stop(by: .now())
        for name in ["control.db", "keyring.db"] {
            let sealed = try bytes(name)
            let plain: [UInt8]
            do {
                let database = try SQLiteConnection(path: directory("plain.db"))
                try database.run(script: "CREATE TABLE IF NOT EXISTS tenants (id TEXT) STRICT")
                try database.checkpoint()
                plain = try AtomicFile.read(path: directory("plain.db"), bytesMax: 1 << 20)
            }
            try put(plain, name)
            let failure = try #require(try refusal())
            #expect(failure.message.contains("\(name) is a plain database"), "\(failure.message)")
            #expect(failure.hint?.contains("another `data`") == true)
            #expect(try bytes(name) == plain)
            try put(sealed, name)
        }
        #expect(try refusal() == nil)
    }

    @Test(arguments: ["control.db", "keyring.db"])
    func `a changed page is named at the start, and so is a file that is gone`(_ name: String) throws {
        let first = try store()
        try first.start()
        first.stop(by: .now())
        let whole = try bytes(name)
        var damaged = whole
        damaged[4096 + 100] ^= 1
        try put(damaged, name)
        // Not every page is read at the start; those that hold the schema are.
        var failure = try refusal()
        if failure == nil {
            damaged[200] ^= 1
            try put(damaged, name)
            failure = try refusal()
        }
        #expect(failure?.message.contains("page ") == true && failure?.message.contains(name) == true)
        #expect(unsafe unlink(directory("data/\(name)")) == 0)
        let missing = try #require(try refusal())
        #expect(missing.message.contains(name) && missing.message.contains("missing"), "\(missing.message)")
        #expect(unsafe access(directory("data/\(name)"), F_OK) != 0)
        try put(whole, name)
        #expect(try refusal() == nil)
    }

    @Test func `two files of one store in each other's place are refused`() throws {
        let first = try store()
        try first.start()
        first.stop(by: .now())
        let (control, keyring) = (try bytes("control.db"), try bytes("keyring.db"))
        try put(keyring, "control.db")
        #expect(try refusal()?.message.contains("control.db") == true)
        try put(control, "control.db")
        try put(control, "keyring.db")
        #expect(try refusal()?.message.contains("keyring.db") == true)
        try put(keyring, "keyring.db")
        #expect(try refusal() == nil)
    }

    // MARK: - Damage

    @Test func `a damaged page makes its tenant unavailable, by name, and no other`() throws {
        let harness = try TenantHarness()
        let (acme, globex) = (try harness.database("acme"), try harness.database("globex"))
        let text = String(repeating: "x", count: 3000)
        try onLoop { _ in
            for _ in 0..<20 {
                try await acme.note(text)
                try await globex.note(text)
            }
        }
        harness.stop()
        let path = TenantPaths.file(of: acme.tenant, in: harness.directory("tenants"))
        let whole = try AtomicFile.read(path: path, bytesMax: 1 << 28)
        var damaged = whole
        let page = whole.count / 4096 - 1
        damaged[(page - 1) * 4096 + 77] ^= 0x10
        try AtomicFile.write(path: path, bytes: damaged, mode: 0o600)
        var again = try TenantHarness(in: harness.directory)
        try onLoop { [again] _ in
            let broken = try again.database("acme")
            do throws(DatabaseFailure) {
                let notes = try await broken.notes()
                Issue.record("it gave \(notes.count) notes")
            } catch {
                guard case .damaged(let file, let number) = error else { throw error }
                #expect(file == path && number == page)
                #expect(Failure(error).cause?.contains("\(path), page \(page)") == true)
            }
            let notes = try await again.database("globex").notes()
            #expect(notes.count == 20)
            try await again.database("globex").note("more")
        }
        again.stop()
        try AtomicFile.write(path: path, bytes: whole, mode: 0o600)
        again = try TenantHarness(in: harness.directory)
        try onLoop { [again] _ in
            let notes = try await again.database("acme").notes()
            #expect(notes.count == 20)
        }
    }

    // MARK: - Page keys

    @Test func `page keys are renewed while tenants write, and the old ones are gone`() throws {
        let harness = try TenantHarness("open_files = 4")
        let (acme, globex) = (try harness.database("acme"), try harness.database("globex"))
        let text = String(repeating: "k", count: 2000)
        try onLoop { _ in
            for _ in 0..<400 { try await acme.note(text) }
            try await globex.note(text)
        }
        let old = try harness.keyring.tenantKeys(acme.tenant).pageKeys
        #expect(old.map(\.generation) == [1])
        let isOver = Atomic(false)
        let writer = try NamedThread.start(name: "writer") {
            try? onLoop { _ in
                while !isOver.load(ordering: .relaxed) {
                    try await acme.note("during")
                    _ = try await acme.notes()
                }
            }
        }
        let changed = Mutex(0)
        for tenant in [acme.tenant, globex.tenant] {
            try harness.tenants.renewPages(of: tenant) { pages in changed.withLock { $0 += pages } }
        }
        isOver.store(true, ordering: .relaxed)
        writer.join()
        #expect(changed.withLock { $0 } > 100)
        let new = try harness.keyring.tenantKeys(acme.tenant)
        #expect(new.pageKeys.map(\.generation) == [2])
        let count = try onLoop { _ in try await acme.notes().count }
        #expect(count > 400)
        harness.stop()
        let path = TenantPaths.file(of: acme.tenant, in: harness.directory("tenants"))
        let scan = try PageScan(SealedFile(path: path, keys: new.pageKeys, identity: new.identity))
        #expect(scan.damage == [] && Array(scan.generations.keys) == [2])
        // The control: with the old key nothing of it opens.
        #expect(try PageScan(SealedFile(path: path, keys: old, identity: new.identity)).pages == 0)
        let again = try TenantHarness(in: harness.directory)
        #expect(try onLoop { _ in try await again.database("acme").notes().count } == count)
    }

    @Test func `a renewal of page keys that was cut short goes on with the key it had`() throws {
        let harness = try TenantHarness()
        let acme = try harness.database("acme")
        try onLoop { _ in try await acme.note("before") }
        try harness.keyring.addPageKey(acme.tenant)
        harness.stop()
        let again = try TenantHarness(in: harness.directory)
        try onLoop { _ in try await again.database("acme").note("between") }
        try again.tenants.renewPages(of: acme.tenant) { _ in }
        #expect(try again.keyring.tenantKeys(acme.tenant).pageKeys.map(\.generation) == [2])
        #expect(try onLoop { _ in try await again.database("acme").notes().count } == 2)
    }

    @Test func `control.db gets another page key while it is used`() throws {
        let first = try store()
        try first.start()
        _ = try first.tenants.ensureBlocking(name: "acme")
        try first.opened().renewControlPages()
        _ = try first.tenants.ensureBlocking(name: "globex")
        let (keys, identity) = try first.opened().keyring.controlKeys()
        #expect(keys.map(\.generation) == [2])
        first.stop(by: .now())
        let scan = try PageScan(SealedFile(path: directory("data/control.db"), keys: keys, identity: identity))
        #expect(scan.damage == [] && Array(scan.generations.keys) == [2])
        let again = try store()
        try again.start()
        #expect(again.tenants.list().map(\.name).sorted() == ["acme", "globex"])
        again.stop(by: .now())
    }
}
