// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite
import Synchronization

/// What a roll or a rotation under way has moved so far.
struct KeyringProgress: Sendable, Equatable {
    var tenants = 0
    var objects = 0
    var pages = 0
}

/// The keyring as its operator sees it: counts and times, no key.
struct KeyringStatus: Sendable {
    let masterGeneration: Int
    let epoch: Int
    let rolledAt: WallTime
    let isRolling: Bool
    /// Objects and tenants erased that earlier copies of the files, with the epoch's key, can still read.
    let erasures: Int
    let tenants: Int
    let objects: Int
    let tombstones: Int
    let secrets: Int
    let dataKeys: [String: [Int]]
}

extension Keyring {
    /// Counts commits: what is equal has not changed.
    func generation() throws(KeyringFailure) -> Int {
        try read { connection throws(KeyringFailure) in try meta(connection).generation }
    }

    func status() throws(KeyringFailure) -> KeyringStatus {
        try read { connection throws(KeyringFailure) in
            let meta = try meta(connection)
            return try failing { () throws(SQLiteError) in
                func count(_ table: String) throws(SQLiteError) -> Int {
                    try connection.first("SELECT count(*) FROM \(table)") { row throws(SQLiteError) in try row.int(0) }
                        ?? 0
                }
                let keys = try connection.query(
                    "SELECT label, generation FROM keyring_data_keys ORDER BY label, generation"
                ) { row throws(SQLiteError) in (label: try row.text(0), generation: try row.int(1)) }
                return KeyringStatus(
                    masterGeneration: meta.master, epoch: meta.epoch, rolledAt: meta.rolledAt,
                    isRolling: meta.nextEpoch != nil, erasures: meta.erasures, tenants: try count("keyring_tenants"),
                    objects: try count("keyring_objects"), tombstones: try count("keyring_tombstones"),
                    secrets: try count("keyring_secrets"),
                    dataKeys: Dictionary(grouping: keys, by: \.label).mapValues { $0.map(\.generation) })
            }
        }
    }
}
