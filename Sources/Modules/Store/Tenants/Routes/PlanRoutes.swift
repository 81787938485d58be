// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON

/// The operator's routes for plans.
struct PlanRoutes: Sendable {
    let tenants: Tenants

    var all: [Route] { [list, show, store] }

    private var list: Route {
        Route(.get, "/admin/v1/plans", guard: .operator, summary: "Plans, by name") {
            [tenants] exchange async throws(Failure) in
            let page = try ListPage(exchange)
            let (part, hasMore) = page.cut(tenants.plans, by: \.name)
            return ListPage.json(part.map { .object($0.json) }, next: hasMore ? part.last?.name : nil)
        }
    }

    private var show: Route {
        Route(.get, "/admin/v1/plans/{name}", guard: .operator, summary: "A plan") {
            [tenants] exchange async throws(Failure) in
            guard let plan = tenants.plan(exchange.parameters["name"] ?? "") else {
                throw Failure(.notFound, "there is no plan of that name")
            }
            return .json(.object(plan.json))
        }
    }

    /// Whole, so that what is not said is not limited: a plan never means more than what its last `PUT` said.
    private var store: Route {
        Route(
            .put, "/admin/v1/plans/{name}", guard: .operator, summary: "Make a plan, or put it in place of the old one",
            requestBody: [
                "type": "object", "additionalProperties": false,
                "properties": [
                    "retention": RetentionRule.schema,
                    "bytes_max": [
                        "type": ["integer", "null"], "minimum": .int(TenantLimit.bytesMaxRange.lowerBound),
                        "maximum": .int(TenantLimit.bytesMaxRange.upperBound),
                    ],
                ],
            ]
        ) { [tenants] exchange async throws(Failure) in
            let body = try await OperatorBody(exchange, known: ["retention", "bytes_max"])
            let plan = Plan(
                name: exchange.parameters["name"] ?? "", retention: try body.retention("retention") ?? RetentionRule(),
                bytesMax: try body.int("bytes_max", in: TenantLimit.bytesMaxRange))
            try await tenants.setPlan(plan)
            return .json(.object(plan.json))
        }
    }
}

extension Plan {
    /// A plan as its operator sees it; null where it says nothing.
    fileprivate var json: JSONObject {
        [
            "object": "plan", "name": .string(name), "retention": retention.json,
            "bytes_max": bytesMax.map(JSONValue.int) ?? .null,
        ]
    }
}
