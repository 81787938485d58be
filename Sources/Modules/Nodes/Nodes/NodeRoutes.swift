// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import HTTP
import JSON
import SQLite

/// `/v1/nodes`: a tenant's own.
struct NodeRoutes: Sendable {
    let context: NodesContext

    var all: [Route] { [create, list, show, change, delete, versions] }

    private var create: Route {
        Route(
            .post, "/v1/nodes", guard: .keyOrSession(.nodesWrite, .admin),
            summary: "Make a node: a model with its instructions",
            requestBody: NodeSchema.creation
        ) { exchange async throws(Failure) in
            let bytes = try await JSONBody.bytes(of: exchange, bytesMax: NodesLimits.nodeBodyBytesMax)
            let body = try JSONBody(parsing: bytes, known: NodeConfiguration.names)
            var wanted = NodeConfiguration()
            try wanted.apply(body)
            try wanted.check(body)
            try checkModel(wanted, exchange)
            try await exchange.advance(through: .record)
            let key = try IdempotencyKey(exchange, body: SHA256.digest(bytes))
            let (configuration, actor, now) = (wanted, exchange.actor, context.now())
            let record = try await context.database(of: exchange).change {
                transaction throws(SQLiteError) -> Verdict<NodeRecord> in
                if let key {
                    switch try key.earlier(in: transaction, at: now) {
                    case .failure(let refusal): return .failure(refusal)
                    case .success(let id):
                        if let id, let node = try NodeTables.find(id, in: transaction) { return .success(node) }
                    }
                }
                guard try NodeTables.count(in: transaction) < NodesLimits.nodesMax else {
                    return .failure(
                        Failure(.conflict, "a tenant has at most \(NodesLimits.nodesMax) nodes; delete one first"))
                }
                if try NodeTables.isTaken(alias: configuration.alias, byOtherThan: nil, in: transaction) {
                    return .failure(.takenAlias)
                }
                let node = try NodeTables.insert(configuration, by: actor, at: now, in: transaction)
                try key?.remember(node.id, in: transaction, at: now)
                return .success(node)
            }
            return .json(.object(record.json), status: 201)
        }
    }

    private var list: Route {
        Route(.get, "/v1/nodes", guard: .keyOrSession(.nodesRead, .admin), summary: "The tenant's nodes") {
            exchange async throws(Failure) in
            let page = try Page(Query(exchange, known: Page.names))
            let slice = try await context.database(of: exchange).look { transaction throws(SQLiteError) in
                .success(try NodeTables.list(page, in: transaction))
            }
            guard let principal = exchange.principal, principal.nodes != nil else {
                return .json(.object(slice.json(cursor: \.id, \.json)))
            }
            var json = slice.json(cursor: \.id, \.json)
            json["data"] = .array(slice.elements.filter { principal.mayUse(node: $0) }.map { .object($0.json) })
            return .json(.object(json))
        }
    }

    private var show: Route {
        Route(.get, "/v1/nodes/{id}", guard: .keyOrSession(.nodesRead, .admin), summary: "A node, by its id or alias") {
            exchange async throws(Failure) in
            let name = exchange.parameters["id"] ?? ""
            let record = try await context.database(of: exchange).look { transaction throws(SQLiteError) in
                try NodeTables.find(name, in: transaction).map(Verdict.success) ?? .failure(.absent)
            }
            try requireNode(record.id, record.configuration.alias, exchange)
            return .json(.object(record.json))
        }
    }

