// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Log
import SQLite

/// What the operator of the appliance sees of a tenant's nodes and threads: ids, sizes and times, and nothing that somebody
/// wrote. Content only by breaking the glass, which the tenant sees.
struct OperatorRoutes: Sendable {
    let context: NodesContext

    var all: [Route] { [nodes, deleteNode, threads, deleteThread, breakGlass, access] }

    private var nodes: Route {
        Route(.get, "/admin/v1/nodes", guard: .operator, summary: "A tenant's nodes: ids, sizes, times") {
            exchange async throws(Failure) in
            let query = try Query(exchange, known: Page.names + ["tenant"])
            let page = try Page(query)
            let slice = try await database(of: query["tenant"]).look { transaction throws(SQLiteError) in
                .success(try NodeTables.outlines(page, in: transaction))
            }
            return .json(.object(slice.json(cursor: \.id, \.json)))
        }
    }

    private var deleteNode: Route {
        Route(.delete, "/admin/v1/nodes/{id}", guard: .operator, summary: "Delete a tenant's node for good") {
            exchange async throws(Failure) in
            let id = exchange.parameters["id"] ?? ""
            let database = try database(of: Query(exchange, known: ["tenant"])["tenant"])
            try await exchange.advance(through: .record)
            // By its id alone: an alias is the tenant's word.
            guard id.hasPrefix("node_") else { throw Failure.absent }
            _ = try await Deletion(database: database).deleteNode(id)
            return .json(["id": .string(id), "object": "node.deleted", "deleted": true])
        }
    }

    private var threads: Route {
        Route(.get, "/admin/v1/threads", guard: .operator, summary: "A tenant's threads: ids, sizes, times") {
            exchange async throws(Failure) in
            let query = try Query(exchange, known: Page.names + ["tenant", "node"])
            let page = try Page(query)
            let filter = ThreadFilter(nodeID: try query.string("node", bytesMax: NodesLimits.aliasBytesMax))
            let slice = try await database(of: query["tenant"]).look { transaction throws(SQLiteError) in
                .success(try ThreadTables.outlines(filter, page, in: transaction))
            }
            return .json(.object(slice.json(cursor: \.id, \.json)))
        }
    }

    private var deleteThread: Route {
        Route(.delete, "/admin/v1/threads/{id}", guard: .operator, summary: "Delete a tenant's thread for good") {
            exchange async throws(Failure) in
            let id = exchange.parameters["id"] ?? ""
            let database = try database(of: Query(exchange, known: ["tenant"])["tenant"])
            try await exchange.advance(through: .record)
            try await Deletion(database: database).deleteThread(id, of: .everybody)
            return .json(["id": .string(id), "object": "thread.deleted", "deleted": true])
        }
    }

    /// The record and the reading are one transaction: what is read has been written down, or the answer does not come.
    private var breakGlass: Route {
        Route(
            .post, "/admin/v1/break-glass", guard: .operator,
            summary: "Read a tenant's thread, for a reason that the tenant is shown", requestBody: Self.schema
        ) { exchange async throws(Failure) in
            let body = try await JSONBody(
                exchange, bytesMax: NodesLimits.smallBodyBytesMax,
                known: ["tenant", "thread", "reason", "limit", "after"])
            let tenant = try body.required("tenant", body.string("tenant", bytes: 1...NodesLimits.nameBytesMax * 2))
            let id = try body.required("thread", body.string("thread", bytes: 1...NodesLimits.aliasBytesMax))
            let reason = try body.required("reason", body.line("reason", bytesMax: NodesLimits.reasonBytesMax))
            let page = Page(
                limit: try body.int("limit", in: 1...Page.limitMax) ?? Page.limitMax,
                after: try body.string("after", bytes: 1...Page.cursorBytesMax), order: .ascending)
            let bound = try page.placeBound()
            let database = try database(of: tenant)
            try await exchange.advance(through: .record)
            let (actor, now) = (exchange.actor, context.now())
            let found = try await database.change {
                transaction throws(SQLiteError) -> Verdict<(String, ThreadRecord, Slice<MessageRecord>)> in
                guard let thread = try ThreadTables.find(id, of: .everybody, in: transaction) else {
                    return .failure(.absent)
                }
                let access = try AccessRecord.insert(
                    thread.outline, reason: reason, by: actor, at: now, in: transaction)
                let messages = try MessageTables.list(of: thread.outline, page, after: bound, in: transaction)
                return .success((access, thread, messages))
            }
            context.log.notice(
                "the glass was broken",
                ["tenant": .string(database.tenant.text), "access": .string(found.0), "actor": .string(actor)])
            return .json([
                "object": "break_glass", "access_id": .string(found.0), "thread": .object(found.1.json),
                "messages": .object(found.2.json(cursor: { String($0.sequence) }, \.json)),
            ])
        }
    }

    private var access: Route {
        Route(
            .get, "/v1/account/access", guard: .keyOrSession(.account, .admin),
            summary: "When an operator read this tenant's content, and why"
        ) { exchange async throws(Failure) in
            let page = try Page(Query(exchange, known: Page.names))
            let slice = try await context.database(of: exchange).look { transaction throws(SQLiteError) in
                .success(try AccessRecord.list(page, in: transaction))
            }
            return .json(.object(slice.json(cursor: \.id, \.json)))
        }
    }

    private func database(of tenant: String?) throws(Failure) -> any TenantDatabase {
        guard let tenant else { throw Failure(.invalidParameter, "name a tenant by its name or id", param: "tenant") }
        return try context.store.database(of: context.tenant(tenant).id, actor: "operator")
    }

    private static let schema: JSONValue = [
        "type": "object", "required": ["tenant", "thread", "reason"], "additionalProperties": false,
        "properties": [
            "tenant": ["type": "string"], "thread": ["type": "string"],
            "reason": ["type": "string", "minLength": 1, "maxLength": .int(NodesLimits.reasonBytesMax)],
            "limit": ["type": "integer", "minimum": 1, "maximum": .int(Page.limitMax)],
            "after": ["type": "string"],
        ],
    ]
}
