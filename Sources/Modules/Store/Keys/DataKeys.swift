// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import SQLite

/// The random keys of the house, each for one purpose and in generations, wrapped under the master key. Changing that or a
/// slot changes none of them.
enum DataKeys {
    /// Generations of one key at a time.
    static let generationsMax = 64

    /// All generations of a key; empty where it was never made.
    static func all(
        _ label: String, _ master: MasterKey, _ connection: SQLiteConnection
    ) throws(KeyringFailure) -> [Int: SecretBytes] {
        let rows = try failing { () throws(SQLiteError) in
            try connection.query("SELECT generation, wrapped FROM keyring_data_keys WHERE label = ?", label) {
                row throws(SQLiteError) in (generation: try row.int(0), wrapped: try row.blob(1))
            }
        }
        var keys: [Int: SecretBytes] = [:]
        for row in rows {
            let data = AssociatedData.dataKey(label, generation: row.generation)
            guard let key = master.dataKeys.unwrapKey(row.wrapped, as: data) else { throw .damaged("the key \(label)") }
            keys[row.generation] = key
        }
        return keys
    }

    /// The newest generation, made where there is none. On the writing thread.
    static func newest(
        _ label: String, _ master: MasterKey, _ connection: SQLiteConnection
    ) throws(KeyringFailure) -> (generation: Int, key: SecretBytes) {
        if let newest = try all(label, master, connection).max(by: { $0.key < $1.key }) {
            return (newest.key, newest.value)
        }
        return try add(label, generation: 1, master, connection)
    }

    /// A fresh key as the given generation. On the writing thread.
    static func add(
        _ label: String, generation: Int, _ master: MasterKey, _ connection: SQLiteConnection
    ) throws(KeyringFailure) -> (generation: Int, key: SecretBytes) {
        let key = SecretBytes(randomCount: 32)
        let wrapped = master.dataKeys.wrap(key, as: .dataKey(label, generation: generation))
        try failing { () throws(SQLiteError) in
            try connection.execute(
                "INSERT INTO keyring_data_keys VALUES (?, ?, ?, ?)", label, generation, wrapped, WallTime.now())
        }
        return (generation, key)
    }
}

extension Keyring {
    /// The label of the page key of control.db.
    static let controlLabel = "pages/control"

    /// A key for one purpose, in all its generations: the API-key pepper, a root of blind indices, a signing key's seed.
    /// 32 bytes each, random; made where there is none.
    func dataKeys(_ label: String) throws(KeyringFailure) -> [Int: SecretBytes] {
        // The master key is asked for inside: while a read goes on, no other one comes into force.
        let keys = try read { connection throws(KeyringFailure) in try DataKeys.all(label, master, connection) }
        guard keys.isEmpty else { return keys }
        // Another thread may have been first; it is asked again where only one writes.
        let (generation, key) = try writer.run { [self] connection throws(KeyringFailure) in
            try DataKeys.newest(label, self.master, connection)
        }
        return [generation: key]
    }

    /// A new generation of a key, beside those there are. Its number.
    func addDataKey(_ label: String) throws(KeyringFailure) -> Int {
        try writer.run { [self] connection throws(KeyringFailure) in
            let old = try DataKeys.all(label, master, connection)
            guard old.count < DataKeys.generationsMax else {
                throw .refused("\(label) has \(old.count) generations: finish a rotation first")
            }
            return try DataKeys.add(label, generation: (old.keys.max() ?? 0) + 1, master, connection).generation
        }
    }

    /// Makes a key that has its label to itself.
    ///
    /// - Throws: `exists`.
    func createDataKey(_ label: String) throws(KeyringFailure) -> SecretBytes {
        try writer.run { [self] connection throws(KeyringFailure) in
            guard try DataKeys.all(label, master, connection).isEmpty else { throw .exists }
            return try DataKeys.add(label, generation: 1, master, connection).key
        }
    }

    /// The newest key of a label; `nil` where there is none.
    func dataKey(_ label: String) throws(KeyringFailure) -> SecretBytes? {
        let keys = try read { connection throws(KeyringFailure) in try DataKeys.all(label, master, connection) }
        return keys.max { $0.key < $1.key }?.value
    }

    /// Deletes a key in all its generations, from the log of the file too. Harmless twice.
    func destroyDataKey(_ label: String) throws(KeyringFailure) {
        try writer.run { connection throws(KeyringFailure) in
            try failing { () throws(SQLiteError) in
                try connection.execute("DELETE FROM keyring_data_keys WHERE label = ?", label)
            }
        }
        try emptyLog()
    }

    /// Labels that begin with `prefix`, in order.
    func dataKeyLabels(prefix: String) throws(KeyringFailure) -> [String] {
        try read { connection throws(KeyringFailure) in
            try failing { () throws(SQLiteError) in
                try connection.query(
                    """
                    SELECT DISTINCT label FROM keyring_data_keys WHERE substr(label, 1, length(?1)) = ?1 ORDER BY label
                    """, prefix
                ) { row throws(SQLiteError) in try row.text(0) }
            }
        }
    }

    /// Deletes the generations of a key below one, when nothing uses them any more.
    func retireDataKeys(_ label: String, below generation: Int) throws(KeyringFailure) {
        try writer.run { connection throws(KeyringFailure) in
            try failing { () throws(SQLiteError) in
                try connection.execute(
                    "DELETE FROM keyring_data_keys WHERE label = ? AND generation < ?", label, generation)
            }
        }
    }

    /// The keys of control.db's pages, the newest first, and what the file is bound to.
    func controlKeys() throws(KeyringFailure) -> (pageKeys: [PageKey], identity: FileIdentity) {
        let keys = try dataKeys(Self.controlLabel).sorted { $0.key > $1.key }
        return (
            keys.map { PageKey(generation: UInt32(clamping: $0.key), bytes: $0.value) },
            FileIdentity(id: id, role: .control, tenant: "")
        )
    }
}
