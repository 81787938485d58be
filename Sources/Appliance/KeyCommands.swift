// SPDX-License-Identifier: Apache-2.0

import Arguments
import Bytes
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
        for (option, member) in [
            ("scope", "scopes"), ("model", "models"), ("node", "nodes"), ("origin", "origins"),
            ("ip-range", "ip_ranges"), ("limit", "limits"),
        ] {
            let values = invocation.strings(option)
            if !values.isEmpty { body[member] = .array(values.map(JSONValue.string)) }
        }
        if let kind = invocation.string("kind") { body["kind"] = .string(kind) }
        if let tenant = invocation.string("tenant") { body["tenant"] = .string(tenant) }
        if let expiry = invocation.duration("expires") {
            body["expires_in_seconds"] = .number(JSONNumber(Int(expiry.components.seconds)))
        }
        try showText(client.call(.post, "/admin/v1/keys", .object(body)))
    }

    func list() throws(CommandFailure) {
        let tenant = invocation.string("tenant").map { "tenant=\(Percent.encode($0))" } ?? ""
        let keys = try client.list("/admin/v1/keys", tenant)
        if invocation.has("json") { return client.show(.array(keys)) }
        let rows = keys.map { key in
            ["id", "prefix", "name", "created_at", "expires_at", "revoked_at", "last_used_at"].map {
                key[$0]?.string ?? "-"
            }
        }
        Terminal.print(
            Terminal.table(["ID", "PREFIX", "NAME", "CREATED", "EXPIRES", "REVOKED", "LAST USED"], rows))
    }

    func show() throws(CommandFailure) {
        let key = try client.call(.get, path())
        if invocation.has("json") { return client.show(key) }
        let rows = (key.object?.members ?? []).map { name, value in
            let texts = value.array.map { $0.compactMap(\.string).joined(separator: ", ") }
            return [
                name,
                value.string ?? texts ?? value.bool.map { $0 ? "yes" : "no" } ?? (value.isNull ? "-" : "\(value)"),
            ]
        }
        Terminal.print(Terminal.table(["KEY", ""], rows))
    }

    func rotate() throws(CommandFailure) {
        var body = JSONObject()
        if let grace = invocation.duration("grace") {
            body["grace_seconds"] = .number(JSONNumber(Int(grace.components.seconds)))
        }
        try showText(client.call(.post, "\(path())/rotate", .object(body)))
    }

    func setBlocked(_ isBlocked: Bool) throws(CommandFailure) {
        try change(
            client.call(.patch, path(), ["blocked": .bool(isBlocked)]), isBlocked ? "is blocked" : "is let in again")
    }

    func revoke() throws(CommandFailure) { try change(client.call(.delete, path()), "is revoked") }

    private func change(_ key: JSONValue, _ outcome: String) throws(CommandFailure) {
        if invocation.has("json") { return client.show(key) }
        Terminal.print("\(key["prefix"]?.string ?? "") \(outcome)")
    }

    /// The text on standard output alone, so that it can go on to where it is needed.
    private func showText(_ key: JSONValue) {
        if invocation.has("json") { return client.show(key) }
        Terminal.print(key["key"]?.string ?? "")
        Terminal.complain(
            "gatehouse: \(key["id"]?.string ?? "?"), shown this once; keep it where your program finds it")
    }

    private func path() throws(CommandFailure) -> String {
        let id = invocation.operand("id") ?? ""
        guard id.hasPrefix("key_"), id.utf8.allSatisfy({ $0 == 0x5F || ($0 >= 0x30 && $0 <= 0x7A) }) else {
            throw CommandFailure("\"\(id)\" is no key's id", hint: "gatehouse key list shows them: key_…", exitCode: 2)
        }
        return "/admin/v1/keys/\(id)"
    }
}
