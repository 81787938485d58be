// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform

/// `/v1/executions/sessions`: workspaces that are kept between runs, in memory.
struct SessionRoutes: Sendable {
    let sandbox: Sandbox

    var all: [Route] { [create, show, delete] }

    private var create: Route {
        Route(
            .post, "/v1/executions/sessions", guard: .key(.executions),
            summary: "Begin a workspace whose files are kept between runs, in memory",
            requestBody: [
                "type": "object", "additionalProperties": false,
                "properties": ["ttl_seconds": ["type": "integer", "minimum": 1]],
            ]
        ) { exchange async throws(Failure) in
            if exchange.request.head.asksForZeroRetention {
                throw Failure(
                    .consentRequired, "this request asks that nothing be kept, and keeping is all that a session does")
            }
            let body = try await JSONBody(exchange, bytesMax: 4096, known: ["ttl_seconds"])
            let most = sandbox.settings.sessionTime
            let seconds = Int(most.components.seconds)
            let wanted = try body.int("ttl_seconds", in: 1...seconds)
            guard let tenant = exchange.principal?.tenant else { throw Failure(.internal, "nobody was identified") }
            try await exchange.advance(through: .record)
            let session = try sandbox.sessions.create(
                for: tenant, timeToLive: wanted.map { .seconds($0) } ?? most, at: exchange.time)
            return .json(.object(session.json), status: 201)
        }
    }

    private var show: Route {
        Route(
            .get, "/v1/executions/sessions/{id}", guard: .key(.executions),
            summary: "A session, and the names of its files"
        ) { exchange async throws(Failure) in
            let id = exchange.parameters["id"] ?? ""
            return .json(.object(try sandbox.sessions.find(id, of: exchange.principal?.tenant, at: exchange.time).json))
        }
    }

    private var delete: Route {
        Route(
            .delete, "/v1/executions/sessions/{id}", guard: .key(.executions),
            summary: "End a session, and drop its files"
        ) { exchange async throws(Failure) in
            let (id, tenant) = (exchange.parameters["id"] ?? "", exchange.principal?.tenant)
            _ = try sandbox.sessions.find(id, of: tenant, at: exchange.time)
            try await exchange.advance(through: .record)
            try sandbox.sessions.delete(id, of: tenant, at: exchange.time)
            return .json(["id": .string(id), "object": "execution.session.deleted", "deleted": true])
        }
    }
}
