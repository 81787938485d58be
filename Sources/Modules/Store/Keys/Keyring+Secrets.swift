// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import SQLite
import Synchronization

extension Keyring {
    /// Secrets at a time.
    static let secretsMax = 512
    /// Bytes of one.
    static let secretBytes = 8...4096

    /// The value of a secret; `nil` where there is none of that name. For the module that uses it; no route gives it back.
    func secret(named name: String) throws(KeyringFailure) -> SecretBytes? {
        try read { connection throws(KeyringFailure) in
            // Asked for in here: while a read goes on, no other master key comes into force.
            let master = master
            let row = try failing { () throws(SQLiteError) in
                try connection.first("SELECT generation, wrapped FROM keyring_secrets WHERE name = ?", name) {
                    row throws(SQLiteError) in (generation: try row.int(0), wrapped: try row.blob(1))
                }
            }
            guard let row else { return nil }
            guard let value = master.secrets.unwrap(row.wrapped, as: .secret(name, generation: row.generation)) else {
                throw .damaged("the secret \(name)")
            }
            return value
        }
    }

    /// Sets a secret, or puts another in its place.
    func setSecret(_ value: SecretBytes, named name: String) throws(KeyringFailure) -> SecretDescription {
        guard Self.secretBytes.contains(value.count) else {
            throw .refused("a secret has \(Self.secretBytes.lowerBound) to \(Self.secretBytes.upperBound) bytes")
        }
        return try writer.run { [self] connection throws(KeyringFailure) in
            let old = try entries(connection)
            let generation = (old.first { $0.name == name }?.generation ?? 0) + 1
            guard generation > 1 || old.count < Self.secretsMax else {
                throw .refused("there are \(old.count) secrets: remove one first")
            }
            let entry = SecretDescription(name: name, generation: generation, setAt: .now())
            let wrapped = master.secrets.wrap(value, as: .secret(name, generation: generation))
            try failing { () throws(SQLiteError) in
                try connection.execute(
                    "INSERT OR REPLACE INTO keyring_secrets VALUES (?, ?, ?, ?)", name, generation, wrapped, entry.setAt
                )
            }
            return entry
        }
    }

    /// Forgets a secret. False where there is none of that name.
    func removeSecret(named name: String) throws(KeyringFailure) -> Bool {
        try writer.run { connection throws(KeyringFailure) in
            try failing { () throws(SQLiteError) in
                try connection.execute("DELETE FROM keyring_secrets WHERE name = ?", name)
                return connection.changes == 1
            }
        }
    }

    /// Names, times and generations, by name; never values.
    func secrets() throws(KeyringFailure) -> [SecretDescription] {
        try read { connection throws(KeyringFailure) in try entries(connection) }
    }

    private func entries(_ connection: SQLiteConnection) throws(KeyringFailure) -> [SecretDescription] {
        try failing { () throws(SQLiteError) in
            try connection.query("SELECT name, generation, set_at FROM keyring_secrets ORDER BY name") {
                row throws(SQLiteError) in
                SecretDescription(name: try row.text(0), generation: try row.int(1), setAt: try row.time(2))
            }
        }
    }
}
