// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Glibc
import Platform
import Support
import Testing

@testable import Store

@Suite struct UnlockTests {
    private func secret(_ text: String) -> UnlockSecret {
        UnlockSecret(.passphrase, SecretBytes(copying: Array(text.utf8).span))
    }

    @Test func `a start without the root key is refused, with the place`() throws {
        let house = try KeyringHouse()
        try house.open().close()
        unsafe _ = unlink(house.keyFile)
        let refusal = try #require(house.refusal())
        #expect(refusal.contains("there is no root key at file:\(house.keyFile)"))
        #expect(house.refusal([.credential("root-key")])?.contains("there is no root key") == true)
    }

    @Test func `a start with another root key is refused, and nothing is changed`() throws {
        let house = try KeyringHouse()
        try house.open().close()
        let before = try house.copy()
        try AtomicFile.write(path: house.keyFile, bytes: Random.bytes(32), mode: 0o400)
        let refusal = try #require(house.refusal())
        #expect(refusal.contains("is not the root key of the data directory"))
        #expect(try house.copy() == before)
    }

    @Test(arguments: [0o444, 0o440, 0o404, 0o620, 0o602] as [UInt32])
    func `a root key that others can read is refused, by its mode`(_ mode: UInt32) throws {
        let house = try KeyringHouse()
        try house.open().close()
        try AtomicFile.write(path: house.keyFile, bytes: Random.bytes(32), mode: mode)
        #expect(try #require(house.refusal()).contains("can be read by others"))
    }

    /// systemd 254 and later hand a credential over as root's, with a list that lets the service read (acl(5)).
    @Test(
        arguments: [
            (0o440, 0, 0, true), (0o400, 0, 0, true), (0o444, 0, 0, false), (0o460, 0, 0, false), (0o450, 0, 0, false),
            (0o441, 0, 0, false), (0o440, 1000, 0, false), (0o440, 0, 1000, false),
        ] as [(UInt32, UInt32, UInt32, Bool)])
    func `a credential may be root's and readable by a list`(
        _ mode: UInt32, _ owner: UInt32, _ group: UInt32, _ isTaken: Bool
    ) {
        #expect(UnlockSecret.isList(mode, owner: owner, group: group) == isTaken)
    }

    @Test(arguments: [0, 31, 33, 63, 65, 200])
    func `what is no key is refused`(_ count: Int) throws {
        let house = try KeyringHouse()
        try AtomicFile.write(path: house.keyFile, bytes: [UInt8](repeating: 0x61, count: count), mode: 0o400)
        #expect(try #require(house.refusal()).contains("holds no root key"))
        #expect(TemporaryDirectory.names(of: house.data) == [])
    }

    @Test func `64 hexadecimal digits are the key that the 32 bytes are`() throws {
        let house = try KeyringHouse()
        try AtomicFile.write(path: house.keyFile, bytes: [UInt8](repeating: 0xAB, count: 32), mode: 0o400)
        try house.open().close()
        let text = String(repeating: "ab", count: 32) + "\n"
        try AtomicFile.write(path: house.keyFile, bytes: Array(text.utf8), mode: 0o400)
        #expect(house.refusal() == nil)
    }

    @Test func `in development a missing key file is made, and opened again`() throws {
        let house = try KeyringHouse()
        unsafe _ = unlink(house.keyFile)
        #expect(throws: StartFailure.self) { try house.open() }
        try house.open(makesKeyFile: true).close()
        #expect(try FileStatus(path: house.keyFile).mode == 0o400)
        #expect(house.refusal() == nil)
        unsafe _ = unlink(house.keyFile)
        // A second key would be a new one, which opens nothing.
        #expect(throws: StartFailure.self) { try house.open(makesKeyFile: true) }
    }

