// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Crypto
import HTTP
import Platform
import SQLite

/// The field Idempotency-Key of a creation: sent again within a day with the same body, it makes nothing new and answers with
/// what was made then.
///
/// What is kept of it is a digest of the key, one of the body, and the new id; never the body, and nothing once the thing
/// it made is deleted.
struct IdempotencyKey: Sendable {
    /// The key as its caller and route make it their own.
    private let text: String
    /// The hexadecimal SHA-256 of the body.
    private let body: String

    init?(_ exchange: Exchange, body: Digest) throws(Failure) {
        guard let key = exchange.request.head.fields["idempotency-key"] else { return nil }
        guard (1...NodesLimits.idempotencyKeyBytesMax).contains(key.utf8.count) else {
            throw Failure(
                .invalidParameter, "must have 1 to \(NodesLimits.idempotencyKeyBytesMax) bytes",
                param: "Idempotency-Key")
        }
        let caller = exchange.actor
        self.init(text: "\(caller) \(exchange.route.method.name) \(exchange.route.pattern) \(key)", body: body)
    }

    init(text: String, body: Digest) {
        self.text = text
        self.body = Hex.encode(body.bytes)
    }

    /// The id that came of this key before; nil if it is new. Refuses the key of another body.
    func earlier(in transaction: any TenantTransaction, at now: WallTime) throws(SQLiteError) -> Verdict<String?> {
        let found = try transaction.connection.first(
            "SELECT body, object_id FROM nodes_creations WHERE key = ? AND created_at > ?", key(transaction),
            now - .seconds(NodesLimits.idempotencySeconds)
        ) { row throws(SQLiteError) in (body: try row.blob(0), id: try row.text(1)) }
        guard let found else { return .success(nil) }
        guard found.body == transaction.digest("creation-body", body) else {
            return .failure(Failure(.conflict, "this Idempotency-Key was used with another body"))
        }
        return .success(found.id)
    }

    /// Remembers what came of this key, in the transaction that makes it.
    func remember(_ id: String, in transaction: any TenantTransaction, at now: WallTime) throws(SQLiteError) {
        try transaction.connection.execute(
            "INSERT OR REPLACE INTO nodes_creations VALUES (?, ?, ?, ?)", key(transaction),
            transaction.digest("creation-body", body), id, now)
    }

    /// Forgets whatever made a thing that is being deleted.
    static func forget(_ id: String, in transaction: any TenantTransaction) throws(SQLiteError) {
        try transaction.connection.execute("DELETE FROM nodes_creations WHERE object_id = ?", id)
    }

    /// Forgets keys that are older than a day.
    ///
    /// - Returns: how many.
    static func sweep(
        in transaction: any TenantTransaction, at now: WallTime, max: Int
    ) throws(SQLiteError) -> Int {
        try transaction.connection.execute(
            """
            DELETE FROM nodes_creations WHERE key IN
                (SELECT key FROM nodes_creations WHERE created_at <= ? ORDER BY created_at LIMIT ?)
            """, now - .seconds(NodesLimits.idempotencySeconds), max)
        return transaction.connection.changes
    }

    /// When the oldest key that is remembered was used.
    static func oldest(in transaction: any TenantTransaction) throws(SQLiteError) -> WallTime? {
        try transaction.connection.first("SELECT created_at FROM nodes_creations ORDER BY created_at LIMIT 1") {
            row throws(SQLiteError) in try row.time(0)
        }
    }

    private func key(_ transaction: any TenantTransaction) -> [UInt8] { transaction.digest("creation", text) }
}
