// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import Log
import Platform
import SQLite
import Support
import Synchronization
import Testing

@testable import Store

/// The tenants of an appliance on a directory of the test's own.
final class TenantHarness: Sendable {
    let directory: TemporaryDirectory
    let tenants: Tenants
    let control: DatabaseThread
    let keyring: Keyring

    static let notes = SQLiteMigrations(
        module: "notes",
        steps: ["CREATE TABLE notes (id INTEGER NOT NULL PRIMARY KEY, owner TEXT NOT NULL, text BLOB NOT NULL) STRICT"])

    /// - Parameters:
    ///   - below: the VFS below the seals of tenants' files.
    ///   - isDiskLow: whether the disk is nearly full.
    ///   - wrap: puts something before the keyring.
    init(
        _ section: String = "", in directory: TemporaryDirectory? = nil, below: String = "unix",
        wear: PageWear.Limits = PageWear.Limits(),
        isDiskLow: @escaping @Sendable () -> Bool = { false },
        wrap: (any TenantKeys) -> any TenantKeys = { $0 }
    ) throws {
        self.directory = try directory ?? TemporaryDirectory()
        let keyFile: UnlockSource = .file(self.directory("root.key"))
        keyring = try KeyringOpening(directory: self.directory.path, unlock: [keyFile], makesKeyFile: true).open()
        let configuration = try Configuration(text: "[store]\n" + section)
        let store = try #require(try configuration.section("store"))
        let settings = try StoreSettings(store, mode: .development, dataDirectory: self.directory.path)
        tenants = Tenants(settings: settings, log: .disabled, isDiskLow: { _ in isDiskLow() })
        let (keys, identity) = try keyring.controlKeys()
        control = try DatabaseThread(
            SealedFile(path: self.directory("control.db"), keys: keys, identity: identity), mayCreate: true)
        try tenants.start(
            database: control, keys: wrap(KeyringOfTenants(keyring, below: below, wear: wear)),
            data: self.directory.path)
        try tenants.register(Self.notes)
    }

    deinit { stop() }

    private let isStopped = Atomic(false)

    func stop() {
        guard !isStopped.exchange(true, ordering: .relaxed) else { return }
        tenants.stop()
        control.stop()
        keyring.close()
    }

    /// A tenant's database, as background work gets it.
    func database(_ name: String) throws -> any TenantDatabase {
        try tenants.database(of: try tenants.ensureBlocking(name: name).id, actor: "test")
    }

    /// The database of a key of a tenant.
    func database(asKeyOf name: String) throws -> any TenantDatabase {
        let tenant = try tenants.ensureBlocking(name: name).id
        return try tenants.database(of: Self.principal(of: tenant))
    }

    static func principal(of tenant: TenantID?) -> Principal {
        Principal(kind: .key(KeyID("key_1"), prefix: "ghk_"), tenant: tenant, scopes: Scopes())
    }
}

extension TenantDatabase {
    /// Writes one note that names the tenant.
    func note(_ text: String) async throws(DatabaseFailure) {
        try await write { transaction throws(SQLiteError) in try transaction.note(text) }
    }

    /// The notes, and whose they are.
    func notes() async throws(DatabaseFailure) -> [String] {
        try await read { transaction throws(SQLiteError) in
            try transaction.connection.query("SELECT owner || ':' || CAST(text AS TEXT) FROM notes ORDER BY id") {
                row throws(SQLiteError) in try row.text(0)
            }
        }
    }
}

extension TenantTransaction {
    func note(_ text: String) throws(SQLiteError) {
        try connection.execute("INSERT INTO notes (owner, text) VALUES (?, ?)", tenant.text, Array(text.utf8))
    }
}
