// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import Synchronization
import Testing

@testable import Audit

/// The digests that stand in records for end users, and those of them that are kept at hand.
@Suite struct DigestsTests {
    /// Salts that come and go.
    private final class Salts: TenantSalts {
        private let salts: Mutex<[TenantID: UInt8]>
        /// Called with each look-up, behind it.
        private let behind = Mutex<(@Sendable () -> Void)?>(nil)

        init(_ salts: [TenantID: UInt8]) { self.salts = Mutex(salts) }

        func set(_ tenant: TenantID, _ salt: UInt8?) { salts.withLock { $0[tenant] = salt } }
        func onLookUp(_ body: @escaping @Sendable () -> Void) { behind.withLock { $0 = body } }

        func salt(_ label: StaticString, of tenant: TenantID) throws(DatabaseFailure) -> SecretBytes? {
            let salt = salts.withLock { $0[tenant] }
            behind.withLock { $0 }?()
            return salt.map(DigestsTests.secret)
        }
    }

    private static func secret(_ byte: UInt8) -> SecretBytes {
        SecretBytes(copying: [UInt8](repeating: byte, count: 32).span)
    }

    private static func right(_ name: String, _ salt: UInt8) -> [UInt8] {
        let code = HMACSHA256(key: secret(salt)).code(of: Array("end user\0\(name)".utf8))
        return Array(code.bytes.prefix(16))
    }

    private static let (one, two) = (
        TenantID("ten_01ARZ3NDEKTSV4RRFFQ69G5FAV"), TenantID("ten_01ARZ3NDEKTSV4RRFFQ69G5FAW")
    )

    private static func digests(_ salts: Salts, _ endUsers: KnownEndUsers) throws -> Digests {
        let digests = try Digests(house: secret(99), salts: salts, endUsers: endUsers)
        _ = (digests.load(one), digests.load(two))
        return digests
    }

    @Test func `an end user's digest is the tenant's own code of the name, kept or not`() throws {
        let endUsers = KnownEndUsers()
        let digests = try Self.digests(Salts([Self.one: 1, Self.two: 2]), endUsers)
        defer { digests.stop() }
        // Around each count at which something else is done: of words, of the place beside the kind, of what is kept.
        for count in [0, 1, 3, 7, 8, 9, 15, 16, 17, 63, 64, 65, 95, 96, 97, 300] {
            let name = String(repeating: "a", count: count)
            for (tenant, salt) in [(Self.one, UInt8(1)), (Self.two, 2)] {
                #expect(endUsers.digest(of: name, tenant) == nil)
                let digest = try #require(digests.knownEndUser(name, of: tenant))
                #expect(digest.bytes == Self.right(name, salt))
                #expect(endUsers.digest(of: name, tenant) == (count > KnownEndUsers.nameBytesMax ? nil : digest))
            }
        }
        #expect(digests.knownEndUser("ana", of: TenantID("ten_unknown")) == nil)
    }

    @Test func `nobody is taken for somebody else`() throws {
        let endUsers = KnownEndUsers()
        // Some as long as each other: where the ids of tenants were not looked at, names would meet in one place.
        let odd = ["t", "te", "ten_1", "ten_12345678", "ten_123456789", String(repeating: "t", count: 32)]
        let tenants = ((10..<40).map { "ten_\($0)" } + odd).map(TenantID.init)
        // Many more together than there are places.
        var names = [
            "", "\0", "\0\0", "a", "a\0", "\0a", "aaaaaaaa", "aaaaaaaa\0", "aaaaaaaab", "1", "12345678", "é",
            "e\u{301}",
        ]
        names += (100..<200).map { "user-\($0)" }
        let digests = KnownEndUserModel()
        var wrong: [String] = []
        for _ in 0..<2 {
            for tenant in tenants {
                for name in names {
                    let right = digests.digest(name, tenant)
                    // Another may have taken the place; nobody else's digest ever stands there.
                    let before = endUsers.digest(of: name, tenant) ?? right
                    endUsers.keep(right, of: name, tenant, since: endUsers.now)
                    let after = endUsers.digest(of: name, tenant)
                    if before != right || after != right { wrong.append("\(tenant.text) \(name)") }
                }
            }
        }
        #expect(wrong == [])
        let kept = tenants.reduce(0) { count, tenant in count + names.count { endUsers.digest(of: $0, tenant) != nil } }
        #expect(kept > KnownEndUsers.placeCount / 2)
    }

    @Test func `what is kept of a tenant goes with it, and of others stays`() throws {
        let (salts, endUsers) = (Salts([Self.one: 1, Self.two: 2]), KnownEndUsers())
        let digests = try Self.digests(salts, endUsers)
        defer { digests.stop() }
        for tenant in [Self.one, Self.two] { _ = digests.knownEndUser("ana", of: tenant) }
        salts.set(Self.one, nil)
        digests.forget(Self.one)
        #expect(endUsers.digest(of: "ana", Self.one) == nil && digests.knownEndUser("ana", of: Self.one) == nil)
        #expect(endUsers.digest(of: "ana", Self.two)?.bytes == Self.right("ana", 2))
        salts.set(Self.one, 3)
        _ = digests.load(Self.one)
        #expect(digests.knownEndUser("ana", of: Self.one)?.bytes == Self.right("ana", 3))
    }

    @Test func `what is made while its tenant goes is not kept`() throws {
        let (salts, endUsers) = (Salts([Self.one: 1]), KnownEndUsers())
        let digests = try Digests(house: Self.secret(99), salts: salts, endUsers: endUsers)
        defer { digests.stop() }
        let moment = endUsers.now
        endUsers.forget(Self.one)
        endUsers.keep(EndUserDigest(high: 1, low: 2), of: "ana", Self.one, since: moment)
        #expect(endUsers.digest(of: "ana", Self.one) == nil)
        salts.onLookUp { [weak digests] in digests?.forget(Self.one) }
        _ = digests.load(Self.one)
        #expect(digests.cached(Self.one) == nil)
    }

    @Test func `with the end of the log everybody is forgotten`() throws {
        let endUsers = KnownEndUsers()
        let digests = try Self.digests(Salts([Self.one: 1, Self.two: 2]), endUsers)
        _ = digests.knownEndUser("ana", of: Self.one)
        #expect(endUsers.digest(of: "ana", Self.one) != nil)
        digests.stop()
        #expect(endUsers.digest(of: "ana", Self.one) == nil)
    }
}

/// Digests that differ for whatever differs.
private final class KnownEndUserModel {
    private var numbers: [[[UInt8]]: UInt64] = [:]

    func digest(_ name: String, _ tenant: TenantID) -> EndUserDigest {
        let key = [Array(tenant.text.utf8), Array(name.utf8)]
        let number = numbers[key] ?? UInt64(numbers.count + 1)
        numbers[key] = number
        return EndUserDigest(high: number, low: ~number)
    }
}
