// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform

/// What the body of a request says that a key shall be. What it does not name is `nil` here, and what it sets to null is
/// `.some(nil)`.
struct KeyPatch: Sendable {
    var name: String?
    var scopes: Scopes?
    var models: Set<String>??
    var nodes: Set<String>??
    var origins: [String]?
    var addresses: [AddressRange]?
    var limits: [String]?
    var metadata: String?
    var expiresAt: WallTime??

    /// Bodies are a name and a few lists.
    static let bodyBytesMax = 64 << 10
    static let names = [
        "name", "scopes", "models", "nodes", "origins", "ip_ranges", "limits", "metadata", "expires_in_seconds",
        "expires_at",
    ]

    init() {}

    init(_ body: JSONBody, _ now: WallTime) throws(Failure) {
        name = try body.string("name", bytes: 1...NameRule.bytesMax)
        if let names = try body.strings("scopes") {
            var scopes = Scopes()
            for name in names {
                guard let scope = Scope(rawValue: name) else {
                    throw body.refusal("scopes", "there is no scope \"\(name.prefix(64))\"")
                }
                scopes.insert(scope)
            }
            self.scopes = scopes
        }
        if body.has("models") { models = .some(try body.strings("models").map(Set.init)) }
        if body.has("nodes") { nodes = .some(try body.strings("nodes").map(Set.init)) }
        if body.has("origins") { origins = try Self.origins(body) }
        if body.has("ip_ranges") {
            addresses = try (body.strings("ip_ranges") ?? []).map { text throws(Failure) in
                guard let range = AddressRange(text) else {
                    throw body.refusal(
                        "ip_ranges",
                        "\"\(text.prefix(64))\" is no range of addresses; 10.0.0.0/8 or 2001:db8::/32 is one")
                }
                return range
            }
        }
        if body.has("limits") { limits = try body.strings("limits") ?? [] }
        if let value = body["metadata"] {
            guard let object = value.object else { throw body.refusal("metadata", "must be an object") }
            metadata = object.isEmpty ? "" : String(decoding: value.serialized(), as: UTF8.self)
        } else if body.has("metadata") {
            metadata = ""
        }
        try takeExpiry(body, now)
    }

    func apply(to record: inout KeyRecord) {
        if let name { record.name = name }
        if let scopes { record.scopes = scopes }
        if let models { record.models = models }
        if let nodes { record.nodes = nodes }
        if let origins { record.origins = origins.sorted() }
        if let addresses { record.addresses = addresses }
        if let limits { record.limits = limits }
        if let metadata { record.metadata = metadata }
        if let expiresAt { record.expiresAt = expiresAt }
    }

    /// As browsers write them (RFC 6454 §6.2), since they are compared byte by byte.
    private static func origins(_ body: JSONBody) throws(Failure) -> [String] {
        let texts = try body.strings("origins") ?? []
        for text in texts {
            guard let origin = Origin(text), origin.description == text else {
                throw body.refusal("origins", "\"\(text.prefix(64))\" is no origin; https://app.example.org is one")
            }
        }
        guard Set(texts).count == texts.count else { throw body.refusal("origins", "names an origin twice") }
        return texts
    }

    private mutating func takeExpiry(_ body: JSONBody, _ now: WallTime) throws(Failure) {
        guard body["expires_at"] == nil || body["expires_in_seconds"] == nil else {
            throw body.refusal("expires_at", "say it once: expires_at or expires_in_seconds")
        }
        if let seconds = try body.int("expires_in_seconds", in: 1...Self.expiryMaxSeconds) {
            expiresAt = .some(now + .seconds(seconds))
        } else if let text = try body.string("expires_at", bytes: 1...64) {
            guard let time = WallTime(rfc3339: text) else {
                throw body.refusal("expires_at", "must be a time such as 2030-01-31T12:00:00Z")
            }
            guard time > now else { throw body.refusal("expires_at", "a key cannot expire in the past") }
            expiresAt = .some(time)
        } else if body.has("expires_at") || body.has("expires_in_seconds") {
            expiresAt = .some(nil)
        }
    }

