// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Platform
import SQLite

/// That an operator read a thread, and why: written before anything is read, where its tenant sees it.
///
/// It outlives the thread. What it holds is the thread's number, which nothing else has and no other thread will get: once the
/// thread is deleted, what is left says that and why something was read, and not which thread it was.
struct AccessRecord: Sendable {
    let id: String
    let at: WallTime
    let actor: String
    /// Nil once the thread is deleted.
    let threadID: String?
    let reason: String

    private static let prefix: StaticString = "aud_"

    var json: JSONObject {
        [
            "id": .string(id), "object": "access", "action": "break_glass", "at": .string(at.rfc3339),
            "actor": .string(actor), "thread_id": threadID.map(JSONValue.string) ?? .null, "reason": .string(reason),
        ]
    }

    /// Writes one down.
    ///
    /// - Returns: its id.
    static func insert(
        _ thread: ThreadOutline, reason: String, by actor: String, at now: WallTime,
        in transaction: any TenantTransaction
    ) throws(SQLiteError) -> String {
        let id = ULID.make(prefix: prefix, at: now)
        try transaction.connection.execute(
            "INSERT INTO nodes_access (id, at, actor, action, thread, reason) VALUES (?, ?, ?, ?, ?, ?)", id, now,
            actor,
            "break_glass", thread.number, reason)
        return id
    }

    static func list(_ page: Page, in transaction: any TenantTransaction) throws(SQLiteError) -> Slice<AccessRecord> {
        let sql = page.sql("a.id")
        let records = try transaction.connection.query(
            """
            SELECT a.id, a.at, a.actor, t.id, a.reason FROM nodes_access a LEFT JOIN nodes_threads t ON t.number = a.thread
            WHERE \(sql.condition) \(sql.order) LIMIT ?2
            """, page.idBound, page.limit + 1
        ) { row throws(SQLiteError) in
            AccessRecord(
                id: try row.text(0), at: try row.time(1), actor: try row.text(2), threadID: try row.optionalText(3),
                reason: try row.text(4))
        }
        return Slice(records, of: page)
    }
}
