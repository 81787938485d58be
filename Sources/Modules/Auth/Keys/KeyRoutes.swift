// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform

/// API keys over HTTP: a tenant's own at `/v1/keys`, and everybody's for the operator at `/admin/v1/keys`.
struct KeyRoutes: Sendable {
    /// The keys of the started server.
    let keys: @Sendable () throws(Failure) -> Keys

    var all: [Route] { own + operators }

    // MARK: A tenant's own

    private var own: [Route] {
        [
            Route(
                .post, "/v1/keys", guard: .keyOrSession(.keysWrite, .admin),
                summary: "Make an API key; its text is in this answer only",
                requestBody: KeySchema.creation, isAct: true
            ) { exchange async throws(Failure) in try await create(exchange) },
            Route(
                .get, "/v1/keys", guard: .keyOrSession(.keysRead, .admin), summary: "The tenant's API keys, by prefix"
            ) {
                exchange async throws(Failure) in try await list(exchange, Query(exchange, known: Page.names))
            },
            Route(.get, "/v1/keys/{id}", guard: .keyOrSession(.keysRead, .admin), summary: "An API key, by its id") {
                exchange async throws(Failure) in try show(exchange)
            },
            Route(
                .patch, "/v1/keys/{id}", guard: .keyOrSession(.keysWrite, .admin),
                summary: "Change what an API key may do",
                requestBody: KeySchema.change, isAct: true
            ) { exchange async throws(Failure) in try await change(exchange) },
            Route(
                .delete, "/v1/keys/{id}", guard: .keyOrSession(.keysWrite, .admin),
                summary: "Revoke an API key, on every loop at once; its streams break off", isAct: true
            ) { exchange async throws(Failure) in try await revoke(exchange) },
            Route(
                .post, "/v1/keys/{id}/rotate", guard: .keyOrSession(.keysWrite, .admin),
                summary: "Give an API key another text; the old one works on for grace_seconds",
                requestBody: KeySchema.rotation, isAct: true
            ) { exchange async throws(Failure) in try await rotate(exchange) },
        ]
    }

    // MARK: The operator's

    private var operators: [Route] {
        [
            Route(
                .post, "/admin/v1/keys", guard: .operator, summary: "Make an API key; its text is in this answer only",
                requestBody: KeySchema.operatorCreation
            ) { exchange async throws(Failure) in try await create(exchange) },
            Route(.get, "/admin/v1/keys", guard: .operator, summary: "API keys, by prefix, of a tenant or all") {
                exchange async throws(Failure) in
                try await list(exchange, Query(exchange, known: Page.names + ["tenant"]))
            },
            Route(.get, "/admin/v1/keys/{id}", guard: .operator, summary: "An API key, by its id") {
                exchange async throws(Failure) in try show(exchange)
            },
            Route(
                .patch, "/admin/v1/keys/{id}", guard: .operator, summary: "Change what an API key may do",
                requestBody: KeySchema.change
            ) { exchange async throws(Failure) in try await change(exchange) },
            Route(.delete, "/admin/v1/keys/{id}", guard: .operator, summary: "Revoke an API key, on every loop at once")
            { exchange async throws(Failure) in try await revoke(exchange) },
            Route(
                .post, "/admin/v1/keys/{id}/rotate", guard: .operator,
                summary: "Give an API key another text; the old one works on for grace_seconds",
                requestBody: KeySchema.rotation
            ) { exchange async throws(Failure) in try await rotate(exchange) },
        ]
    }

    // MARK: What they do

    private func create(_ exchange: Exchange) async throws(Failure) -> Reply {
        let (keys, authority) = (try keys(), try KeyAuthority(exchange, keys()))
        let body = try await JSONBody(
            exchange, bytesMax: KeyPatch.bodyBytesMax,
            known: KeyPatch.names + ["kind"] + (authority.isOperator ? ["tenant"] : []))
        let patch = try KeyPatch(body, .now())
        let name = try body.required("name", patch.name)
        let kind = try body.choice("kind", KeyKind.self) ?? .secret
        let tenantName = try body.string("tenant", bytes: 1...NameRule.bytesMax)
        let tenant: TenantID
        if let own = authority.tenant { tenant = own } else { tenant = try await keys.tenant(named: tenantName) }
        var request = KeyRequest(
            tenant: tenant, name: name, scopes: patch.scopes ?? authority.standardScopes(kind),
            models: patch.models ?? nil, expiresAt: patch.expiresAt ?? authority.expiresAt)
        (request.kind, request.nodes, request.createdBy) = (kind, patch.nodes ?? nil, authority.actor)
        (request.origins, request.addresses) = (patch.origins ?? [], patch.addresses ?? [])
        (request.limits, request.metadata) = (patch.limits ?? [], patch.metadata ?? "")
        try authority.allow(request.scopes, until: request.expiresAt)
        let (text, record) = try await keys.create(request)
        var json = record.json
        json["key"] = .string(text)
        return .json(.object(json), status: 201)
    }

    private func list(_ exchange: Exchange, _ query: Query) async throws(Failure) -> Reply {
        let (keys, authority) = (try keys(), try KeyAuthority(exchange, keys()))
        var tenant = authority.tenant
        if authority.isOperator, let name = query["tenant"] { tenant = try keys.existingTenant(named: name) }
        return .json(.object(try await keys.list(of: tenant, Page(query)).json(cursor: \.id.text, \.json)))
    }

