// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform

/// The operator's routes for API keys.
struct KeyRoutes: Sendable {
    /// The keys of the started server.
    let keys: @Sendable () throws(Failure) -> Keys

    /// Bodies are a name and a few lists.
    static let bodyBytesMax = 64 << 10

    var all: [Route] { [create, list, revoke] }

    private var create: Route {
        Route(
            .post, "/admin/v1/keys", guard: .operator, summary: "Make an API key; its text is in this answer only",
            requestBody: Self.creation
        ) { exchange async throws(Failure) in
            let body = try await Body(exchange, known: ["name", "tenant", "scopes", "models", "expires_in_seconds"])
            guard let name = try body.string("name") else {
                throw Failure(.invalidParameter, "a key needs a name", param: "name")
            }
            let (text, record) = try await keys().create(
                name: name, tenant: body.string("tenant"), scopes: body.scopes(),
                models: body.strings("models").map(Set.init),
                expiresAt: body.expiry())
            var json = record.json
            json["key"] = .string(text)
            return .json(.object(json), status: 201)
        }
    }

    private var list: Route {
        Route(.get, "/admin/v1/keys", guard: .operator, summary: "Every API key, by prefix") {
            _ async throws(Failure) in
            let records = try await keys().list()
            return .json([
                "object": "list", "data": .array(records.map { .object($0.json) }), "has_more": false,
                "next_cursor": .null,
            ])
        }
    }

    private var revoke: Route {
        Route(.delete, "/admin/v1/keys/{id}", guard: .operator, summary: "Revoke an API key, on every loop at once") {
            exchange async throws(Failure) in
            let record = try await keys().revoke(KeyID(exchange.parameters["id"] ?? ""))
            return .json(.object(record.json))
        }
    }

    private static let creation: JSONValue = [
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "properties": [
            "name": ["type": "string", "minLength": 1, "maxLength": .int(NameRule.bytesMax)],
            "tenant": ["type": "string"],
            "scopes": [
                "type": "array",
                "items": ["type": "string", "enum": .array(Scope.allCases.map { .string($0.rawValue) })],
            ],
            "models": ["type": "array", "items": ["type": "string"]],
            "expires_in_seconds": ["type": "integer", "minimum": 1],
        ],
    ]
}

/// The body of a creation, member by member.
private struct Body {
    private let value: JSONValue

    init(_ exchange: Exchange, known: Set<String>) async throws(Failure) {
        let bytes = try await exchange.body(max: KeyRoutes.bodyBytesMax)
        do {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw Failure(.invalidJSON, "the body is not valid JSON: \(error.message)")
        }
        guard let object = value.object else { throw Failure(.invalidParameter, "the body must be a JSON object") }
        for (name, _) in object.members where !known.contains(name) {
            throw Failure(.unknownParameter, "unknown parameter", param: name)
        }
    }

    func string(_ name: String) throws(Failure) -> String? {
        guard let member = value[name], !member.isNull else { return nil }
        guard let text = member.string else { throw Failure(.invalidParameter, "must be a string", param: name) }
        return text
    }

    func strings(_ name: String) throws(Failure) -> [String]? {
        guard let member = value[name], !member.isNull else { return nil }
        guard let array = member.array else { throw Failure(.invalidParameter, "must be a list", param: name) }
        let texts = array.compactMap(\.string)
        guard texts.count == array.count else {
            throw Failure(.invalidParameter, "must be a list of strings", param: name)
        }
        return texts
    }

    /// What a key may do if nothing is said: talk to models.
    func scopes() throws(Failure) -> Scopes {
        guard let names = try strings("scopes") else { return Scopes([.chat, .embeddings]) }
        var scopes = Scopes()
        for name in names {
            guard let scope = Scope(rawValue: name) else {
                throw Failure(.invalidParameter, "there is no scope \"\(name.prefix(64))\"", param: "scopes")
            }
            scopes.insert(scope)
        }
        return scopes
    }

    func expiry() throws(Failure) -> WallTime? {
        let name = "expires_in_seconds"
        guard let member = value[name], !member.isNull else { return nil }
        guard let seconds = member.int, (1...Self.expiryMaxSeconds).contains(seconds) else {
            throw Failure(.invalidParameter, "must be 1 to \(Self.expiryMaxSeconds)", param: name)
        }
        return .now() + .seconds(seconds)
    }

    /// A hundred years.
    private static let expiryMaxSeconds = 3_155_760_000
}

extension KeyRecord {
    /// A key as its operator sees it: everything but the key and its digest.
    var json: JSONObject {
        [
            "id": .string(id.text),
            "object": "key",
            "name": .string(name),
            "prefix": .string(prefix),
            "tenant": .string(tenant.text),
            "scopes": .array(scopes.list.map { .string($0.rawValue) }),
            "models": models.map { .array($0.sorted().map(JSONValue.string)) } ?? .null,
            "created_at": .string(createdAt.rfc3339),
            "expires_at": expiresAt.map { .string($0.rfc3339) } ?? .null,
            "revoked_at": revokedAt.map { .string($0.rfc3339) } ?? .null,
            "last_used_at": lastUsedAt.map { .string($0.rfc3339) } ?? .null,
        ]
    }
}
