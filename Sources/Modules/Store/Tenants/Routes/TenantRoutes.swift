// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform

/// The operator's routes for tenants. A tenant is named by its id or its name.
struct TenantRoutes: Sendable {
    let tenants: Tenants

    var all: [Route] { [create, list, show, change, delete] }

    private var create: Route {
        Route(
            .post, "/admin/v1/tenants", guard: .operator, summary: "Make a tenant",
            requestBody: [
                "type": "object", "required": ["name"], "additionalProperties": false,
                "properties": ["name": Self.name, "plan": ["type": ["string", "null"]]],
            ]
        ) { [tenants] exchange async throws(Failure) in
            let body = try await OperatorBody(exchange, known: ["name", "plan"])
            guard let name = try body.string("name") else {
                throw Failure(.invalidParameter, "a tenant needs a name", param: "name")
            }
            let tenant = try await tenants.create(name: name, plan: try body.string("plan"))
            return .json(.object(try await tenants.describe(tenant)), status: 201)
        }
    }

    private var list: Route {
        Route(.get, "/admin/v1/tenants", guard: .operator, summary: "Tenants, the oldest first") {
            [tenants] exchange async throws(Failure) in
            let page = try ListPage(exchange)
            let (part, hasMore) = page.cut(tenants.list(), by: \.id.text)
            var data: [JSONValue] = []
            for tenant in part { data.append(.object(try await tenants.describe(tenant))) }
            return ListPage.json(data, next: hasMore ? part.last?.id.text : nil)
        }
    }

    private var show: Route {
        Route(.get, "/admin/v1/tenants/{tenant}", guard: .operator, summary: "A tenant, its size and its limits") {
            [tenants] exchange async throws(Failure) in
            .json(.object(try await tenants.describe(try tenants.named(in: exchange))))
        }
    }

    private var change: Route {
        Route(
            .patch, "/admin/v1/tenants/{tenant}", guard: .operator,
            summary: "Suspend or resume a tenant, or set its plan",
            requestBody: [
                "type": "object", "additionalProperties": false,
                "properties": [
                    "status": ["type": "string", "enum": .array(TenantStatus.allCases.map { .string($0.rawValue) })],
                    "plan": ["type": ["string", "null"]],
                ],
            ]
        ) { [tenants] exchange async throws(Failure) in
            let body = try await OperatorBody(exchange, known: ["status", "plan"])
            var tenant = try tenants.named(in: exchange)
            if body.has("plan") { tenant = try await tenants.setPlan(try body.string("plan"), of: tenant.id) }
            if let text = try body.string("status") {
                guard let status = TenantStatus(rawValue: text) else {
                    throw Failure(.invalidParameter, "must be \"active\" or \"suspended\"", param: "status")
                }
                tenant = try await tenants.setStatus(status, of: tenant.id)
            }
            return .json(.object(try await tenants.describe(tenant)))
        }
    }

    /// Nothing brings a tenant back, so its name is asked for: an id in the wrong window must not be enough.
    private var delete: Route {
        Route(
            .delete, "/admin/v1/tenants/{tenant}", guard: .operator,
            summary: "Delete a tenant for good: keys, memory, database",
            requestBody: [
                "type": "object", "required": ["confirm"], "additionalProperties": false,
                "properties": ["confirm": Self.name],
            ]
        ) { [tenants] exchange async throws(Failure) in
            let body = try await OperatorBody(exchange, known: ["confirm"])
            let tenant = try tenants.named(in: exchange)
            guard try body.string("confirm") == tenant.name else {
                throw Failure(.invalidParameter, "to confirm, give the tenant's name", param: "confirm")
            }
            try await tenants.delete(tenant.id)
            return .json(["id": .string(tenant.id.text), "object": "tenant.deleted", "deleted": true])
        }
    }

    private static let name: JSONValue = ["type": "string", "minLength": 1, "maxLength": .int(NameRule.bytesMax)]
}

extension Tenants {
    /// The tenant that a path names.
    fileprivate func named(in exchange: Exchange) throws(Failure) -> Tenant {
        guard let tenant = find(exchange.parameters["tenant"] ?? "") else {
            throw Failure(.notFound, "there is no tenant of that name or id")
        }
        return tenant
    }

    /// A tenant as its operator sees it: what it is and how large, nothing of what it holds.
    fileprivate func describe(_ tenant: Tenant) async throws(Failure) -> JSONObject {
        let limits = limits(of: tenant.id)
        return [
            "id": .string(tenant.id.text),
            "object": "tenant",
            "name": .string(tenant.name),
            "status": .string(tenant.status.rawValue),
            "plan": tenant.plan.map(JSONValue.string) ?? .null,
            "created_at": .string(tenant.createdAt.rfc3339),
            "bytes": .int(try await bytes(of: tenant.id)),
            "bytes_max": .int(limits.bytesMax),
            "retention_caps": limits.retention.json,
        ]
    }
}
