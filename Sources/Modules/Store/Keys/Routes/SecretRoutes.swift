// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import HTTP
import JSON
import Log
import Platform

/// The operator's routes for secrets: they are set, replaced, listed by name and removed, and never come back.
struct SecretRoutes: Sendable {
    let store: @Sendable () throws(Failure) -> OpenStore
    let log: Logger
    /// Tells the modules that use secrets.
    let changed: @Sendable (String) -> Void

    var all: [Route] { [list, set, remove] }

    private var list: Route {
        Route(.get, "/admin/v1/store/secrets", guard: .operator, summary: "Names of secrets, and when each was set") {
            [store] _ async throws(Failure) in
            let store = try store()
            let secrets = try await store.blocking { () throws(KeyringFailure) in try store.keyring.secrets() }
            return .json(["object": "list", "data": .array(secrets.map { .object($0.json) })])
        }
    }

    private var set: Route {
        Route(
            .put, "/admin/v1/store/secrets/{name}", guard: .operator,
            summary: "Set a secret, or replace it; it is in use when this answers, and is never read back",
            requestBody: [
                "type": "object", "required": ["value"], "additionalProperties": false,
                "properties": ["value": ["type": "string", "writeOnly": true]],
            ]
        ) { [store, log, changed] exchange async throws(Failure) in
            let name = try Self.name(exchange)
            let body = try await OperatorBody(exchange, known: ["value"])
            let value = try Self.value(try body.string("value") ?? "")
            // Before it is kept: a secret that could not be recognised could not be kept out of answers and logs either.
            guard log.secrets?.register(value) ?? false else {
                throw Failure(.invalidParameter, "this secret cannot be guarded: there are too many", param: "value")
            }
            let store = try store()
            let secret = try await store.blocking { () throws(KeyringFailure) in
                let secret = try store.keyring.setSecret(value, named: name)
                changed(name)
                return secret
            }
            return .json(.object(secret.json))
        }
    }

    private var remove: Route {
        Route(.delete, "/admin/v1/store/secrets/{name}", guard: .operator, summary: "Forget a secret") {
            [store, changed] exchange async throws(Failure) in
            let name = try Self.name(exchange)
            let store = try store()
            let isRemoved = try await store.blocking { () throws(KeyringFailure) in
                let isRemoved = try store.keyring.removeSecret(named: name)
                changed(name)
                return isRemoved
            }
            guard isRemoved else { throw Failure(.notFound, "there is no secret of that name") }
            return .json(["object": "store.secret.deleted", "name": .string(name), "deleted": true])
        }
    }

    /// The names that `keyring:` can refer to, and no others.
    private static func name(_ exchange: Exchange) throws(Failure) -> String {
        let name = exchange.parameters["name"] ?? ""
        guard SecretReference("keyring:\(name)") != nil else {
            throw Failure(
                .invalidParameter, "a secret's name has letters, digits, \".\", \"_\" and \"-\", 128 at most",
                param: "name")
        }
        return name
    }

    private static func value(_ text: String) throws(Failure) -> SecretBytes {
        let bytes = Array(text.utf8)
        guard Keyring.secretBytes.contains(bytes.count) else {
            throw Failure(
                .invalidParameter,
                "a secret has \(Keyring.secretBytes.lowerBound) to \(Keyring.secretBytes.upperBound) bytes",
                param: "value")
        }
        // A line break inside would end a header line of the request that carries it.
        guard bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw Failure(.invalidParameter, "a secret is one line", param: "value")
        }
        return SecretBytes(copying: bytes.span)
    }
}

extension SecretDescription {
    var json: JSONObject {
        [
            "object": "store.secret", "name": .string(name), "generation": .int(generation),
            "set_at": .string(setAt.rfc3339),
        ]
    }
}