    @Test func `the files of a keyring are its owner's alone`() throws {
        let house = try KeyringHouse()
        try house.open().close()
        for name in KeyringHouse.names { #expect(try FileStatus(path: house.path(name)).mode == 0o600) }
    }

    @Test func `a passphrase in a file opens what it made, and no other does`() throws {
        let house = try KeyringHouse()
        let file = house.directory("passphrase")
        try AtomicFile.write(path: file, bytes: Array("correct horse battery\n".utf8), mode: 0o400)
        try house.open([.passphrase(.file(file))]).close()
        #expect(house.refusal([.passphrase(.file(file))]) == nil)
        #expect(house.refusal([.file(house.keyFile), .passphrase(.file(file))]) == nil)
        try AtomicFile.write(path: file, bytes: Array("correct horse batterz\n".utf8), mode: 0o400)
        #expect(house.refusal([.passphrase(.file(file))])?.contains("is not the root key") == true)
        try AtomicFile.write(path: file, bytes: Array("short\n".utf8), mode: 0o400)
        #expect(house.refusal([.passphrase(.file(file))])?.contains("a passphrase has") == true)
    }

    /// The bits of scrypt's own parameters would only cost time: they are bounded where they are read.
    @Test func `every flipped bit of the slots is noticed`() throws {
        let house = try KeyringHouse()
        try house.open().close()
        let good = try house.bytes("keyring.slots")
        for bit in 0..<good.count * 8 {
            var bad = good
            bad[bit / 8] ^= 1 << UInt8(bit % 8)
            try house.put(bad, "keyring.slots")
            #expect(house.refusal() != nil, "bit \(bit)")
        }
        for count in [0, 1, 8, good.count - 1] {
            try house.put(Array(good[..<count]), "keyring.slots")
            #expect(house.refusal()?.contains("is damaged") == true)
        }
        try house.put(good, "keyring.slots")
        #expect(house.refusal() == nil)
    }

    @Test func `every flipped bit of the epoch's key is noticed`() throws {
        let house = try KeyringHouse()
        try house.open().close()
        let good = try house.bytes("epoch.key")
        for bit in 0..<good.count * 8 {
            var bad = good
            bad[bit / 8] ^= 1 << UInt8(bit % 8)
            try house.put(bad, "epoch.key")
            let refusal = house.refusal()
            #expect(refusal?.contains("epoch.key") == true, "bit \(bit): \(refusal ?? "-")")
        }
        try house.put(good, "epoch.key")
        #expect(house.refusal() == nil)
    }

    @Test(arguments: KeyringHouse.names)
    func `a missing file is named, and nothing is made in its place`(_ name: String) throws {
        let house = try KeyringHouse()
        try house.open().close()
        try AtomicFile.write(path: house.path("control.db"), bytes: [], mode: 0o600)
        unsafe _ = unlink(house.path(name))
        #expect(try #require(house.refusal()).contains(name))
        #expect(throws: Errno.noSuchFile) { try FileStatus(path: house.path(name)) }
    }

    @Test func `data of a version without a keyring is refused and left alone`() throws {
        let house = try KeyringHouse()
        try house.put(Array("SQLite format 3".utf8), "control.db")
        #expect(try #require(house.refusal()).contains("control.db"))
        #expect(TemporaryDirectory.names(of: house.data) == ["control.db"])
    }

    @Test func `a recovery key is read as a person types it, and a slip is found`() throws {
        let key = SecretBytes(randomCount: 32)
        let text = RecoveryKey.text(of: key)
        #expect(text.utf8.count == 3 + 14 * 5)
        let forms = [text, text.uppercased(), text.filter { $0 != "-" }, " \(text)\n"]
        for form in forms {
            let read = try RecoveryKey.parse(Array(form.utf8))
            #expect(read.withBytes { read in key.withBytes { constantTimeEquals(read, $0) } })
        }
        var characters = Array(text.utf8)
        for index in characters.indices.dropFirst(3) where characters[index] != UInt8(ascii: "-") {
            let old = characters[index]
            characters[index] = old == UInt8(ascii: "7") ? UInt8(ascii: "8") : UInt8(ascii: "7")
            #expect(throws: RecoveryKey.Problem.mistyped) { try RecoveryKey.parse(characters) }
            characters[index] = old
        }
        #expect(throws: RecoveryKey.Problem.other) { try RecoveryKey.parse(Array("correct horse battery".utf8)) }
        #expect(throws: RecoveryKey.Problem.mistyped) { try RecoveryKey.parse(Array(text.utf8.dropLast())) }
        #expect(throws: RecoveryKey.Problem.other) { try RecoveryKey.parse([UInt8](repeating: 0x47, count: 100_000)) }
    }
}