    /// A hundred years.
    private static let expiryMaxSeconds = 3_155_760_000
}

extension JSONBody {
    func strings(_ name: String) throws(Failure) -> [String]? {
        guard let value = self[name] else { return nil }
        guard let array = value.array else { throw refusal(name, "must be a list") }
        let texts = array.compactMap(\.string)
        guard texts.count == array.count else { throw refusal(name, "must be a list of strings") }
        return texts
    }
}

extension KeyRecord {
    /// A key as those see it who manage it: everything but the key and its digest.
    var json: JSONObject {
        [
            "id": .string(id.text),
            "object": "key",
            "name": .string(name),
            "kind": .string(kind.rawValue),
            "prefix": .string(prefix),
            "tenant": .string(tenant.text),
            "scopes": .array(scopes.list.map { .string($0.rawValue) }),
            "models": models.map { .array($0.sorted().map(JSONValue.string)) } ?? .null,
            "nodes": nodes.map { .array($0.sorted().map(JSONValue.string)) } ?? .null,
            "origins": .array(origins.map(JSONValue.string)),
            "ip_ranges": .array(addresses.map { .string($0.text) }),
            "limits": .array(limits.map(JSONValue.string)),
            "metadata": metadata.isEmpty ? [:] : (try? JSONValue(parsing: Array(metadata.utf8))) ?? [:],
            "blocked": .bool(blockedAt != nil),
            "created_by": .string(createdBy),
            "created_at": .string(createdAt.rfc3339),
            "expires_at": Self.time(expiresAt),
            "revoked_at": Self.time(revokedAt),
            "revoked_for": end.map { .string($0.rawValue) } ?? .null,
            "rotated_at": Self.time(rotatedAt),
            "former_prefix": former.map { .string($0.prefix) } ?? .null,
            "former_expires_at": Self.time(former?.until),
            "exposed_at": Self.time(exposedAt),
            "exposure": exposure.map { .string($0.rawValue) } ?? .null,
            "last_used_at": Self.time(lastUsedAt),
        ]
    }

    private static func time(_ time: WallTime?) -> JSONValue { time.map { .string($0.rfc3339) } ?? .null }
}

/// What the bodies hold, for `/openapi.json`.
enum KeySchema {
    static let creation = object(shared.merging(["kind": kind]), required: ["name"])
    static let operatorCreation = object(
        shared.merging(["kind": kind, "tenant": ["type": "string"]]), required: ["name"])
    static let change = object(shared.merging(["blocked": ["type": "boolean"]]))
    static let rotation = object([
        "grace_seconds": ["type": "integer", "minimum": 0, "maximum": .int(AuthLimits.graceMaxSeconds)]
    ])

    private static let kind: JSONValue = [
        "type": "string", "enum": .array(KeyKind.allCases.map { .string($0.rawValue) }),
    ]
    private static let strings: JSONValue = ["type": ["array", "null"], "items": ["type": "string"]]
    private static let shared: JSONObject = [
        "name": ["type": "string", "minLength": 1, "maxLength": .int(NameRule.bytesMax)],
        "scopes": [
            "type": "array",
            "items": ["type": "string", "enum": .array(Scope.allCases.map { .string($0.rawValue) })],
        ],
        "models": strings, "nodes": strings, "origins": strings, "ip_ranges": strings, "limits": strings,
        "metadata": ["type": ["object", "null"]],
        "expires_in_seconds": ["type": ["integer", "null"], "minimum": 1],
        "expires_at": ["type": ["string", "null"], "format": "date-time"],
    ]

    private static func object(_ properties: JSONObject, required: [String] = []) -> JSONValue {
        var schema: JSONObject = [
            "type": "object", "additionalProperties": false, "properties": .object(properties),
        ]
        if !required.isEmpty { schema["required"] = .array(required.map(JSONValue.string)) }
        return .object(schema)
    }
}

extension JSONObject {
    fileprivate func merging(_ others: JSONObject) -> JSONObject { JSONObject(members + others.members) }
}