    private func show(_ exchange: Exchange) throws(Failure) -> Reply {
        let keys = try keys()
        return .json(
            .object(
                try keys.find(exchange.parameters["id"] ?? "", of: KeyAuthority(exchange, keys).tenant).json))
    }

    private func change(_ exchange: Exchange) async throws(Failure) -> Reply {
        let (keys, authority) = (try keys(), try KeyAuthority(exchange, keys()))
        let body = try await JSONBody(
            exchange, bytesMax: KeyPatch.bodyBytesMax, known: KeyPatch.names + ["blocked"])
        let patch = try KeyPatch(body, .now())
        let isBlocked = try body.bool("blocked")
        let record = try keys.find(exchange.parameters["id"] ?? "", of: authority.tenant)
        try keys.check(limits: patch.limits ?? [])
        let now = WallTime.now()
        return .json(
            .object(
                try await keys.change(record.id, of: authority.tenant) { record throws(Failure) in
                    try record.requireAlive()
                    try authority.allow(record.scopes)
                    patch.apply(to: &record)
                    try authority.allow(record.scopes, until: record.expiresAt)
                    if let isBlocked { record.blockedAt = isBlocked ? record.blockedAt ?? now : nil }
                }.json))
    }

    private func revoke(_ exchange: Exchange) async throws(Failure) -> Reply {
        let (keys, authority) = (try keys(), try KeyAuthority(exchange, keys()))
        let record = try keys.find(exchange.parameters["id"] ?? "", of: authority.tenant)
        return .json(.object(try await keys.revoke(record.id, of: authority.tenant).json))
    }

    private func rotate(_ exchange: Exchange) async throws(Failure) -> Reply {
        let (keys, authority) = (try keys(), try KeyAuthority(exchange, keys()))
        let bytes = try await exchange.body(max: KeyPatch.bodyBytesMax)
        let body = try JSONBody(parsing: bytes.isEmpty ? Array("{}".utf8) : bytes, known: ["grace_seconds"])
        let grace = try body.int("grace_seconds", in: 0...AuthLimits.graceMaxSeconds) ?? Self.graceStandardSeconds
        let old = try keys.find(exchange.parameters["id"] ?? "", of: authority.tenant)
        // Whoever is shown the new text can do what the key can.
        try authority.allow(old.scopes, until: old.expiresAt)
        try old.requireAlive()
        let (text, record) = try await keys.rotate(old.id, of: authority.tenant, graceSeconds: grace)
        var json = record.json
        json["key"] = .string(text)
        return .json(.object(json))
    }

    /// A day: long enough to tell every program.
    static let graceStandardSeconds = 86_400
}

/// What whoever manages keys may give away: never more than it has.
struct KeyAuthority: Sendable {
    /// Whose keys; `nil` for everybody's.
    let tenant: TenantID?
    /// As it is written beside what it makes.
    let actor: String
    /// `nil` for all.
    private let scopes: Scopes?
    /// When its own credential ends; what it makes ends by then, and then where nothing is said.
    let expiresAt: WallTime?
    private let isBound: Bool

    var isOperator: Bool { tenant == nil }

    init(_ exchange: Exchange, _ keys: Keys) throws(Failure) {
        guard let principal = exchange.principal else { throw Failure(.internal, "nobody was identified") }
        tenant = principal.tenant
        guard case .key(let id, _) = principal.kind else {
            actor = principal.name
            (scopes, expiresAt, isBound) = (nil, nil, false)
            return
        }
        let own = keys.index.record(id)
        actor = id.text
        (scopes, expiresAt) = (principal.scopes, own?.expiresAt)
        isBound = own?.isBound ?? true || own?.limits.isEmpty == false
    }

    /// A key makes no key that can do more than itself, or longer: otherwise the least of scopes would be worth all of them.
    /// One that is narrowed to some models, nodes, places or limits makes none at all.
    ///
    /// - Throws: `insufficient_scope`.
    func allow(_ wanted: Scopes, until end: WallTime?) throws(Failure) {
        try allow(wanted)
        if let expiresAt, end.map({ $0 > expiresAt }) ?? true {
            throw Failure(.insufficientScope, "this key ends, and what it makes has to end by then")
        }
    }

    /// What a key may do if nothing is said: talk to models, as far as whoever makes it may.
    func standardScopes(_ kind: KeyKind) -> Scopes {
        let standard: [Scope] = kind == .publishable ? [.chat] : [.chat, .embeddings]
        return Scopes(standard.filter { scopes?.contains($0) ?? true })
    }

    /// The same without looking at its end.
    func allow(_ wanted: Scopes) throws(Failure) {
        guard let scopes else { return }
        guard !isBound else {
            throw Failure(.insufficientScope, "a key that is narrowed itself makes and changes no keys")
        }
        if let scope = wanted.list.first(where: { !scopes.contains($0) }) {
            throw Failure(.insufficientScope, "this key lacks the scope \(scope.rawValue), so it cannot give it away")
        }
    }
}
