// SPDX-License-Identifier: Apache-2.0

import Arguments
import HTTP
import JSON

/// `gatehouse key …`: a thin client of the routes below `/admin/v1/keys`, at the socket of the running server.
struct KeyCommands {
    private let invocation: Invocation
    private let client: OperatorClient

    init(_ invocation: Invocation) throws(CommandFailure) {
        self.invocation = invocation
        client = try OperatorClient(invocation)
    }

    func create() throws(CommandFailure) {
        var body: JSONObject = ["name": .string(invocation.string("name") ?? "")]
        let scopes = invocation.strings("scope")
        if !scopes.isEmpty { body["scopes"] = .array(scopes.map(JSONValue.string)) }
        let models = invocation.strings("model")
        if !models.isEmpty { body["models"] = .array(models.map(JSONValue.string)) }
        if let tenant = invocation.string("tenant") { body["tenant"] = .string(tenant) }
        if let expiry = invocation.duration("expires") {
            body["expires_in_seconds"] = .number(JSONNumber(Int(expiry.components.seconds)))
        }
        let answer = try client.call(.post, "/admin/v1/keys", .object(body))
        if invocation.has("json") { return client.show(answer) }
        Terminal.print(answer["key"]?.string ?? "")
        Terminal.complain(
            "gatehouse: \(answer["id"]?.string ?? "?"), shown this once; keep it where your program finds it")
    }

    func list() throws(CommandFailure) {
        let answer = try client.call(.get, "/admin/v1/keys")
        if invocation.has("json") { return client.show(answer) }
        let rows = (answer["data"]?.array ?? []).map { key in
            ["id", "prefix", "name", "created_at", "expires_at", "revoked_at"].map { key[$0]?.string ?? "-" }
        }
        Terminal.print(Terminal.table(["ID", "PREFIX", "NAME", "CREATED", "EXPIRES", "REVOKED"], rows))
    }

    func revoke() throws(CommandFailure) {
        let id = invocation.operand("id") ?? ""
        guard id.hasPrefix("key_"), id.utf8.allSatisfy({ $0 == 0x5F || ($0 >= 0x30 && $0 <= 0x7A) }) else {
            throw CommandFailure("\"\(id)\" is no key's id", hint: "gatehouse key list shows them: key_…", exitCode: 2)
        }
        let answer = try client.call(.delete, "/admin/v1/keys/\(id)")
        if invocation.has("json") { return client.show(answer) }
        Terminal.print("\(answer["prefix"]?.string ?? id) is revoked")
    }
}
