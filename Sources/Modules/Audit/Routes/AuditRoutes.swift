// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import HTTP
import JSON
import Platform
import SQLite

/// What a tenant sees of its own records, and the operator of all of them.
struct AuditRoutes: Sendable {
    /// What the routes work with while the log is open.
    struct Desk: Sendable {
        let reader: AuditReader
        let digests: Digests
        let key: NoteKey
    }

    let desk: @Sendable () throws(Failure) -> Desk
    let tenants: any TenantStore
    let directory: any TenantDirectory

    var all: [Route] { [own, refusals, dispose, everything, errors, publicKey] }

    private var own: Route {
        Route(
            .get, "/v1/audit", guard: .keyOrSession(.auditRead, .admin),
            summary: "This tenant's records, the newest first"
        ) {
            exchange async throws(Failure) in
            let (found, desk, tenant) = try await page(exchange, kinds: nil)
            return list(found, desk, tenant) { $0 }
        }
    }

    private var refusals: Route {
        Route(
            .get, "/v1/refusals", guard: .keyOrSession(.auditRead, .admin),
            summary: "What was refused, why, and what people think of it"
        ) { exchange async throws(Failure) in
            let (found, desk, tenant) = try await page(exchange, kinds: [.refusal, .flood])
            let requests = found.records.compactMap(\.refusedRequest)
            let dispositions = try await database(exchange).look { transaction throws(SQLiteError) in
                .success(try AuditTables.find(requests, in: transaction))
            }
            return list(found, desk, tenant) { record in
                var record = record
                let request = record["request_id"]?.string ?? record["first_request_id"]?.string ?? ""
                record["object"] = "refusal"
                record["id"] = .string(Self.refusalID(request))
                record["disposition"] = dispositions[request].map { .string($0) } ?? .null
                return record
            }
        }
    }

    private var dispose: Route {
        Route(
            .patch, "/v1/refusals/{id}", guard: .keyOrSession(.auditRead, .admin),
            summary: "Say whether a refusal was right", requestBody: Self.dispositionSchema
        ) { exchange async throws(Failure) in
            let body = try await JSONBody(exchange, bytesMax: 1024, known: ["disposition"])
            let disposition: AuditTables.Disposition? = try body.choice("disposition")
            guard body.has("disposition") else { throw body.refusal("disposition", "must be given") }
            let id = exchange.parameters["id"] ?? ""
            guard ULID.isValid(id, prefix: "ref_") else { throw Failure.absent }
            let request = "req_" + id.dropFirst("ref_".count)
            let desk = try desk()
            var filter = RecordFilter(tenant: exchange.principal?.tenant, kinds: [.refusal, .flood])
            filter.request = request
            guard try await find(filter, desk) else { throw Failure.absent }
            try await exchange.advance(through: .record)
            let (actor, now) = (exchange.principal?.accountID?.text ?? "", WallTime.now())
            try await database(exchange).change { transaction throws(SQLiteError) -> Verdict<Void> in
                try AuditTables.set(disposition, ofRequest: request, by: actor, at: now, in: transaction)
                return .success(())
            }
            return .json([
                "id": .string(id), "object": "refusal", "request_id": .string(request),
                "disposition": disposition.map { .string($0.rawValue) } ?? .null,
            ])
        }
    }

    private var everything: Route {
        Route(.get, "/admin/v1/audit", guard: .operator, summary: "Every record, the newest first") {
            exchange async throws(Failure) in
            let (found, desk, _) = try await page(exchange, kinds: nil)
            return list(found, desk, nil, isWhole: true) { $0 }
        }
    }

    /// Bounded by what the search reads at most; what lies further back is found by `audit search`.
    private var errors: Route {
        Route(
            .get, "/admin/v1/errors", guard: .operator,
            summary: "What failed at this server or at a provider, the newest first"
        ) { exchange async throws(Failure) in
            let (found, desk, _) = try await page(exchange, kinds: [.outcome, .refusal, .flood], isFailure: true)
            return list(found, desk, nil, isWhole: true) { $0 }
        }
    }

    private var publicKey: Route {
        Route(.get, "/admin/v1/audit/key", guard: .operator, summary: "The key that checks the log's checkpoints") {
            _ throws(Failure) in
            .json(["object": "audit.key", "key": .string(try desk().key.text)])
        }
    }

    // MARK: Pages