    /// A change is read before the transaction and applied within it, so that two changes of different members both count.
    private var change: Route {
        Route(
            .patch, "/v1/nodes/{id}", guard: .keyOrSession(.nodesWrite, .admin),
            summary: "Change a node; each change is a version",
            requestBody: NodeSchema.change
        ) { exchange async throws(Failure) in
            let name = exchange.parameters["id"] ?? ""
            let body = try await JSONBody(
                exchange, bytesMax: NodesLimits.nodeBodyBytesMax, known: NodeConfiguration.names)
            var probe = NodeConfiguration()
            try probe.apply(body)
            if body.has("model") { try checkModel(probe, exchange) }
            try await exchange.advance(through: .record)
            let database = try context.database(of: exchange)
            // What has outlived the old wish goes before a longer one holds: raising brings nothing back.
            if body.has("retention_seconds") {
                try await Sweeper(context: context).sweep(database)
            }
            let (actor, now, principal) = (exchange.actor, context.now(), exchange.principal)
            let record = try await database.change { transaction throws(SQLiteError) -> Verdict<NodeRecord> in
                guard let old = try NodeTables.find(name, in: transaction) else { return .failure(.absent) }
                var configuration = old.configuration
                do throws(Failure) {
                    try configuration.apply(body)
                } catch {
                    return .failure(error)
                }
                guard configuration != old.configuration else { return .success(old) }
                // A key is bound to nodes by their names: one that could give such a name to another node would have that
                // node's model.
                if configuration.alias != old.configuration.alias,
                    !(principal?.mayUse(model: configuration.model) ?? false)
                {
                    return .failure(.unknownModel)
                }
                if try NodeTables.isTaken(alias: configuration.alias, byOtherThan: old.id, in: transaction) {
                    return .failure(.takenAlias)
                }
                return .success(
                    try NodeTables.update(old, to: configuration, by: actor, at: now, in: transaction))
            }
            context.schedule.hasten(database.tenant)
            return .json(.object(record.json))
        }
    }

    private var delete: Route {
        Route(
            .delete, "/v1/nodes/{id}", guard: .keyOrSession(.nodesWrite, .admin),
            summary: "Delete a node for good, with its versions and threads"
        ) { exchange async throws(Failure) in
            let name = exchange.parameters["id"] ?? ""
            try await exchange.advance(through: .record)
            let database = try context.database(of: exchange)
            let id = try await Deletion(database: database).deleteNode(name)
            context.chat.forget(node: id, of: database.tenant)
            return .json(["id": .string(id), "object": "node.deleted", "deleted": true])
        }
    }

    private var versions: Route {
        Route(
            .get, "/v1/nodes/{id}/versions", guard: .keyOrSession(.nodesRead, .admin), summary: "What a node was before"
        ) {
            exchange async throws(Failure) in
            let name = exchange.parameters["id"] ?? ""
            let page = try Page(Query(exchange, known: Page.names))
            let bound = try page.placeBound()
            try requireNode(name, name, exchange)
            let slice = try await context.database(of: exchange).look {
                transaction throws(SQLiteError) -> Verdict<Slice<NodeVersion>> in
                guard let id = try NodeTables.id(of: name, in: transaction) else { return .failure(.absent) }
                return .success(try NodeTables.versions(of: id, page, after: bound, in: transaction))
            }
            return .json(.object(slice.json(cursor: { String($0.version) }, \.json)))
        }
    }

    /// A key that is bound to nodes reads of no other. (It has no scope that changes any.)
    private func requireNode(_ id: String, _ alias: String, _ exchange: Exchange) throws(Failure) {
        guard let principal = exchange.principal, principal.nodes != nil else { return }
        guard principal.mayUse(node: id, alias: alias) else {
            throw Failure(.nodeNotAllowed, "this key may not use this node")
        }
    }

    /// A model that this key may not name does not exist for it.
    private func checkModel(_ configuration: NodeConfiguration, _ exchange: Exchange) throws(Failure) {
        guard let principal = exchange.principal, principal.mayUse(model: configuration.model) else {
            throw Failure.unknownModel
        }
        try context.models?.requireModel(configuration.model, for: principal)
    }
}

extension Failure {
    fileprivate static var unknownModel: Failure {
        Failure(.modelNotFound, "this key knows no model of that name", param: "model")
    }
    static var takenAlias: Failure { Failure(.conflict, "another node has this alias", param: "alias") }
}

extension Exchange {
    /// Who calls, as it is written beside what is done.
    var actor: String { principal?.actor ?? "-" }
}
