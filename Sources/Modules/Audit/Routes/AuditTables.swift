// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite

/// What people have said of refusals, in the tenant's own database: the log itself is never changed.
enum AuditTables {
    /// What a person thinks of a refusal.
    enum Disposition: String, CaseIterable, Sendable {
        case correct
        case falsePositive = "false_positive"
    }

    static let migrations = SQLiteMigrations(
        module: "audit",
        steps: [
            """
            CREATE TABLE audit_dispositions (
                request_id TEXT PRIMARY KEY, disposition TEXT NOT NULL, decided_by TEXT NOT NULL,
                decided_at INTEGER NOT NULL) STRICT, WITHOUT ROWID
            """
        ])

    static let schema = Schema(
        .tenant, migrations,
        notes: [
            TableNote(
                "audit_dispositions", kept: "until the tenant is deleted",
                [
                    ColumnNote("request_id", "the request that was refused"),
                    ColumnNote("disposition", "whether somebody thinks that was right", .configuration),
                    ColumnNote("decided_by", "who said so"), ColumnNote("decided_at", "when"),
                ])
        ])

    static func set(
        _ disposition: Disposition?, ofRequest request: String, by actor: String, at now: WallTime,
        in transaction: any TenantTransaction
    ) throws(SQLiteError) {
        guard let disposition else {
            return try transaction.connection.execute("DELETE FROM audit_dispositions WHERE request_id = ?", request)
        }
        try transaction.connection.execute(
            "INSERT OR REPLACE INTO audit_dispositions VALUES (?, ?, ?, ?)", request, disposition.rawValue, actor, now)
    }

    static func find(
        _ requests: [String], in transaction: any TenantTransaction
    ) throws(SQLiteError) -> [String: String] {
        var found: [String: String] = [:]
        for request in requests {
            let rows = try transaction.connection.query(
                "SELECT disposition FROM audit_dispositions WHERE request_id = ?", request
            ) { row throws(SQLiteError) in try row.text(0) }
            if let disposition = rows.first { found[request] = disposition }
        }
        return found
    }
}
