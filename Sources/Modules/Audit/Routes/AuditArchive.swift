// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import JSON
import Platform
import SQLite

/// What a tenant takes away of its records and its usage.
struct AuditArchive: Sendable {
    let desk: @Sendable () throws(Failure) -> AuditRoutes.Desk
    let tenants: any TenantStore
    /// Has the log's records in the tenant's own tables first.
    let flush: @Sendable (TenantID, EventLoop) async throws(Failure) -> Void

    private static let rowsPerStep = 500

    var parts: [ArchivePart] {
        [
            ArchivePart("audit", "this tenant's records in the audit log, the newest first", tables: []) {
                tenant, archive async throws(Failure) in
                let desk = try desk()
                var below = Int.max
                while true {
                    let end = below
                    let found = try await archive.patiently { () async throws(Failure) in
                        try await desk.reader.page(RecordFilter(tenant: tenant), below: end, limit: Page.limitMax)
                    }
                    for record in found.records {
                        try await archive.add(
                            record.json(id: desk.reader.id(of: record.place.sequence), isWhole: false))
                    }
                    guard let next = found.next else { return }
                    below = next
                }
            },
            ArchivePart(
                "usage", "what was used, by hour or day, key, node, model and provider",
                tables: ["audit_usage", "audit_usage_position"], prepare: flush
            ) { tenant, archive async throws(Failure) in
                let database = try tenants.database(of: tenant, actor: "export")
                var last: UsageCell?
                while true {
                    let from = last
                    let rows = try await database.look { transaction throws(SQLiteError) in
                        .success(
                            try UsageTables.rows(0..<Int64.max, after: from, max: Self.rowsPerStep, in: transaction))
                    }
                    for (cell, sums) in rows { try await archive.add(Self.json(cell, sums)) }
                    guard rows.count == Self.rowsPerStep else { return }
                    last = rows.last?.cell
                }
            },
            ArchivePart(
                "refusals", "what people have said of refusals", tables: ["audit_dispositions"]
            ) { tenant, archive async throws(Failure) in
                let database = try tenants.database(of: tenant, actor: "export")
                try await archive.pages(
                    { page async throws(Failure) in
                        let sql = page.sql("request_id")
                        return try await database.look { transaction throws(SQLiteError) in
                            let rows = try transaction.connection.query(
                                """
                                SELECT request_id, disposition, decided_by, decided_at FROM audit_dispositions
                                WHERE \(sql.condition) \(sql.order) LIMIT ?2
                                """, page.idBound, page.limit + 1
                            ) { row throws(SQLiteError) in
                                Opinion(
                                    request: try row.text(0), disposition: try row.text(1), by: try row.text(2),
                                    at: try row.time(3))
                            }
                            return .success(Slice(rows, of: page))
                        }
                    }, cursor: \.request, \.json)
            },
        ]
    }

    private struct Opinion: Sendable {
        let request: String
        let disposition: String
        let by: String
        let at: WallTime

        var json: JSONObject {
            [
                "request_id": .string(request), "disposition": .string(disposition), "decided_by": .string(by),
                "decided_at": .string(at.rfc3339),
            ]
        }
    }

    private static func json(_ cell: UsageCell, _ sums: UsageSums) -> JSONObject {
        var json: JSONObject = [
            "start": .string(WallTime(milliseconds: cell.start * 1000).rfc3339), "seconds": .int(cell.span.rawValue),
            "key": .string(cell.key), "node": .string(cell.node), "model": .string(cell.model),
            "provider": .string(cell.provider),
        ]
        for (name, value) in sums.json.members { json[name] = value }
        return json
    }
}
