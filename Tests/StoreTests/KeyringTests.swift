// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import Support
import Testing

@testable import Store

@Suite struct KeyringTests {
    private let cell = Cell(table: "messages", column: "content", row: "msg_1")

    private func bytes(_ secret: SecretBytes) -> [UInt8] { secret.withBytes { span in span.indices.map { span[$0] } } }

    @Test func `what an object's key sealed is opened after a restart`() throws {
        let house = try KeyringHouse()
        var keyring = try house.open()
        try keyring.createTenant(.red)
        let key = try keyring.createObjectKey(.red, ObjectID("thr_1"))
        let sealed = try key.seal(Array("hello".utf8).span, in: cell, of: .red)
        #expect(sealed.count == 5 + FieldCipher.overheadByteCount)
        keyring.close()
        keyring = try house.open()
        defer { keyring.close() }
        let again = try #require(try keyring.objectKey(.red, ObjectID("thr_1")))
        #expect(try again.open(sealed, in: cell, of: .red) == Array("hello".utf8))
    }

    @Test func `a sealed value opens in its own cell only, and no bit of it may change`() throws {
        let key = ObjectKey(SecretBytes(randomCount: 32))
        let sealed = try key.seal(Array("hello".utf8).span, in: cell, of: .red)
        let elsewhere = [
            Cell(table: "messages", column: "content", row: "msg_2"),
            Cell(table: "messages", column: "title", row: "msg_1"),
            Cell(table: "threads", column: "content", row: "msg_1"),
            Cell(table: "messages", column: "content", row: "msg_1", version: 1),
        ]
        for other in elsewhere {
            #expect(throws: KeyringFailure.self) { try key.open(sealed, in: other, of: .red) }
        }
        #expect(throws: KeyringFailure.self) { try key.open(sealed, in: cell, of: .blue) }
        #expect(throws: KeyringFailure.self) {
            try ObjectKey(SecretBytes(randomCount: 32)).open(sealed, in: cell, of: .red)
        }
        for bit in 0..<sealed.count * 8 {
            var changed = sealed
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: KeyringFailure.self) { try key.open(changed, in: cell, of: .red) }
        }
        for count in 0..<sealed.count {
            #expect(throws: KeyringFailure.self) { try key.open(Array(sealed[..<count]), in: cell, of: .red) }
        }
    }

    @Test func `long names of rows are bound as short ones are`() {
        let long = String(repeating: "a", count: 64)
        let pairs = [("a", "b"), ("", "\0"), (long, long + "a"), (String(long.dropLast()), long), ("ab", "a")]
        for (left, right) in pairs {
            let one = AssociatedData(label: "field", row: left, keyID: 1)
            let two = AssociatedData(label: "field", row: right, keyID: 1)
            #expect(one.bytes.count == AssociatedData.byteCount)
            #expect(one.bytes != two.bytes)
        }
    }

    @Test func `a row's number is bound as its digits are`() throws {
        let key = ObjectKey(SecretBytes(randomCount: 32))
        for number in [0, 7, 10, 99, 100, -1, -10, .max, .min] {
            let text = Cell(table: "messages", column: "content", row: "\(number)")
            let plain: [UInt8] = [1, 2, 3]
            let sealed = try key.seal(plain.span, in: text, of: .red)
            let same = Cell(table: "messages", column: "content", row: number)
            #expect(try key.open(sealed, in: same, of: .red) == plain)
            let other = Cell(table: "messages", column: "content", row: number ^ 1)
            #expect(throws: KeyringFailure.self) { try key.open(sealed, in: other, of: .red) }
        }
    }

    @Test func `an erased object has no key, before a restart and after, and its id is not given again`() throws {
        let house = try KeyringHouse()
        var keyring = try house.open()
        try keyring.createTenant(.red)
        for number in 1...3 { try keyring.createObjectKey(.red, ObjectID(number: number)) }
        try keyring.erase(.red, [ObjectID(number: 2)])
        try keyring.erase(.red, [ObjectID(number: 2)])
        for _ in 0..<2 {
            #expect(try keyring.objectKey(.red, ObjectID(number: 2)) == nil)
            #expect(try keyring.isErased(.red, ObjectID(number: 2)))
            #expect(try keyring.objectKey(.red, ObjectID(number: 3)) != nil)
            #expect(throws: KeyringFailure.self) { try keyring.createObjectKey(.red, ObjectID(number: 2)) }
            #expect(throws: KeyringFailure.self) { try keyring.createObjectKey(.red, ObjectID(number: 3)) }
            keyring.close()
            keyring = try house.open()
        }
        keyring.close()
    }

    @Test func `two tenants have nothing in common`() throws {
        let house = try KeyringHouse()
        let keyring = try house.open()
        defer { keyring.close() }
        try keyring.createTenant(.red)
        try keyring.createTenant(.blue)
        try keyring.createObjectKey(.red, ObjectID("thr_1"))
        #expect(try keyring.objectKey(.blue, ObjectID("thr_1")) == nil)
        let (red, blue) = (try keyring.tenantKeys(.red), try keyring.tenantKeys(.blue))
        #expect(red.identity != blue.identity)
        #expect(bytes(red.pageKeys[0].bytes) != bytes(blue.pageKeys[0].bytes))
        #expect(red.digest("alias", "a") != blue.digest("alias", "a"))
        #expect(red.digest("alias", "a") != red.digest("alia", "sa"))
        #expect(red.digest("alias", "a").count == 16)
    }

    @Test func `a deleted tenant's keys are gone, all of them, and its name is not given again`() throws {
        let house = try KeyringHouse()
        let keyring = try house.open()
        defer { keyring.close() }
        try keyring.createTenant(.red)
        try keyring.createTenant(.blue)
        for number in 1...20 {
            try keyring.createObjectKey(.red, ObjectID(number: number))
            try keyring.createObjectKey(.blue, ObjectID(number: number))
        }
        try keyring.deleteTenant(.red)
        try keyring.deleteTenant(.red)
        #expect(throws: KeyringFailure.self) { try keyring.tenantKeys(.red) }
        #expect(throws: KeyringFailure.self) { try keyring.objectKey(.red, ObjectID(number: 1)) }
        #expect(throws: KeyringFailure.self) { try keyring.createTenant(.red) }
        #expect(try keyring.tenantIDs() == [.blue])
        #expect(try keyring.objectIDs(of: .blue, after: nil, limit: 100).count == 20)
    }

    @Test func `a roll keeps every key, and the old epoch's is gone`() throws {
        let house = try KeyringHouse()
        var keyring = try house.open()
        try keyring.createTenant(.red)
        try keyring.createTenant(.blue)
        var sealed: [ObjectID: [UInt8]] = [:]
        for number in 1...40 {
            let object = ObjectID(number: number)
            let key = try keyring.createObjectKey(.red, object)
            sealed[object] = try key.seal(Array(object.text.utf8).span, in: cell, of: .red)
        }
        let page = bytes(try keyring.tenantKeys(.red).pageKeys[0].bytes)
        let digest = try keyring.tenantKeys(.red).digest("alias", "a")
        let before = try house.bytes("epoch.key")
        try keyring.erase(.red, [ObjectID(number: 7)])
        let report = try keyring.roll()
        #expect(report.epoch == 2)
        #expect(report.tenants == 2)
        #expect(report.renewed == 1)
        #expect(report.objects == 39)
        #expect(try house.bytes("epoch.key") != before)
        for _ in 0..<2 {
            keyring.forget()
            for (object, sealed) in sealed where object != ObjectID(number: 7) {
                let key = try #require(try keyring.objectKey(.red, object))
                #expect(try key.open(sealed, in: cell, of: .red) == Array(object.text.utf8))
            }
            #expect(try keyring.objectKey(.red, ObjectID(number: 7)) == nil)
            #expect(bytes(try keyring.tenantKeys(.red).pageKeys[0].bytes) == page)
            #expect(try keyring.tenantKeys(.red).digest("alias", "a") == digest)
            keyring.close()
            keyring = try house.open()
        }
        keyring.close()
        #expect(Set(TemporaryDirectory.names(of: house.data)).isDisjoint(with: ["epoch.key.next", "epoch.key.old"]))
    }

    @Test func `keys that many threads make at once are all there`() throws {
        let house = try KeyringHouse()
        let keyring = try house.open()
        defer { keyring.close() }
        try keyring.createTenant(.red)
        try withThreads(8) { thread in
            var new: [NewObjectKey] = []
            for number in 0..<100 {
                if let key = try? keyring.beginObjectKey(.red, ObjectID(number: thread * 100 + number)) {
                    new.append(key)
                }
            }
            try? keyring.finish(new)
        }
        #expect(try keyring.objectIDs(of: .red, after: nil, limit: 10_000).count == 800)
    }

    @Test func `a data key is the same at every start, and a new generation stands beside the old`() throws {
        let house = try KeyringHouse()
        var keyring = try house.open()
        let first = try keyring.dataKeys("api-key-pepper").mapValues(bytes)
        #expect(first.keys.sorted() == [1])
        #expect(try keyring.addDataKey("api-key-pepper") == 2)
        keyring.close()
        keyring = try house.open()
        defer { keyring.close() }
        let both = try keyring.dataKeys("api-key-pepper").mapValues(bytes)
        #expect(both.keys.sorted() == [1, 2])
        #expect(both[1] == first[1])
        #expect(both[2] != first[1])
        #expect(try keyring.dataKeys("another").mapValues(bytes)[1] != first[1])
        try keyring.retireDataKeys("api-key-pepper", below: 2)
        #expect(try keyring.dataKeys("api-key-pepper").keys.sorted() == [2])
    }

    @Test func `a secret is set, replaced, listed without its value, and removed`() throws {
        let house = try KeyringHouse()
        var keyring = try house.open()
        let value = SecretBytes(copying: Array("sk-first-value".utf8).span)
        #expect(try keyring.setSecret(value, named: "openai").generation == 1)
        #expect(
            try keyring.setSecret(SecretBytes(copying: Array("sk-second-value".utf8).span), named: "openai").generation
                == 2)
        keyring.close()
        keyring = try house.open()
        defer { keyring.close() }
        #expect(try keyring.secret(named: "openai").map(bytes) == Array("sk-second-value".utf8))
        #expect(try keyring.secrets().map(\.name) == ["openai"])
        #expect(throws: KeyringFailure.self) { try keyring.setSecret(SecretBytes(randomCount: 7), named: "short") }
        #expect(try keyring.removeSecret(named: "openai"))
        #expect(try !keyring.removeSecret(named: "openai"))
        #expect(try keyring.secret(named: "openai") == nil)
    }
}
