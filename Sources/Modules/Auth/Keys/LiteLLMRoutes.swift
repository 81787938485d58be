// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform

/// Key management as LiteLLM's proxy has it, for tools that were written for that: the same paths, and of the bodies what
/// has a meaning here. What has none is refused by name where it asks for something, since a budget that is not kept is worse
/// than one that is refused.
///
/// A key is named by its id, or by its first 12 characters. The whole of it is taken in a body only: paths and queries end up
/// in the logs of whatever lies between. https://docs.litellm.ai/docs/proxy/virtual_keys
struct LiteLLMRoutes: Sendable {
    let keys: @Sendable () throws(Failure) -> Keys

    var all: [Route] {
        [
            Route(
                .post, "/key/generate", guard: .keyOrSession(.keysWrite, .admin),
                summary: "LiteLLM: make an API key", requestBody: Self.schema(Self.settings), isAct: true
            ) { exchange async throws(Failure) in try await generate(exchange) },
            Route(.get, "/key/info", guard: .keyOrSession(.keysRead, .admin), summary: "LiteLLM: an API key, by ?key=")
            {
                exchange async throws(Failure) in try info(exchange)
            },
            Route(
                .post, "/key/update", guard: .keyOrSession(.keysWrite, .admin), summary: "LiteLLM: change an API key",
                requestBody: Self.schema(["key"] + Self.settings), isAct: true
            ) { exchange async throws(Failure) in try await update(exchange) },
            Route(
                .post, "/key/delete", guard: .keyOrSession(.keysWrite, .admin), summary: "LiteLLM: revoke API keys",
                requestBody: Self.schema(["keys", "key_aliases"]), isAct: true
            ) { exchange async throws(Failure) in try await delete(exchange) },
            Route(
                .post, "/key/block", guard: .keyOrSession(.keysWrite, .admin), summary: "LiteLLM: block an API key",
                requestBody: Self.schema(["key"]), isAct: true
            ) { exchange async throws(Failure) in try await setBlocked(true, exchange) },
            Route(
                .post, "/key/unblock", guard: .keyOrSession(.keysWrite, .admin),
                summary: "LiteLLM: let a blocked API key in again", requestBody: Self.schema(["key"]), isAct: true
            ) { exchange async throws(Failure) in try await setBlocked(false, exchange) },
            Route(
                .post, "/key/{key}/regenerate", guard: .keyOrSession(.keysWrite, .admin),
                summary: "LiteLLM: give an API key another text",
                requestBody: Self.schema(Self.settings + ["grace_period"]),
                isAct: true
            ) { exchange async throws(Failure) in try await regenerate(exchange) },
        ]
    }

    // MARK: What they do

    private func generate(_ exchange: Exchange) async throws(Failure) -> Reply {
        let (keys, authority) = (try keys(), try KeyAuthority(exchange, keys()))
        let body = try await Self.body(exchange, Self.settings)
        let patch = try Self.patch(body)
        guard let tenant = authority.tenant else { throw Failure(.notFound, "keys belong to tenants") }
        var request = KeyRequest(
            tenant: tenant, name: patch.name ?? "litellm", scopes: patch.scopes ?? authority.standardScopes(.secret),
            models: patch.models ?? nil, expiresAt: patch.expiresAt ?? authority.expiresAt)
        (request.limits, request.metadata) = (patch.limits ?? [], patch.metadata ?? "")
        request.createdBy = authority.actor
        try authority.allow(request.scopes, until: request.expiresAt)
        let (text, record) = try await keys.create(request)
        return .json(.object(Self.shown(text, record)))
    }

    private func info(_ exchange: Exchange) throws(Failure) -> Reply {
        let (keys, authority) = (try keys(), try KeyAuthority(exchange, keys()))
        let query = try Query(exchange, known: ["key"])
        let name = query["key"] ?? exchange.principal?.keyID?.text ?? ""
        let record = try Self.find(name, isInBody: false, keys, authority)
        return .json(["key": .string(record.id.text), "info": .object(Self.settings(of: record))])
    }

    private func update(_ exchange: Exchange) async throws(Failure) -> Reply {
        let (keys, authority) = (try keys(), try KeyAuthority(exchange, keys()))
        let body = try await Self.body(exchange, ["key"] + Self.settings)
        let record = try Self.find(body.required("key", body.string("key", bytes: 1...256)), keys, authority)
        let changed = try await change(record, try Self.patch(body, of: record), body, keys, authority)
        return .json(.object(Self.settings(of: changed).naming("key", record.id.text)))
    }

