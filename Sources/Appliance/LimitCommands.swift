// SPDX-License-Identifier: Apache-2.0

import Arguments
import Bytes
import HTTP
import JSON

/// `gatehouse limit …` and `gatehouse budget …`: a thin client of the routes below `/admin/v1/limits`.
struct LimitCommands {
    private let invocation: Invocation
    private let client: OperatorClient

    init(_ invocation: Invocation) throws(CommandFailure) {
        self.invocation = invocation
        client = try OperatorClient(invocation)
    }

    /// What holds for one subject and what is left of it; without one, what the operator has set.
    func show() throws(CommandFailure) {
        guard let path = try subjectPath() else { return try list() }
        show(try client.call(.get, path))
    }

    func setLimits() throws(CommandFailure) { try change("limits", .array(texts("limit"))) }

    func resetLimits() throws(CommandFailure) { try change("limits", .null) }

    func setBudgets() throws(CommandFailure) { try change("budgets", .array(texts("budget"))) }

    func resetBudgets() throws(CommandFailure) { try change("budgets", .null) }

    private func texts(_ option: String) -> [JSONValue] { invocation.strings(option).map(JSONValue.string) }

    private func change(_ member: String, _ value: JSONValue) throws(CommandFailure) {
        guard let path = try subjectPath() else {
            throw CommandFailure("whose? name a tenant", hint: "--tenant acme, and --key or --node of it", exitCode: 2)
        }
        show(try client.call(.patch, path, .object([member: value])))
    }

    /// The path of what the options name; nil where they name nothing.
    private func subjectPath() throws(CommandFailure) -> String? {
        let tenant = invocation.string("tenant").map(Percent.encode)
        switch (tenant, invocation.string("key"), invocation.string("node")) {
        case (nil, nil, nil): return nil
        case (let tenant?, nil, nil): return "/admin/v1/limits/tenants/\(tenant)"
        case (let tenant?, let key?, nil): return "/admin/v1/limits/keys/\(Percent.encode(key))?tenant=\(tenant)"
        case (let tenant?, nil, let node?): return "/admin/v1/limits/nodes/\(Percent.encode(node))?tenant=\(tenant)"
        default:
            throw CommandFailure(
                "whose? name a tenant, and at most one key or node of it", hint: "--tenant acme --key key_…",
                exitCode: 2)
        }
    }

    // MARK: Printing

    private func show(_ answer: JSONValue) {
        if invocation.has("json") { return client.show(answer) }
        let limits = answer["left"]?.array ?? []
        limits.isEmpty ? Terminal.print("nothing is limited there") : Self.print(left: limits)
    }

    private static func print(left limits: [JSONValue]) {
        let rows = limits.map { limit in
            [
                limit["name"]?.string ?? "-", amount(limit["limit"]), amount(limit["remaining"]),
                limit["resets_at"]?.string ?? "-",
            ]
        }
        Terminal.print(Terminal.table(["LIMIT", "OF", "LEFT", "ALL FREE AT"], rows))
    }

    private func list() throws(CommandFailure) {
        let answer = try client.call(.get, "/admin/v1/limits")
        let rules = answer["data"]?.array ?? []
        if invocation.has("json") { return client.show(.array(rules)) }
        if let whole = answer["instance"]?.array, !whole.isEmpty {
            Terminal.print("of the whole server:")
            Self.print(left: whole)
        }
        guard !rules.isEmpty else { return Terminal.print("nothing is set: what the configuration says holds for all") }
        let rows = rules.map { rule in
            [
                rule["scope"]?.string ?? "-", rule["id"]?.string ?? "-", rule["tenant"]?.string ?? "-",
                Self.texts(rule["limits"]), Self.texts(rule["budgets"]),
            ]
        }
        Terminal.print(Terminal.table(["SCOPE", "ID", "TENANT", "LIMITS", "BUDGETS"], rows))
    }

    private static func amount(_ value: JSONValue?) -> String {
        value?.string.map { "$\($0)" } ?? value?.int.map(String.init) ?? "-"
    }

    private static func texts(_ value: JSONValue?) -> String {
        guard let array = value?.array else { return "-" }
        return array.isEmpty ? "none" : array.compactMap(\.string).joined(separator: ", ")
    }
}
