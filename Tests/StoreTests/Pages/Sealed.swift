// SPDX-License-Identifier: Apache-2.0

import Crypto
import Platform
import SQLite
import Store
import Support

/// A sealed database of a test, with keys that anybody can guess.
struct Sealed: Sendable {
    let directory: TemporaryDirectory
    let path: String
    let file: SealedFile

    init(_ name: String = "a.db", tenant: String = "ten_a", below: String = "unix") throws {
        directory = try TemporaryDirectory()
        path = directory(name)
        file = Sealed.file(path, tenant: tenant, below: below)
    }

    static func key(_ generation: UInt32 = 1, _ byte: UInt8 = 7) -> PageKey {
        PageKey(generation: generation, bytes: SecretBytes(copying: [UInt8](repeating: byte, count: 32).span))
    }

    static func identity(_ byte: UInt8 = 1, tenant: String = "ten_a") -> FileIdentity {
        FileIdentity(id: [UInt8](repeating: byte, count: 16), role: .tenant, tenant: tenant)
    }

    /// The file as another process would see it: nothing is known of it yet.
    static func file(
        _ path: String, key: PageKey = key(), retired: [PageKey] = [], id: UInt8 = 1, tenant: String = "ten_a",
        below: String = "unix"
    ) -> SealedFile {
        SealedFile(
            path: path, keys: [key] + retired, identity: identity(id, tenant: tenant), below: below)
    }

    func connect(_ options: SQLiteOptions = Sealed.options()) throws(SQLiteError) -> SQLiteConnection {
        try file.connect(options, mayCreate: true)
    }

    static func digest(_ bytes: [UInt8]) -> [UInt8] { SHA256.digest(bytes).bytes }

    /// Without checkpoints, unless asked for.
    static func options(checkpointPages: Int = 0) -> SQLiteOptions {
        var options = SQLiteOptions()
        options.checkpointPages = checkpointPages
        return options
    }
}

extension SQLiteConnection {
    func count(_ sql: String) throws(SQLiteError) -> Int {
        try first(sql) { row throws(SQLiteError) in try row.int(0) } ?? -1
    }

    func text(_ sql: String) throws(SQLiteError) -> String {
        try first(sql) { row throws(SQLiteError) in try row.text(0) } ?? ""
    }
}