    private func delete(_ exchange: Exchange) async throws(Failure) -> Reply {
        let (keys, authority) = (try keys(), try KeyAuthority(exchange, keys()))
        let body = try await Self.body(exchange, ["keys", "key_aliases"])
        guard try (body.strings("key_aliases") ?? []).isEmpty else {
            throw body.refusal("key_aliases", "names are not unique here: name keys by id or prefix in keys")
        }
        let names = try body.required("keys", body.strings("keys"))
        guard (1...AuthLimits.reportedMax).contains(names.count) else {
            throw body.refusal("keys", "must name 1 to \(AuthLimits.reportedMax) keys")
        }
        // All of them are looked up before one is revoked.
        let records = try names.map { name throws(Failure) in try Self.find(name, keys, authority) }
        for record in records { _ = try await keys.revoke(record.id, of: authority.tenant) }
        return .json([
            "deleted_keys": .array(records.map { .string($0.id.text) }), "failed_tokens": [],
        ])
    }

    private func setBlocked(_ isBlocked: Bool, _ exchange: Exchange) async throws(Failure) -> Reply {
        let (keys, authority) = (try keys(), try KeyAuthority(exchange, keys()))
        let body = try await Self.body(exchange, ["key"])
        let record = try Self.find(body.required("key", body.string("key", bytes: 1...256)), keys, authority)
        try authority.allow(record.scopes)
        let changed = try await keys.setBlocked(isBlocked, record.id, of: authority.tenant)
        return .json(.object(Self.settings(of: changed)))
    }

    private func regenerate(_ exchange: Exchange) async throws(Failure) -> Reply {
        let (keys, authority) = (try keys(), try KeyAuthority(exchange, keys()))
        let body = try await Self.body(exchange, Self.settings + ["grace_period"])
        let name = exchange.parameters["key"] ?? ""
        let old = try Self.find(name, isInBody: false, keys, authority)
        try authority.allow(old.scopes, until: old.expiresAt)
        let grace = try Self.seconds(body, "grace_period") ?? 0
        guard grace <= AuthLimits.graceMaxSeconds else {
            throw body.refusal("grace_period", "must be at most \(AuthLimits.graceMaxSeconds)s")
        }
        _ = try await change(old, try Self.patch(body, of: old), body, keys, authority)
        let (text, record) = try await keys.rotate(old.id, of: authority.tenant, graceSeconds: grace)
        return .json(.object(Self.shown(text, record)))
    }

    private func change(
        _ record: KeyRecord, _ patch: KeyPatch, _ body: JSONBody, _ keys: Keys, _ authority: KeyAuthority
    ) async throws(Failure) -> KeyRecord {
        let isBlocked = try body.bool("blocked")
        try keys.check(limits: patch.limits ?? [])
        let now = WallTime.now()
        return try await keys.change(record.id, of: authority.tenant) { key throws(Failure) in
            try key.requireAlive()
            try authority.allow(key.scopes)
            patch.apply(to: &key)
            try authority.allow(key.scopes, until: key.expiresAt)
            if let isBlocked { key.blockedAt = isBlocked ? key.blockedAt ?? now : nil }
        }
    }

    // MARK: Names of keys

    private static func find(
        _ name: String, isInBody: Bool = true, _ keys: Keys, _ authority: KeyAuthority
    ) throws(Failure) -> KeyRecord {
        if name.hasPrefix("key_") { return try keys.find(name, of: authority.tenant) }
        if name.utf8.count > APIKey.prefixByteCount {
            // What is no key's text at all is a name of nothing.
            guard isInBody || !name.hasPrefix("ghk_") else {
                throw Failure(
                    .invalidParameter,
                    "a key must not stand in a path or a query: name it by its id, or its first 12 characters",
                    param: "key")
            }
            guard let (record, _) = keys.index.owner(of: name.utf8.span), record.tenant == authority.tenant else {
                throw Failure.absent
            }
            return record
        }
        guard let record = keys.index.record(prefix: name, of: authority.tenant) else { throw Failure.absent }
        return record
    }

