// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import Support
import Synchronization
import Testing

@testable import Store

@Suite struct SlotTests {
    private func secret(_ house: KeyringHouse, _ name: String) throws -> (UnlockSource, UnlockSecret) {
        let path = house.directory(name)
        try AtomicFile.write(path: path, bytes: Random.bytes(32), mode: 0o400)
        return (.file(path), try #require(try UnlockSecret(at: .file(path))))
    }

    private func recovery(_ house: KeyringHouse, _ text: String) throws -> [UnlockSource] {
        let path = house.directory("paper")
        try AtomicFile.write(path: path, bytes: Array(text.utf8), mode: 0o400)
        return [.passphrase(.file(path))]
    }

    @Test func `each slot opens the store, and a removed or changed one does not`() throws {
        let house = try KeyringHouse()
        let keyring = try house.open()
        let (place, key) = try secret(house, "second.key")
        let (third, another) = try secret(house, "third.key")
        let slot = try keyring.addSlot(key, name: "second")
        #expect(keyring.slots().map(\.name) == ["file", "second"])
        #expect(house.refusal([place]) == nil)
        _ = try keyring.changeSlot(slot.number, to: another)
        #expect(house.refusal([place]) != nil)
        #expect(house.refusal([third]) == nil)
        try keyring.removeSlot(slot.number)
        #expect(house.refusal([third]) != nil)
        #expect(throws: KeyringFailure.self) { try keyring.removeSlot(1) }
        #expect(throws: KeyringFailure.self) { try keyring.removeSlot(9) }
        #expect(throws: KeyringFailure.self) { try keyring.addSlot(key, name: "a\nb") }
        keyring.close()
        #expect(house.refusal() == nil)
    }

    @Test func `a printed recovery key opens the store`() throws {
        let house = try KeyringHouse()
        let keyring = try house.open()
        let key = SecretBytes(randomCount: 32)
        _ = try keyring.addSlot(UnlockSecret(.recovery, key), name: "safe")
        keyring.close()
        #expect(house.refusal(try recovery(house, RecoveryKey.text(of: key))) == nil)
        #expect(house.refusal(try recovery(house, RecoveryKey.text(of: SecretBytes(randomCount: 32)))) != nil)
    }

    @Test func `slots have a largest number`() throws {
        let house = try KeyringHouse()
        let keyring = try house.open()
        for _ in 1..<UnlockSlots.slotsMax {
            _ = try keyring.addSlot(UnlockSecret(.key, SecretBytes(randomCount: 32)), name: "a")
        }
        #expect(throws: KeyringFailure.self) {
            try keyring.addSlot(UnlockSecret(.key, SecretBytes(randomCount: 32)), name: "a")
        }
        keyring.close()
        #expect(house.refusal() == nil)
    }

    @Test func `another master key changes no other key, and closes the store to copies of the old slots`() throws {
        let house = try KeyringHouse()
        var keyring = try house.open()
        try keyring.createTenant(.red)
        try keyring.createObjectKey(.red, ObjectID("thr_1"))
        let pepper = try keyring.dataKeys("api-key-pepper")[1].map { $0.withBytes { Array(copying: $0) } }
        let page = try keyring.tenantKeys(.red).pageKeys[0].bytes.withBytes { Array(copying: $0) }
        let old = try house.bytes("keyring.slots")
        let paper = SecretBytes(randomCount: 32)
        let slot = try keyring.addSlot(UnlockSecret(.recovery, paper), name: "safe")
        let (place, key) = try secret(house, "second.key")
        _ = try keyring.addSlot(key, name: "second")
        let first = UnlockSecret.atHand([.file(house.keyFile)])
        // One slot's secret is not at hand: nothing happens, and it is named.
        #expect(throws: KeyringFailure.self) { try keyring.rotateMaster(first) }
        #expect(keyring.master.generation == 1)
        let texts = try keyring.rotateMaster(first + [key])
        #expect(keyring.master.generation == 2)
        #expect(texts.keys.sorted() == [slot.number])
        for _ in 0..<2 {
            keyring.forget()
            #expect(try keyring.dataKeys("api-key-pepper")[1].map { $0.withBytes { Array(copying: $0) } } == pepper)
            #expect(try keyring.tenantKeys(.red).pageKeys[0].bytes.withBytes { Array(copying: $0) } == page)
            #expect(try keyring.objectKey(.red, ObjectID("thr_1")) != nil)
            try keyring.createObjectKey(.red, ObjectID("thr_\(Random.uint64())"))
            keyring.close()
            keyring = try house.open()
        }
        keyring.close()
        #expect(house.refusal([place]) == nil)
        #expect(house.refusal(try recovery(house, texts[slot.number] ?? "")) == nil)
        #expect(house.refusal(try recovery(house, RecoveryKey.text(of: paper))) != nil)
        try house.put(old, "keyring.slots")
        #expect(house.refusal() != nil)
    }