    private func page(
        _ exchange: Exchange, kinds: [AuditKind]?, isFailure: Bool = false
    ) async throws(Failure) -> (LogSearch.Found, Desk, TenantID?) {
        let query = try Query(
            exchange, known: RecordFilter.names + ["limit", "after"] + (isOperator(exchange) ? ["tenant"] : []))
        let desk = try desk()
        let page = try Page(query)
        var filter = RecordFilter(tenant: exchange.principal?.tenant, kinds: kinds)
        filter.isFailure = isFailure
        if isOperator(exchange), let name = query["tenant"] {
            // One that is gone is still in the log, by its id.
            filter.tenant = directory.find(name)?.id ?? TenantID(name)
        }
        filter.request = query["request"]
        filter.key = query["key"]
        filter.node = query["node"]
        filter.actor = query["actor"]
        filter.action = query["action"]
        filter.code = query["code"]
        if let object = query["object"] {
            filter.object = object
            filter.objectDigest = await desk.digests.digester(of: filter.tenant).digest("object", object)
        }
        filter.since = try time(query, "since")
        filter.until = try time(query, "until")
        let cursorTenant = isOperator(exchange) ? nil : exchange.principal?.tenant
        let below = try desk.reader.sequence(ofCursor: page.after, cursorTenant)
        let found = try await desk.reader.page(filter, below: below, limit: page.limit)
        return (found, desk, cursorTenant)
    }

    private func isOperator(_ exchange: Exchange) -> Bool { exchange.principal?.tenant == nil }

    private func time(_ query: Query, _ name: String) throws(Failure) -> WallTime? {
        guard let text = query[name] else { return nil }
        guard let time = WallTime(rfc3339: text) else {
            throw Failure(.invalidParameter, "must be a time such as 2026-11-21T08:40:00Z", param: name)
        }
        return time
    }

    /// Whether there is such a record, however far back; a few pages at most.
    private func find(_ filter: RecordFilter, _ desk: Desk) async throws(Failure) -> Bool {
        var below = Int.max
        for _ in 0..<50 {
            let found = try await desk.reader.page(filter, below: below, limit: 1)
            if !found.records.isEmpty { return true }
            guard let next = found.next else { return false }
            below = next
        }
        return false
    }

    private func list(
        _ found: LogSearch.Found, _ desk: Desk, _ tenant: TenantID?, isWhole: Bool = false,
        _ change: (JSONObject) -> JSONObject
    ) -> Reply {
        let rows = found.records.map { record -> JSONValue in
            .object(change(record.json(id: desk.reader.id(of: record.place.sequence), isWhole: isWhole)))
        }
        return .json([
            "object": "list", "data": .array(rows), "has_more": .bool(found.next != nil),
            "next_cursor": found.next.map { .string(desk.reader.cursor($0, of: tenant)) } ?? .null,
        ])
    }

    private func database(_ exchange: Exchange) throws(Failure) -> any TenantDatabase {
        try tenants.database(of: exchange.principal)
    }

    /// A refusal is named by the request that was refused.
    private static func refusalID(_ request: String) -> String { "ref_" + request.dropFirst("req_".count) }

    private static let dispositionSchema: JSONValue = [
        "type": "object", "required": ["disposition"], "additionalProperties": false,
        "properties": ["disposition": ["enum": ["correct", "false_positive", .null]]],
    ]
}

extension AuditRecord {
    var refusedRequest: String? { text(.requestID) ?? text(.firstRequestID) }

    /// As routes answer it. Places in the log are the operator's: they count the records of all tenants.
    ///
    /// - Parameter id: its name for a tenant.
    func json(id: String?, isWhole: Bool) -> JSONObject {
        var json: JSONObject = [
            "object": "audit.record", "time": .string(place.time.rfc3339), "kind": .string("\(kind)"),
        ]
        if let id { json["id"] = .string(id) }
        if isWhole { json["sequence"] = .int(place.sequence) }
        for field in AuditField.allCases where isWhole || field != .intent {
            // The word `object` says what this is.
            let name = field == .object ? "object_id" : field.name
            switch field.form {
            case .text: if let text = text(field) { json[name] = .string(text) }
            case .number:
                guard let number = number(field) else { continue }
                json[name] = field.isFlag ? .bool(number == 1) : .int(number)
            case .digest: if let digest = digest(field) { json[name] = .string(Hex.encode(digest)) }
            }
        }
        return json
    }
}
