// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import HTTP
import JSON
import Platform

/// The operator's routes for the keys that sign access tokens, and for everybody's sessions.
struct SigningKeyRoutes: Sendable {
    let context: @Sendable () throws(Failure) -> PeopleContext

    var all: [Route] { [show, endAll] }

    private var show: Route {
        Route(
            .get, "/admin/v1/sessions", guard: .operator, summary: "How many sessions there are, and the signing keys"
        ) {
            _ async throws(Failure) in
            let sessions = try context().sessions
            return .json([
                "object": "sessions", "count": .int(sessions.index.count),
                "signing_keys": .array(sessions.keys.ids.map(JSONValue.string)),
            ])
        }
    }

    private var endAll: Route {
        Route(.delete, "/admin/v1/sessions/{id}", guard: .operator, summary: "End every session of a person, by its id")
        {
            exchange async throws(Failure) in
            let user = UserID(exchange.parameters["id"] ?? "")
            try await context().sessions.end(of: user)
            return .json(["id": .string(user.text), "object": "sessions.ended", "ended": true])
        }
    }
}
