// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import SQLite

/// `GET /v1/invocations/{id}`: what became of an asynchronous run.
struct InvocationRoutes: Sendable {
    let context: NodesContext

    var all: [Route] { [show] }

    private var show: Route {
        Route(
            .get, "/v1/invocations/{id}", guard: .keyOrSession(.chat, .member),
            summary: "The receipt of an asynchronous run"
        ) {
            exchange async throws(Failure) in
            let id = exchange.parameters["id"] ?? ""
            let database = try context.database(of: exchange)
            guard let principal = exchange.principal else { throw Failure(.internal, "nobody was identified") }
            let owners = context.ownership.continued(principal)
            // Memory first: a run that ends now is in the store before it leaves here.
            let held = context.chat.runs.find(id, of: database.tenant, at: context.now())
            let view = try await database.look { transaction throws(SQLiteError) -> Verdict<InvocationView> in
                var view = held
                if view == nil { view = try InvocationTables.find(id, in: transaction) }
                guard let view, owners.include(view.owner),
                    // A key that may not use the node does not read what it said either.
                    let node = try NodeTables.find(view.nodeID, in: transaction), principal.mayUse(node: node)
                else { return .failure(.absent) }
                return .success(view)
            }
            return .json(.object(view.json))
        }
    }
}
