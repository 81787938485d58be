// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import SQLite
import Support
import Synchronization
import Testing

@testable import Store

/// At each step of a piece of work the files are copied as they are: that is what a process leaves that is killed there.
/// Each copy is then opened like any other data directory.
@Suite struct KeyringCrashTests {
    private let cell = Cell(table: "messages", column: "content", row: "msg_1")

    /// Copies of a data directory, by the step at which each was made.
    private final class Album: Sendable {
        struct Picture: Sendable {
            let step: String
            let files: [String: [UInt8]]
        }

        private let house: String
        private let pictures = Mutex<[Picture]>([])

        init(_ house: String) { self.house = house }

        var steps: Steps { Steps { [self] step in take(step) } }
        var all: [Picture] { pictures.withLock { $0 } }

        /// Forgets what there is, and takes the first.
        func begin(_ step: String) {
            pictures.withLock { $0 = [] }
            take(step)
        }

        func take(_ step: String) {
            var files: [String: [UInt8]] = [:]
            for name in TemporaryDirectory.names(of: house) {
                files[name] = try? AtomicFile.read(path: "\(house)/\(name)", bytesMax: 1 << 28)
            }
            // The index of the WAL is made anew by whoever opens it first.
            files["keyring.db-shm"] = nil
            pictures.withLock { [files] in $0.append(Picture(step: step, files: files)) }
        }
    }

    private struct Sealed {
        let object: ObjectID
        let frame: [UInt8]
    }

    /// Two tenants, with objects whose content is sealed; one of the first tenant's is erased.
    private func fill(_ keyring: Keyring) throws -> [TenantID: [Sealed]] {
        var sealed: [TenantID: [Sealed]] = [:]
        for tenant in [TenantID.red, .blue] {
            try keyring.createTenant(tenant)
            for number in 1...12 {
                let object = ObjectID(number: number)
                let key = try keyring.createObjectKey(tenant, object)
                sealed[tenant, default: []].append(
                    Sealed(object: object, frame: try key.seal(Array(object.text.utf8).span, in: cell, of: tenant)))
            }
        }
        try keyring.erase(.red, [ObjectID(number: 3)])
        return sealed
    }

    private func verify(_ keyring: Keyring, _ sealed: [TenantID: [Sealed]], _ step: String) throws {
        for (tenant, values) in sealed {
            for value in values {
                let isErased = tenant == .red && value.object == ObjectID(number: 3)
                let key = try keyring.objectKey(tenant, value.object)
                #expect((key == nil) == isErased, "\(step): \(tenant.text) \(value.object.text)")
                guard let key else { continue }
                #expect(try key.open(value.frame, in: cell, of: tenant) == Array(value.object.text.utf8), "\(step)")
            }
        }
        #expect(try keyring.isErased(.red, ObjectID(number: 3)), "\(step)")
    }

    /// Opens each picture, and each of those opened once more.
    private func restart(
        _ album: Album, _ house: KeyringHouse, unlock: [UnlockSource]? = nil, _ body: (Keyring, String) throws -> Void
    ) throws {
        for picture in album.all {
            let copy = try KeyringHouse()
            for (name, bytes) in picture.files { try copy.put(bytes, name) }
            for _ in 0..<2 {
                let keyring: Keyring
                do {
                    keyring = try copy.open(unlock ?? [.file(house.keyFile)])
                } catch {
                    Issue.record("\(picture.step): \(error)")
                    break
                }
                try body(keyring, picture.step)
                keyring.close()
            }
            let left = Set(TemporaryDirectory.names(of: copy.data))
            #expect(left == ["keyring.slots", "keyring.db", "epoch.key"], "\(picture.step): \(left.sorted())")
        }
    }

    private func open(_ house: KeyringHouse, _ steps: Steps) throws -> Keyring {
        try KeyringOpening(directory: house.data, unlock: [.file(house.keyFile)], makesKeyFile: false, steps: steps)
            .open()
    }

    @Test func `a crash at any step of a roll loses no key and revives none`() throws {
        let house = try KeyringHouse()
        let album = Album(house.data)
        let keyring = try open(house, album.steps)
        let sealed = try fill(keyring)
        album.begin("before the roll")
        _ = try keyring.roll()
        keyring.close()
        #expect(album.all.count >= 10)
        try restart(album, house) { keyring, step in
            try verify(keyring, sealed, step)
            _ = try keyring.roll()
            try verify(keyring, sealed, "\(step), and a roll")
        }
    }

    @Test func `a roll whose last step failed is finished by the next one`() throws {
        let house = try KeyringHouse()
        let keyring = try house.open()
        let sealed = try fill(keyring)
        try keyring.beginRoll()
        _ = try keyring.moveTenants()
        #expect(try keyring.endRoll() == 2)
        // The new epoch's key is in epoch.key.next only, and another roll must not write over it.
        #expect(try keyring.roll().epoch == 3)
        keyring.forget()
        try verify(keyring, sealed, "online")
        keyring.close()
        let again = try house.open()
        try verify(again, sealed, "after a restart")
        again.close()
    }

