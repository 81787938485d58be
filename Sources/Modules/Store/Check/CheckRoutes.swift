// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON

/// The operator's routes that check the files of the store. One file a call: the largest takes minutes.
struct CheckRoutes: Sendable {
    let tenants: Tenants

    var all: [Route] { [list, check] }

    private var list: Route {
        Route(.get, "/admin/v1/store/files", guard: .operator, summary: "The database files of the store") {
            [tenants] _ throws(Failure) in
            .json(["object": "list", "data": .array(tenants.files().map(JSONValue.string)), "has_more": false])
        }
    }

    private var check: Route {
        Route(
            .post, "/admin/v1/store/verify", guard: .operator,
            summary: "Read every page of a file, and compare its tables with its indexes",
            requestBody: [
                "type": "object", "required": ["file"], "additionalProperties": false,
                "properties": ["file": ["type": "string"]],
            ]
        ) { [tenants] exchange async throws(Failure) in
            let body = try await OperatorBody(exchange, known: ["file"])
            guard let file = try body.string("file") else {
                throw Failure(.invalidParameter, "a file has to be named", param: "file")
            }
            return .json(try await tenants.check(file).json)
        }
    }
}
