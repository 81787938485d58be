// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Platform
import SQLite
import Support
import Testing

@testable import Auth

@Suite struct KeyTablesTests {
    private let now = WallTime(milliseconds: 1_800_000_000_000)
    private let directory: TemporaryDirectory
    private let database: SQLiteConnection
    private let index: KeyIndex
    private let tenant = TenantID("ten_1")

    /// The table that keys refer to; it is Store's.
    private static let tenants = SQLiteMigrations(
        module: "store", steps: ["CREATE TABLE store_tenants (id TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID"])

    init() throws {
        directory = try TemporaryDirectory()
        database = try SQLiteConnection(path: directory("control.db"))
        try database.migrate([Self.tenants, KeyTables.migrations])
        for id in ["ten_1", "ten_2"] { try database.execute("INSERT INTO store_tenants VALUES (?)", id) }
        index = KeyIndex(peppers: try #require(Peppers([3: SecretBytes(randomCount: 32)])))
    }

    private func issue(
        models: Set<String>? = nil, expiresAt: WallTime? = nil, tenant: TenantID? = nil
    ) -> (key: APIKey, record: KeyRecord) {
        let scopes = Scopes([.chat, .nodesRead])
        return index.issue(
            KeyRequest(
                tenant: tenant ?? self.tenant, name: "ci ✓", scopes: scopes, models: models, expiresAt: expiresAt),
            at: now)
    }

    @Test func `gives back a key as it was stored`() throws {
        let records = [issue().record, issue(models: ["a", "b c"], expiresAt: now + .seconds(9)).record]
        for record in records { try KeyTables.insert(record, in: database) }
        #expect(
            try KeyTables.keys(in: database).sorted { $0.id.text < $1.id.text }
                == records.sorted { $0.id.text < $1.id.text })
        #expect(try KeyTables.key(records[1].id, in: database) == records[1])
        var full = records[1]
        (full.kind, full.nodes, full.origins) = (
            .publishable, ["desk", "node_1"], ["https://a.example", "https://b.example"]
        )
        full.addresses = [try #require(AddressRange("10.0.0.0/8")), try #require(AddressRange("2001:db8::/32"))]
        (full.limits, full.metadata) = (["5 concurrent", "100 requests/minute"], #"{"team":"a\nb"}"#)
        (full.blockedAt, full.rotatedAt, full.exposedAt) = (now, now + .seconds(1), now + .seconds(2))
        (full.exposure, full.revokedAt, full.end, full.version) = (.report, now + .seconds(3), .exposed, 7)
        full.former = FormerKey(
            prefix: "ghk_former12", digest: full.digest, pepperGeneration: 2, until: now + .seconds(60))
        full.name = "renamed"
        try KeyTables.update(full, in: database)
        #expect(try KeyTables.key(full.id, in: database) == full)
        try KeyTables.forgetFormer(at: now + .seconds(59), in: database)
        #expect(try KeyTables.key(full.id, in: database)?.former == full.former)
        try KeyTables.forgetFormer(at: now + .seconds(60), in: database)
        #expect(try KeyTables.key(full.id, in: database)?.former == nil)
        #expect(try KeyTables.key(KeyID("key_none"), in: database) == nil)
    }

    @Test func `a restart knows the keys, the revoked ones as revoked`() throws {
        let kept = issue()
        let revoked = issue()
        for record in [kept.record, revoked.record] { try KeyTables.insert(record, in: database) }
        var record = revoked.record
        (record.revokedAt, record.end, record.version) = (now, .exposed, 2)
        try KeyTables.update(record, in: database)
        let reopened = try SQLiteConnection(path: directory("control.db"))
        for record in try KeyTables.keys(in: reopened) { #expect(index.add(record)) }
        if case .valid = index.authenticate(kept.key.text.utf8.span, at: now) {} else { Issue.record("lost a key") }
        #expect(try KeyTables.key(revoked.record.id, in: reopened)?.revokedAt == now)
        if case .revoked(let id) = index.authenticate(revoked.key.text.utf8.span, at: now) {
            #expect(id == revoked.record.id)
        } else {
            Issue.record("lost a revocation")
        }
    }

    @Test func `keeps tenants apart, and goes with its tenant`() throws {
        let other = TenantID("ten_2")
        let (ours, theirs) = (issue().record, issue(tenant: other).record)
        for record in [ours, theirs] { try KeyTables.insert(record, in: database) }
        #expect(try KeyTables.keys(of: other, in: database) == [theirs])
        #expect(throws: SQLiteError.self) {
            try KeyTables.insert(issue(tenant: TenantID("ten_none")).record, in: database)
        }
        try database.execute("DELETE FROM store_tenants WHERE id = ?", other.text)
        #expect(try KeyTables.keys(in: database) == [ours])
    }

    @Test func `writes uses down and never goes back`() throws {
        let record = issue().record
        try KeyTables.insert(record, in: database)
        for time in [now, now + .seconds(5), now + .seconds(2)] {
            try KeyTables.store(uses: [record.id: time, KeyID("key_gone"): time], in: database)
        }
        #expect(try KeyTables.key(record.id, in: database)?.lastUsedAt == now + .seconds(5))
    }

    @Test func `no file holds a key, in any form that would open something`() throws {
        let issued = (0..<20).map { _ in issue() }
        for (_, record) in issued { try KeyTables.insert(record, in: database) }
        for round in 0..<2 {
            if round == 1 { try database.checkpoint() }
            for name in directory.names {
                for (key, _) in issued {
                    #expect(try !file(name, holds: String(key.text.dropFirst(12).prefix(12))), "\(name)")
                }
            }
        }
        // The search finds what does stand there.
        for (key, _) in issued { #expect(try file("control.db", holds: key.prefix)) }
    }

    /// Compares bytes: as text, random bytes behind a prefix could join its last letter.
    private func file(_ name: String, holds text: String) throws -> Bool {
        let bytes = try AtomicFile.read(path: directory(name), bytesMax: 1 << 24)
        return bytes.span.firstRange(of: Array(text.utf8).span) != nil
    }
}
