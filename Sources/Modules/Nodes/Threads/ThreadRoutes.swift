// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import HTTP
import JSON
import SQLite

/// `/v1/threads`: conversations that a tenant has agreed to keep.
struct ThreadRoutes: Sendable {
    let context: NodesContext

    private var threads: Threads { Threads(context: context) }

    var all: [Route] { [create, list, show, delete, deleteMany, append, messages] }

    private var create: Route {
        Route(
            .post, "/v1/threads", guard: .keyOrSession(.threadsWrite, .member), summary: "Begin a thread that is kept",
            requestBody: Self.creation
        ) { exchange async throws(Failure) in
            try NodesContext.refuseZeroRetention(exchange)
            let bytes = try await JSONBody.bytes(of: exchange, bytesMax: NodesLimits.smallBodyBytesMax)
            let body = try JSONBody(parsing: bytes, known: ["node", "title", "correlation_id", "store"])
            if try body.bool("store") == false { throw Failure.nothingMayBeKept }
            let node = try body.string("node", bytes: 1...NodesLimits.aliasBytesMax)
            let asked = ThreadDraft(
                nodeID: nil, title: try body.line("title", bytesMax: NodesLimits.titleBytesMax),
                correlationID: try body.line("correlation_id", bytesMax: NodesLimits.correlationBytesMax))
            let key = try IdempotencyKey(exchange, body: SHA256.digest(bytes))
            try await exchange.advance(through: .record)
            let (threads, actor, now, owners) = (threads, exchange.actor, context.now(), context.reached(by: exchange))
            let thread = try await context.database(of: exchange).change {
                transaction throws(SQLiteError) -> Verdict<ThreadRecord> in
                if let key {
                    switch try key.earlier(in: transaction, at: now) {
                    case .failure(let refusal): return .failure(refusal)
                    case .success(let id):
                        if let id, let thread = try ThreadTables.find(id, of: owners, in: transaction) {
                            return .success(thread)
                        }
                    }
                }
                var draft = asked
                if let node {
                    draft.nodeID = try NodeTables.id(of: node, in: transaction)
                    guard draft.nodeID != nil else { return .failure(.absentNode) }
                }
                let verdict = try threads.create(draft, by: actor, at: now, in: transaction)
                if case .success(let thread) = verdict { try key?.remember(thread.id, in: transaction, at: now) }
                return verdict
            }
            return .json(.object(thread.json), status: 201)
        }
    }

    private var list: Route {
        Route(
            .get, "/v1/threads", guard: .keyOrSession(.threadsRead, .member),
            summary: "The tenant's threads, the newest first; a member's own"
        ) {
            exchange async throws(Failure) in
            let query = try Query(exchange, known: Page.names + Self.filterNames)
            let page = try Page(query)
            let asked = try filter(query, exchange)
            let slice = try await context.database(of: exchange).look {
                transaction throws(SQLiteError) -> Verdict<Slice<ThreadRecord>> in
                guard let filter = try Self.resolve(asked, in: transaction) else { return .failure(.absentNode) }
                return .success(try ThreadTables.list(filter, page, in: transaction))
            }
            return .json(.object(slice.json(cursor: \.id, \.json)))
        }
    }

    private var show: Route {
        Route(
            .get, "/v1/threads/{id}", guard: .keyOrSession(.threadsRead, .member),
            summary: "A thread without its messages"
        ) {
            exchange async throws(Failure) in
            let (id, owners) = (exchange.parameters["id"] ?? "", context.reached(by: exchange))
            let thread = try await context.database(of: exchange).look { transaction throws(SQLiteError) in
                try ThreadTables.find(id, of: owners, in: transaction).map(Verdict.success) ?? .failure(.absent)
            }
            return .json(.object(thread.json))
        }
    }

    private var delete: Route {
        Route(
            .delete, "/v1/threads/{id}", guard: .keyOrSession(.threadsWrite, .member),
            summary: "Delete a thread and its messages for good"
        ) { exchange async throws(Failure) in
            let id = exchange.parameters["id"] ?? ""
            try await exchange.advance(through: .record)
            let database = try context.database(of: exchange)
            let owners = context.reached(by: exchange)
            if !context.chat.threads.delete(id, owners: owners, of: database.tenant, at: context.now()) {
                try await Deletion(database: database).deleteThread(id, of: owners)
            }
            return .json(["id": .string(id), "object": "thread.deleted", "deleted": true])
        }
    }

