// SPDX-License-Identifier: Apache-2.0

import Arguments
import Bytes
import HTTP
import JSON

/// Lists of what a running server has, one route each.
let catalogCommands = [
    Command(
        "model list", "list models, and what stands behind each", options: [jsonOption],
        examples: ["gatehouse model list"]),
    Command(
        "price list", "list what a million tokens of each model cost", options: [jsonOption],
        examples: ["gatehouse price list", "gatehouse price list --json"]),
    Command(
        "error list", "list what failed lately at the server or a provider, the newest first", options: [jsonOption],
        examples: ["gatehouse error list"]),
    Command(
        "config show", "show every key of the configuration with its value at the start", options: [jsonOption],
        examples: ["gatehouse config show"]),
    Command(
        "session show", "show how many sessions there are, and the keys that sign them", options: [jsonOption],
        examples: ["gatehouse session show"]),
    Command(
        "session end", "end every session of a person", operands: [CommandOperand("id", "the person's id: usr_…")],
        options: [jsonOption], examples: ["gatehouse session end usr_01JD0000000000000000000000"]),
]

struct CatalogCommands {
    private let invocation: Invocation
    private let client: OperatorClient

    init(_ invocation: Invocation) throws(CommandFailure) {
        self.invocation = invocation
        client = try OperatorClient(invocation)
    }

    func run() throws(CommandFailure) {
        switch invocation.command.name {
        case "model list": try list("models", ["name", "provider", "upstream", "aliases", "fallback", "priced"])
        case "price list": try list("prices", ["model", "input", "output", "cache_read", "cache_write"])
        case "error list": try list("errors", ["time", "kind", "code", "model", "request_id"], isPaged: true)
        case "config show": try list("config", ["section", "key", "value", "type", "range"])
        case "session show": try showSessions()
        default: try endSessions()
        }
    }

    private func list(_ noun: String, _ members: [String], isPaged: Bool = false) throws(CommandFailure) {
        let answer = try client.call(.get, "/admin/v1/\(noun)\(isPaged ? "?limit=100" : "")")
        if invocation.has("json") { return client.show(answer) }
        let rows = (answer["data"]?.array ?? []).map { row in members.map { Self.text(row[$0]) } }
        Terminal.print(
            Terminal.table(members.map { $0.replacing("_", with: " ").uppercased() }, rows))
    }

    private static func text(_ value: JSONValue?) -> String {
        guard let value, !value.isNull else { return "-" }
        if let texts = value.array { return texts.isEmpty ? "-" : texts.compactMap(\.string).joined(separator: " ") }
        return value.string ?? value.bool.map { $0 ? "yes" : "no" } ?? value.int.map { "\($0)" } ?? "-"
    }

    private func showSessions() throws(CommandFailure) {
        let answer = try client.call(.get, "/admin/v1/sessions")
        if invocation.has("json") { return client.show(answer) }
        Terminal.print("\(answer["count"]?.int ?? 0) sessions, signed by \(Self.text(answer["signing_keys"]))")
    }

    private func endSessions() throws(CommandFailure) {
        let id = invocation.operand("id") ?? ""
        let answer = try client.call(.delete, "/admin/v1/sessions/\(Percent.encode(id))")
        if invocation.has("json") { return client.show(answer) }
        Terminal.print("every session of \(id) has ended")
    }
}
