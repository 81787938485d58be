// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import Support
import Testing

@testable import Store

/// Keys and salts that the store keeps for other modules.
@Suite struct VaultTests {
    private func bytes(_ secret: SecretBytes?) -> [UInt8]? {
        secret.map { $0.withBytes { span in span.indices.map { span[$0] } } }
    }

    @Test func `a key with a label to itself is made once, stays through restarts, and is destroyed`() throws {
        let house = try KeyringHouse()
        var keyring = try house.open()
        #expect(try keyring.dataKey("audit/segment/1") == nil)
        let first = bytes(try keyring.createDataKey("audit/segment/1"))
        _ = try keyring.createDataKey("audit/segment/2")
        _ = try keyring.createDataKey("audit/segmenta")
        #expect(first?.count == 32)
        #expect(throws: KeyringFailure.self) { try keyring.createDataKey("audit/segment/1") }
        keyring.close()
        keyring = try house.open()
        _ = try keyring.rotateMaster(UnlockSecret.atHand([.file(house.keyFile)]))
        #expect(bytes(try keyring.dataKey("audit/segment/1")) == first)
        #expect(try keyring.dataKeyLabels(prefix: "audit/segment/") == ["audit/segment/1", "audit/segment/2"])

        for _ in 0..<2 { try keyring.destroyDataKey("audit/segment/1") }
        #expect(try FileStatus(path: house.path("keyring.db-wal")).size == 0)
        #expect(try keyring.dataKey("audit/segment/1") == nil)
        #expect(try keyring.dataKey("audit/segment/2") != nil)
        keyring.close()
        keyring = try house.open()
        defer { keyring.close() }
        #expect(try keyring.dataKeyLabels(prefix: "audit/segment/") == ["audit/segment/2"])
    }

    @Test func `a tenant's salt stays through a restart and a roll, is like no other, and ends with the tenant`() throws
    {
        let house = try KeyringHouse()
        var keyring = try house.open()
        try keyring.createTenant(.red)
        try keyring.createTenant(.blue)
        let salt = bytes(try keyring.tenantKeys(.red).salt("audit"))
        #expect(salt?.count == 32)
        #expect(bytes(try keyring.tenantKeys(.blue).salt("audit")) != salt)
        #expect(bytes(try keyring.tenantKeys(.red).salt("audits")) != salt)
        try keyring.createObjectKey(.red, ObjectID(number: 1))
        try keyring.erase(.red, [ObjectID(number: 1)])
        _ = try keyring.roll()
        keyring.close()
        keyring = try house.open()
        defer { keyring.close() }
        #expect(bytes(try keyring.tenantKeys(.red).salt("audit")) == salt)
        try keyring.deleteTenant(.red)
        #expect(throws: KeyringFailure.self) { try keyring.tenantKeys(.red) }
    }
}