    @Test func `a crash at any step of a tenant's rotation loses no key and revives none`() throws {
        let house = try KeyringHouse()
        let album = Album(house.data)
        let keyring = try open(house, album.steps)
        let sealed = try fill(keyring)
        album.begin("before the rotation")
        #expect(try keyring.rotateTenant(.red) == 11)
        keyring.close()
        try restart(album, house) { keyring, step in
            try verify(keyring, sealed, step)
            _ = try keyring.roll()
            try verify(keyring, sealed, "\(step), and a roll")
        }
    }

    @Test func `a crash at any step of the master key's rotation leaves the old one or the new one in force`() throws {
        let house = try KeyringHouse()
        let album = Album(house.data)
        let keyring = try open(house, album.steps)
        let sealed = try fill(keyring)
        _ = try keyring.setSecret(SecretBytes(copying: Array("sk-of-the-provider".utf8).span), named: "openai")
        let pepper = try keyring.dataKeys("api-key-pepper")
        album.begin("before the rotation")
        _ = try keyring.rotateMaster(UnlockSecret.atHand([.file(house.keyFile)]))
        album.take("after the rotation")
        try verify(keyring, sealed, "online")
        keyring.close()
        #expect(album.all.count >= 8)
        try restart(album, house) { keyring, step in
            try verify(keyring, sealed, step)
            #expect(
                try keyring.dataKeys("api-key-pepper").mapValues { $0.withBytes { Array(copying: $0) } }
                    == pepper.mapValues { $0.withBytes { Array(copying: $0) } }, "\(step)")
            let value = try #require(try keyring.secret(named: "openai"))
            #expect(value.withBytes { Array(copying: $0) } == Array("sk-of-the-provider".utf8))
        }
    }

    @Test func `a crash at any change of a slot leaves a way in`() throws {
        let house = try KeyringHouse()
        let album = Album(house.data)
        let keyring = try open(house, album.steps)
        let other = house.directory("other.key")
        try AtomicFile.write(path: other, bytes: Random.bytes(32), mode: 0o400)
        let secret = try #require(try UnlockSecret(at: .file(other)))
        let slot = try keyring.addSlot(secret, name: "other")
        try keyring.removeSlot(1)
        _ = try keyring.changeSlot(slot.number, to: try #require(try UnlockSecret(at: .file(house.keyFile))))
        keyring.close()
        try restart(album, house, unlock: [.file(house.keyFile), .file(other)]) { _, _ in }
    }

    // MARK: Row D7

    private func erased(rolling: Bool) throws -> Bool {
        let house = try KeyringHouse()
        var keyring = try house.open()
        try keyring.createTenant(.red)
        let key = try keyring.createObjectKey(.red, ObjectID("thr_1"))
        try keyring.createObjectKey(.red, ObjectID("thr_2"))
        let frame = try key.seal(Array("the marker".utf8).span, in: cell, of: .red)
        keyring.close()
        // Everything as it stood before the deletion.
        let copy = try house.copy()
        keyring = try house.open()
        try keyring.erase(.red, [ObjectID("thr_1")])
        if rolling { _ = try keyring.roll() }
        let (master, epochs, slots) = keyring.material.withLock { ($0.master, $0.epochs, $0.slots) }
        keyring.close()
        // Whoever has that copy, today's files, and today's keys in the clear, but not the destroyed epoch's key. The
        // checks of a start are not in his way: he reads the rows himself.
        let thief = try KeyringHouse()
        try thief.put(copy["keyring.db"] ?? [], "keyring.db")
        let connection = try KeyringFile.sealed(directory: thief.data, slots: slots, master: master).connect()
        let row = try #require(try TenantRow.find(.red, connection))
        let pages = try connection.query(
            "SELECT generation, wrapped FROM keyring_page_keys WHERE tenant = ?", row.number
        ) { row throws(SQLiteError) in (generation: try row.int(0), wrapped: try row.blob(1)) }
        for epoch in epochs.values {
            // The old rows name the old epoch; he tries today's key all the same.
            guard let keys = try? TenantKeySet(row, pageKeys: pages, epochs: [row.current.epoch: epoch]) else {
                continue
            }
            let object = try #require(
                try connection.first("SELECT generation, kek, wrapped FROM keyring_objects WHERE id = 'thr_1'") {
                    row throws(SQLiteError) in
                    (generation: try row.int(0), kek: try row.int(1), wrapped: try row.blob(2))
                })
            let data = AssociatedData.object(TenantID.red.text, "thr_1", kek: object.kek, generation: object.generation)
            guard let bytes = keys.wrap(generation: object.kek)?.unwrapKey(object.wrapped, as: data) else { continue }
            return try ObjectKey(bytes).open(frame, in: cell, of: .red) == Array("the marker".utf8)
        }
        return false
    }

    @Test func `after a roll, what was erased cannot be read from any earlier copy with today's keys`() throws {
        #expect(try !erased(rolling: true))
    }

    /// The control: the same thief, and only the roll is left out.
    @Test func `without a roll, what was erased can be read from an earlier copy`() throws {
        #expect(try erased(rolling: false))
    }
}

extension [UInt8] {
    /// A copy of what is lent.
    init(copying span: Span<UInt8>) { self = span.indices.map { span[$0] } }
}
