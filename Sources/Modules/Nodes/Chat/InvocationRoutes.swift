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
        Route(.get, "/v1/invocations/{id}", guard: .key(.chat), summary: "The receipt of an asynchronous run") {
            exchange async throws(Failure) in
            let id = exchange.parameters["id"] ?? ""
            let database = try context.database(of: exchange)
            if let view = context.chat.runs.find(id, of: database.tenant, at: context.now()) {
                return .json(.object(view.json))
            }
            let view = try await database.look { transaction throws(SQLiteError) in
                try InvocationTables.find(id, in: transaction).map(Verdict.success) ?? .failure(.absent)
            }
            return .json(.object(view.json))
        }
    }
}