    // MARK: Bodies

    /// What LiteLLM's clients say of a key, as far as it has a meaning here.
    private static let settings = [
        "key_alias", "models", "duration", "metadata", "user_id", "team_id", "rpm_limit", "tpm_limit",
        "max_parallel_requests", "max_budget", "budget_duration", "blocked", "scopes",
    ]
    /// What asks for something that is not done here, unless it is empty.
    private static let meaningless = [
        "key", "soft_budget", "budget_id", "model_max_budget", "model_rpm_limit",
        "model_tpm_limit", "aliases", "config", "permissions", "guardrails", "policies", "prompts", "tags", "spend",
        "allowed_cache_controls", "allowed_routes", "enforced_params", "organization_id", "project_id", "agent_id",
        "object_permission", "send_invite_email", "key_type", "auto_rotate", "rotation_interval", "tpm_limit_type",
        "rpm_limit_type", "router_settings", "access_group_ids", "allowed_vector_store_indexes", "temp_budget_increase",
        "temp_budget_expiry", "new_key", "new_master_key", "allowed_passthrough_routes",
    ]

    /// - Throws: `invalid_parameter` for what would not be kept.
    private static func body(_ exchange: Exchange, _ names: [String]) async throws(Failure) -> JSONBody {
        let bytes = try await exchange.body(max: KeyPatch.bodyBytesMax)
        let rest = meaningless.filter { !names.contains($0) }
        let body = try JSONBody(parsing: bytes.isEmpty ? Array("{}".utf8) : bytes, known: names + rest)
        for name in rest {
            guard let value = body[name], !(value.array?.isEmpty ?? false), !(value.object?.isEmpty ?? false),
                value.bool != false, value.int != 0
            else { continue }
            throw body.refusal(name, "is not kept here, so it is refused")
        }
        return body
    }

    private static func patch(_ body: JSONBody, of record: KeyRecord? = nil) throws(Failure) -> KeyPatch {
        var patch = KeyPatch()
        patch.name = try body.string("key_alias", bytes: 1...NameRule.bytesMax)
        if let names = try body.strings("models") {
            let all = ["all-team-models", "all-proxy-models"]
            patch.models = .some(names.isEmpty || names.contains(where: all.contains) ? nil : Set(names))
        }
        if let names = try body.strings("scopes") {
            let scopes = names.compactMap { Scope(rawValue: $0) }
            guard scopes.count == names.count else { throw body.refusal("scopes", "names a scope that there is not") }
            patch.scopes = Scopes(scopes)
        }
        if let text = try body.string("duration", bytes: 1...32), text == "-1" {
            patch.expiresAt = .some(nil)
        } else if let seconds = try seconds(body, "duration") {
            patch.expiresAt = .some(.now() + .seconds(seconds))
        }
        patch.limits = try limits(body, of: record)
        patch.metadata = try metadata(body, of: record)
        return patch
    }

    private static let kept = ["user_id", "team_id"]

    private static func metadata(_ body: JSONBody, of record: KeyRecord?) throws(Failure) -> String? {
        var members = record.map(Self.metadata) ?? JSONObject()
        var isSaid = false
        if let value = body["metadata"] {
            guard let object = value.object else { throw body.refusal("metadata", "must be an object") }
            let old = members
            members = object
            for name in kept { if let value = old[name] { members[name] = value } }
            isSaid = true
        }
        for name in kept {
            guard let text = try body.string(name, bytes: 1...256) else { continue }
            members[name] = .string(text)
            isSaid = true
        }
        guard isSaid else { return nil }
        return members.isEmpty ? "" : String(decoding: JSONValue.object(members).serialized(), as: UTF8.self)
    }

    private static func metadata(of record: KeyRecord) -> JSONObject {
        (try? JSONValue(parsing: Array(record.metadata.utf8)))?.object ?? JSONObject()
    }

    private static let limitNames = [
        ("rpm_limit", " requests/minute"), ("tpm_limit", " tokens/minute"), ("max_parallel_requests", " concurrent"),
    ]

