// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import SQLite

/// Consents: read with a key, given by nobody who could not be asked. An admin of the tenant gives them (a session), and a key
/// or an operator never does; only development mode lets the operator act for them.
struct ConsentRoutes: Sendable {
    let context: NodesContext
    private let book = ConsentBook()

    init(context: NodesContext) {
        self.context = context
    }

    var all: [Route] { [show, changeOwn, showToOperator, change] }

    private var show: Route {
        Route(
            .get, "/v1/consents", guard: .keyOrSession(.account, .member),
            summary: "What this tenant has agreed to, and when"
        ) { exchange async throws(Failure) in
            try await list(context.database(of: exchange))
        }
    }

    private var changeOwn: Route {
        Route(
            .put, "/v1/consents", guard: .session(.admin), summary: "Grant or withdraw this tenant's consents",
            requestBody: Self.schema
        ) { exchange async throws(Failure) in
            try await change(try context.database(of: exchange), exchange)
        }
    }

    private var showToOperator: Route {
        Route(
            .get, "/admin/v1/tenants/{tenant}/consents", guard: .operator, summary: "What a tenant has agreed to"
        ) { exchange async throws(Failure) in
            let tenant = try context.tenant(exchange.parameters["tenant"])
            return try await list(context.store.database(of: tenant.id, actor: "operator"))
        }
    }

    private var change: Route {
        Route(
            .put, "/admin/v1/tenants/{tenant}/consents", guard: .operator,
            summary: "Grant or withdraw a tenant's consents; in development mode only", requestBody: Self.schema
        ) { exchange async throws(Failure) in
            guard context.mode == .development else {
                throw Failure(
                    .insufficientScope,
                    "an operator cannot consent for a tenant: a person of the tenant must; only development mode lets the operator act for them"
                )
            }
            let tenant = try context.tenant(exchange.parameters["tenant"])
            return try await change(context.store.database(of: tenant.id, actor: "operator"), exchange)
        }
    }

    /// Does what the body says.
    private func change(_ database: any TenantDatabase, _ exchange: Exchange) async throws(Failure) -> Reply {
        let body = try await JSONBody(
            exchange, bytesMax: NodesLimits.smallBodyBytesMax, known: ["scopes", "text_version"])
        let scopes = try body.required(
            "scopes", body.object("scopes", known: ConsentScope.allCases.map(\.rawValue)))
        var wanted: [(ConsentScope, Bool)] = []
        for scope in ConsentScope.allCases {
            if let isGranted = try scopes.bool(scope.rawValue) { wanted.append((scope, isGranted)) }
        }
        let text = try body.line("text_version", bytesMax: Consent.textVersionBytesMax) ?? Consent.currentText
        try await exchange.advance(through: .record)
        let (book, actor, now, changes) = (book, exchange.actor, context.now(), wanted)
        try await database.change { transaction throws(SQLiteError) -> Verdict<Void> in
            for (scope, isGranted) in changes {
                if isGranted {
                    try book.grant(scope, text: text, by: actor, at: now, in: transaction)
                } else {
                    try book.withdraw(scope, by: actor, at: now, in: transaction)
                }
            }
            return .success(())
        }
        return try await list(database)
    }

    private func list(_ database: any TenantDatabase) async throws(Failure) -> Reply {
        let book = book
        let (current, history) = try await database.look {
            transaction throws(SQLiteError) -> Verdict<([Consent], [Consent])> in
            var history: [Consent] = []
            for scope in ConsentScope.allCases {
                history += try book.history(of: scope, in: transaction, max: NodesLimits.consentHistoryMax)
            }
            return .success((try book.current(in: transaction), history))
        }
        let data = ConsentScope.allCases.map { scope -> JSONValue in
            .object(current.first { $0.scope == scope }?.json ?? Consent.json(absent: scope))
        }
        let past = history.filter { !current.contains($0) }
        return .json([
            "object": "list", "data": .array(data), "has_more": false, "next_cursor": .null,
            "history": .array(past.map { .object($0.json) }), "text_version": .string(Consent.currentText),
        ])
    }

    private static let schema: JSONValue = {
        var properties = JSONObject()
        for scope in ConsentScope.allCases { properties[scope.rawValue] = ["type": "boolean"] }
        return [
            "type": "object", "required": ["scopes"], "additionalProperties": false,
            "properties": [
                "scopes": ["type": "object", "additionalProperties": false, "properties": .object(properties)],
                "text_version": ["type": "string", "maxLength": .int(Consent.textVersionBytesMax)],
            ],
        ]
    }()
}