    @Test func `the keyring's own page key is renewed while it is used`() throws {
        let house = try KeyringHouse()
        let keyring = try house.open()
        try keyring.createTenant(.red)
        try withThreads(4) { thread in
            if thread == 0 {
                try? keyring.rotateKeyringPages()
            } else {
                for number in 0..<50 { _ = try? keyring.createObjectKey(.red, ObjectID(number: thread * 100 + number)) }
            }
        }
        #expect(try keyring.objectIDs(of: .red, after: nil, limit: 1000).count == 150)
        keyring.close()
        #expect(house.refusal() == nil)
    }

    /// Row D5: whoever works on while keys are renewed sees no failure, and everything written before is read after.
    @Test func `work goes on while every kind of key is renewed`() throws {
        let house = try KeyringHouse()
        let keyring = try house.open()
        try keyring.createTenant(.red)
        try keyring.createTenant(.blue)
        let secrets = UnlockSecret.atHand([.file(house.keyFile)])
        let cell = Cell(table: "messages", column: "content", row: "msg_1")
        let isOver = Atomic(false)
        let failures = Mutex<[String]>([])
        let made = Mutex<[(TenantID, ObjectID, [UInt8])]>([])
        try withThreads(5) { thread in
            do {
                if thread == 0 {
                    defer { isOver.store(true, ordering: .sequentiallyConsistent) }
                    for _ in 0..<3 {
                        _ = try keyring.roll()
                        _ = try keyring.rotateTenant(.red)
                        _ = try keyring.rotateMaster(secrets)
                        try keyring.rotateKeyringPages()
                    }
                    return
                }
                let tenant = thread.isMultiple(of: 2) ? TenantID.red : .blue
                var number = 0
                while !isOver.load(ordering: .sequentiallyConsistent), number < 5000 {
                    let object = ObjectID(number: thread * 10_000 + number)
                    let key = try keyring.createObjectKey(tenant, object)
                    let frame = try key.seal(Array(object.text.utf8).span, in: cell, of: tenant)
                    made.withLock { $0.append((tenant, object, frame)) }
                    if number.isMultiple(of: 7) {
                        try keyring.erase(tenant, [ObjectID(number: thread * 1_000_000 + number)])
                    }
                    let opened = try keyring.objectKey(tenant, object)?.open(frame, in: cell, of: tenant)
                    guard opened == Array(object.text.utf8) else { throw KeyringFailure.damaged(object.text) }
                    number += 1
                }
            } catch {
                failures.withLock { $0.append("\(thread): \(error)") }
            }
        }
        #expect(failures.withLock { $0 } == [])
        #expect(keyring.master.generation == 4)
        keyring.close()
        let again = try house.open()
        defer { again.close() }
        for (tenant, object, frame) in made.withLock({ $0 }) {
            let key = try #require(try again.objectKey(tenant, object))
            #expect(try key.open(frame, in: cell, of: tenant) == Array(object.text.utf8))
        }
    }
}