    /// A filter must be there: a query that was lost on its way must not delete everything.
    private var deleteMany: Route {
        Route(
            .delete, "/v1/threads", guard: .keyOrSession(.threadsWrite, .member),
            summary: "Delete the threads of a node, of a correlation id, or of both, for good"
        ) { exchange async throws(Failure) in
            let query = try Query(exchange, known: Self.filterNames)
            let asked = try filter(query, exchange)
            guard !asked.isEmpty else {
                throw Failure(
                    .invalidParameter, "name the threads to delete with node or correlation_id", param: "node")
            }
            try await exchange.advance(through: .record)
            let database = try context.database(of: exchange)
            let filter = try await database.look { transaction throws(SQLiteError) in
                try Self.resolve(asked, in: transaction).map(Verdict.success) ?? .failure(.absentNode)
            }
            let held = context.chat.threads.delete(filter, of: database.tenant)
            let (count, hasMore) = try await Deletion(database: database).deleteThreads(filter)
            return .json([
                "object": "thread.deleted", "deleted": true, "count": .int(held + count), "has_more": .bool(hasMore),
            ])
        }
    }

    private var append: Route {
        Route(
            .post, "/v1/threads/{id}/messages", guard: .keyOrSession(.threadsWrite, .member),
            summary: "Append a message to a thread",
            requestBody: Self.message
        ) { exchange async throws(Failure) in
            try NodesContext.refuseZeroRetention(exchange)
            let body = try await JSONBody(
                exchange, bytesMax: NodesLimits.messageBodyBytesMax,
                known: ["role", "name", "content", "client_message_id", "store"])
            if try body.bool("store") == false { throw Failure.nothingMayBeKept }
            let draft = MessageDraft(
                role: try body.choice("role") ?? .user,
                name: try body.line("name", bytesMax: NodesLimits.nameBytesMax),
                content: try body.required(
                    "content", body.string("content", bytes: 1...NodesLimits.messageBytesMax)),
                clientID: try body.line("client_message_id", bytesMax: NodesLimits.clientIDBytesMax))
            try await exchange.advance(through: .record)
            let (threads, id, now) = (threads, exchange.parameters["id"] ?? "", context.now())
            let owners = context.reached(by: exchange)
            let messages = try await context.database(of: exchange).change { transaction throws(SQLiteError) in
                try threads.append([draft], to: id, of: owners, at: now, in: transaction)
            }
            guard let message = messages.first else { throw Failure(.internal, "the message was not kept") }
            return .json(.object(message.json), status: 201)
        }
    }

    private var messages: Route {
        Route(
            .get, "/v1/threads/{id}/messages", guard: .keyOrSession(.threadsRead, .member),
            summary: "A thread's messages, the oldest first"
        ) { exchange async throws(Failure) in
            let page = try Page(Query(exchange, known: Page.names), order: .ascending)
            let bound = try page.placeBound()
            let (threads, id, owners) = (threads, exchange.parameters["id"] ?? "", context.reached(by: exchange))
            let slice = try await context.database(of: exchange).look { transaction throws(SQLiteError) in
                try threads.messages(of: id, of: owners, page, after: bound, in: transaction).map(Verdict.success)
                    ?? .failure(.absent)
            }
            return .json(.object(slice.json(cursor: { String($0.sequence) }, \.json)))
        }
    }

    // MARK: Filters

    private static let filterNames = ["node", "correlation_id"]

    /// What a query asks for, of what its caller gets to; the node stands there by id or alias.
    private func filter(_ query: Query, _ exchange: Exchange) throws(Failure) -> ThreadFilter {
        ThreadFilter(
            nodeID: try query.string("node", bytesMax: NodesLimits.aliasBytesMax),
            correlationID: try query.string("correlation_id", bytesMax: NodesLimits.correlationBytesMax),
            owners: context.reached(by: exchange))
    }

    /// The same with the node's id; nil where there is no such node.
    private static func resolve(
        _ asked: ThreadFilter, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> ThreadFilter? {
        guard let node = asked.nodeID else { return asked }
        guard let id = try NodeTables.id(of: node, in: transaction) else { return nil }
        var filter = asked
        filter.nodeID = id
        return filter
    }

    // MARK: Schemas

    private static let creation: JSONValue = [
        "type": "object",
        "additionalProperties": false,
        "properties": [
            "node": ["type": ["string", "null"]],
            "title": ["type": ["string", "null"], "maxLength": .int(NodesLimits.titleBytesMax)],
            "correlation_id": ["type": ["string", "null"], "maxLength": .int(NodesLimits.correlationBytesMax)],
            "store": ["type": ["boolean", "null"]],
        ],
    ]

    private static let message: JSONValue = [
        "type": "object",
        "required": ["content"],
        "additionalProperties": false,
        "properties": [
            "role": ["enum": .array(MessageRole.allCases.map { .string($0.rawValue) })],
            "name": ["type": ["string", "null"], "maxLength": .int(NodesLimits.nameBytesMax)],
            "content": ["type": "string", "minLength": 1, "maxLength": .int(NodesLimits.messageBytesMax)],
            "client_message_id": ["type": ["string", "null"], "maxLength": .int(NodesLimits.clientIDBytesMax)],
            "store": ["type": ["boolean", "null"]],
        ],
    ]
}

extension Failure {
    static var absentNode: Failure { Failure(.notFound, "there is no node of that id or alias", param: "node") }
}