    private static func limits(_ body: JSONBody, of record: KeyRecord?) throws(Failure) -> [String]? {
        guard (limitNames.map(\.0) + ["max_budget", "budget_duration"]).contains(where: body.has) else { return nil }
        var limits = record?.limits ?? []
        for (name, ending) in limitNames where body.has(name) {
            limits.removeAll { $0.hasSuffix(ending) }
            if let number = try body.int(name, in: 1...1_000_000_000) { limits.append("\(number)\(ending)") }
        }
        return try budget(body, beside: limits)
    }

    /// A budget of dollars, whose time is a day, a month, or all of it where nothing is said.
    private static func budget(_ body: JSONBody, beside limits: [String]) throws(Failure) -> [String] {
        guard body.has("max_budget") else {
            guard body["budget_duration"] == nil else {
                throw body.refusal("budget_duration", "is the time of a max_budget: say both")
            }
            return limits
        }
        let others = limits.filter { !$0.hasPrefix("$") }
        guard let value = body["max_budget"] else { return others }
        guard let number = value.number, !number.text.contains("e"), !number.text.contains("E") else {
            throw body.refusal("max_budget", "must be a number of dollars")
        }
        switch try seconds(body, "budget_duration") {
        case nil: return others + ["$\(number.text) total"]
        case 86_400: return others + ["$\(number.text)/day"]
        case 2_592_000: return others + ["$\(number.text)/month"]
        default:
            throw body.refusal("budget_duration", "must be 1d or 30d: a budget is of a day, a month (UTC), or in total")
        }
    }

    /// `30s 30m 30h 30d 30w 1mo`, as LiteLLM writes durations; a month has 30 days.
    private static func seconds(_ body: JSONBody, _ name: String) throws(Failure) -> Int? {
        guard let text = try body.string(name, bytes: 1...32) else { return nil }
        let digits = text.utf8.prefix { (0x30...0x39).contains($0) }
        let unit: Int? =
            switch text.dropFirst(digits.count) {
            case "s": 1
            case "m": 60
            case "h": 3600
            case "d": 86_400
            case "w": 604_800
            case "mo": 2_592_000
            default: nil
            }
        guard let unit, digits.count <= 6, let number = Int(Substring(digits)), number > 0 else {
            throw body.refusal(name, "must be a time such as 30m, 12h or 30d")
        }
        return number * unit
    }

    // MARK: Answers

    private static func shown(_ text: String, _ record: KeyRecord) -> JSONObject {
        var object = settings(of: record)
        object["key"] = .string(text)
        return object
    }

    private static func settings(of record: KeyRecord) -> JSONObject {
        let metadata = metadata(of: record)
        func limit(_ ending: String) -> JSONValue {
            record.limits.first { $0.hasSuffix(ending) }.flatMap { Int($0.dropLast(ending.count)) }.map(JSONValue.int)
                ?? .null
        }
        func dollars(_ record: KeyRecord) -> JSONValue {
            let text = record.limits.first { $0.hasPrefix("$") }?.dropFirst().prefix { $0 != "/" && $0 != " " }
            return text.flatMap { try? JSONValue(parsing: Array($0.utf8)) } ?? .null
        }
        return [
            "token": .string(record.id.text),
            "token_id": .string(record.id.text),
            "key_name": .string("\(record.prefix)…"),
            "key_alias": .string(record.name),
            "expires": record.expiresAt.map { .string($0.rfc3339) } ?? .null,
            "models": .array((record.models ?? []).sorted().map(JSONValue.string)),
            "user_id": metadata["user_id"] ?? .null,
            "team_id": metadata["team_id"] ?? .null,
            "metadata": .object(JSONObject(metadata.members.filter { !kept.contains($0.name) })),
            "rpm_limit": limit(" requests/minute"),
            "tpm_limit": limit(" tokens/minute"),
            "max_parallel_requests": limit(" concurrent"),
            "max_budget": dollars(record),
            "blocked": .bool(record.blockedAt != nil || record.revokedAt != nil),
            "created_at": .string(record.createdAt.rfc3339),
            "created_by": .string(record.createdBy),
            "last_active": record.lastUsedAt.map { .string($0.rfc3339) } ?? .null,
        ]
    }

    private static func schema(_ names: [String]) -> JSONValue {
        ["type": "object", "properties": .object(JSONObject(names.map { (name: $0, value: [:]) }))]
    }
}

extension JSONObject {
    fileprivate func naming(_ name: String, _ value: String) -> JSONObject {
        var object = self
        object[name] = .string(value)
        return object
    }
}
