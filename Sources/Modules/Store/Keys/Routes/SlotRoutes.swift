// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import HTTP
import JSON
import Platform

/// The operator's routes for the ways to unlock the store. Secrets come in and, but for a new recovery key, once, none goes
/// out.
struct SlotRoutes: Sendable {
    let store: @Sendable () throws(Failure) -> OpenStore
    let settings: StoreSettings

    var all: [Route] { [list, add, change, remove] }

    private var list: Route {
        Route(.get, "/admin/v1/store/slots", guard: .operator, summary: "The ways to unlock the store") {
            [store] _ throws(Failure) in
            .json(["object": "list", "data": .array(try store().keyring.slots().map { .object($0.json) })])
        }
    }

    private var add: Route {
        Route(
            .post, "/admin/v1/store/slots", guard: .operator,
            summary: "Add a way to unlock the store; a new recovery key is in this answer only", requestBody: Self.body
        ) { [store] exchange async throws(Failure) in
            let body = try await OperatorBody(exchange, known: ["name", "kind", "secret"])
            let (secret, text) = try Self.secret(body)
            let store = try store()
            let name = try body.string("name") ?? secret.kind.name
            let slot = try await store.blocking { () throws(KeyringFailure) in
                try store.keyring.addSlot(secret, name: name)
            }
            return .json(.object(slot.json(recoveryKey: text)), status: 201)
        }
    }

    private var change: Route {
        Route(
            .put, "/admin/v1/store/slots/{number}", guard: .operator, summary: "Put another secret into a slot",
            requestBody: Self.body
        ) { [store] exchange async throws(Failure) in
            let body = try await OperatorBody(exchange, known: ["kind", "secret"])
            let number = try Self.number(exchange)
            let (secret, text) = try Self.secret(body)
            let store = try store()
            let slot = try await store.blocking { () throws(KeyringFailure) in
                try store.keyring.changeSlot(number, to: secret)
            }
            return .json(.object(slot.json(recoveryKey: text)))
        }
    }

    private var remove: Route {
        Route(
            .delete, "/admin/v1/store/slots/{number}", guard: .operator, summary: "Take a way to unlock the store away"
        ) { [store] exchange async throws(Failure) in
            let number = try Self.number(exchange)
            let store = try store()
            try await store.blocking { () throws(KeyringFailure) in try store.keyring.removeSlot(number) }
            return .json(["object": "store.slot.deleted", "number": .int(number), "deleted": true])
        }
    }

    private static func number(_ exchange: Exchange) throws(Failure) -> Int {
        guard let number = Int(exchange.parameters["number"] ?? "") else {
            throw Failure(.notFound, "a slot is named by its number")
        }
        return number
    }

    // MARK: Secrets in a body

    static let secretSchema: JSONValue = [
        "type": "object", "required": ["kind"], "additionalProperties": false,
        "properties": [
            "kind": ["type": "string", "enum": ["key", "passphrase", "recovery"]],
            "secret": ["type": "string", "writeOnly": true],
        ],
    ]

    private static let body: JSONValue = [
        "type": "object", "required": ["kind"], "additionalProperties": false,
        "properties": [
            "name": ["type": "string", "minLength": 1, "maxLength": .int(NameRule.bytesMax)],
            "kind": ["type": "string", "enum": ["key", "passphrase", "recovery"]],
            "secret": ["type": "string", "writeOnly": true],
        ],
    ]

    /// The secret of a new slot; for a recovery key one is made, and its text comes with it.
    private static func secret(_ body: OperatorBody) throws(Failure) -> (UnlockSecret, String?) {
        if try body.string("kind") == "recovery" {
            let key = SecretBytes(randomCount: 32)
            return (UnlockSecret(.recovery, key), RecoveryKey.text(of: key))
        }
        return (try secret(kind: try body.string("kind"), text: try body.string("secret")), nil)
    }

    /// What the operator has typed for slots whose secret the server cannot find by itself.
    static func secrets(_ body: OperatorBody) throws(Failure) -> [UnlockSecret] {
        var secrets: [UnlockSecret] = []
        for value in try body.array("secrets", max: UnlockSlots.slotsMax) ?? [] {
            secrets.append(try secret(kind: value["kind"]?.string, text: value["secret"]?.string))
        }
        return secrets
    }

    private static func secret(kind: String?, text: String?) throws(Failure) -> UnlockSecret {
        let text = text ?? ""
        switch kind {
        case "key":
            guard text.utf8.count == 64, var bytes = Hex.decode(text) else {
                throw Failure(.invalidParameter, "a key is 64 hexadecimal digits", param: "secret")
            }
            return UnlockSecret(.key, SecretBytes(taking: &bytes))
        case "passphrase":
            do throws(StartFailure) {
                return try UnlockSecret.typed(SecretBytes(copying: Array(text.utf8).span), from: "the request")
            } catch {
                throw Failure(.invalidParameter, error.message, param: "secret")
            }
        default: throw Failure(.invalidParameter, "must be \"key\", \"passphrase\" or \"recovery\"", param: "kind")
        }
    }
}

extension SlotEntry {
    var json: JSONObject { json(recoveryKey: nil) }

    func json(recoveryKey: String?) -> JSONObject {
        var json: JSONObject = [
            "object": "store.slot", "number": .int(number), "kind": .string(kind.name), "name": .string(name),
            "created_at": .string(madeAt.rfc3339),
        ]
        if let recoveryKey { json["recovery_key"] = .string(recoveryKey) }
        return json
    }
}

extension UnlockSecret {
    /// The secrets that can be had without asking anybody.
    static func atHand(_ sources: [UnlockSource]) -> [UnlockSecret] {
        sources.filter { $0 != .passphrase(.terminal) }.compactMap { source in
            (try? UnlockSecret(at: source)) ?? nil
        }
    }
}
