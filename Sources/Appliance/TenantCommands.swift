// SPDX-License-Identifier: Apache-2.0

import Arguments
import Bytes
import HTTP
import JSON

/// `gatehouse tenant …`: a thin client of the routes below `/admin/v1/tenants`.
struct TenantCommands {
    private let invocation: Invocation
    private let client: OperatorClient

    init(_ invocation: Invocation) throws(CommandFailure) {
        self.invocation = invocation
        client = try OperatorClient(invocation)
    }

    func create() throws(CommandFailure) {
        var body: JSONObject = ["name": .string(invocation.operand("name") ?? "")]
        if let plan = invocation.string("plan") { body["plan"] = .string(plan) }
        let tenant = try client.call(.post, "/admin/v1/tenants", .object(body))
        if invocation.has("json") { return client.show(tenant) }
        Terminal.print(tenant["id"]?.string ?? "")
    }

    func list() throws(CommandFailure) {
        let tenants = try client.list("/admin/v1/tenants")
        if invocation.has("json") { return client.show(.array(tenants)) }
        let rows = tenants.map { tenant in
            ["id", "name", "status", "plan"].map { tenant[$0]?.string ?? "-" } + [
                Quantity.rounded(bytes: tenant["bytes"]?.int ?? 0), tenant["created_at"]?.string ?? "-",
            ]
        }
        Terminal.print(Terminal.table(["ID", "NAME", "STATUS", "PLAN", "SIZE", "CREATED"], rows))
    }

    func show() throws(CommandFailure) {
        let tenant = try client.call(.get, path)
        if invocation.has("json") { return client.show(tenant) }
        var rows = ["id", "name", "status", "plan", "created_at"].map { [$0, tenant[$0]?.string ?? "-"] }
        rows.append(["size", Quantity.rounded(bytes: tenant["bytes"]?.int ?? 0)])
        rows.append(["size_max", Quantity.rounded(bytes: tenant["bytes_max"]?.int ?? 0)])
        rows += (tenant["retention_caps"]?.object?.members ?? []).map { name, period in
            ["retention \(name)", Quantity.period(period)]
        }
        Terminal.print(Terminal.table(["TENANT", ""], rows))
    }

    func suspend() throws(CommandFailure) { try change(["status": "suspended"], "is suspended: its keys open nothing") }

    func resume() throws(CommandFailure) { try change(["status": "active"], "is active") }

    func setPlan() throws(CommandFailure) {
        let plan = invocation.operand("plan") ?? ""
        try change(
            ["plan": plan == "none" ? .null : .string(plan)],
            plan == "none" ? "is on no plan" : "is on the plan \(plan)")
    }

    func delete() throws(CommandFailure) {
        let answer = try client.call(.delete, path, ["confirm": .string(invocation.string("confirm") ?? "")])
        if invocation.has("json") { return client.show(answer) }
        Terminal.print("\(invocation.operand("tenant") ?? "") is deleted: its keys, its data, everything")
    }

    private func change(_ body: JSONValue, _ outcome: String) throws(CommandFailure) {
        let tenant = try client.call(.patch, path, body)
        if invocation.has("json") { return client.show(tenant) }
        Terminal.print("\(tenant["name"]?.string ?? "") \(outcome)")
    }

    private var path: String { "/admin/v1/tenants/\(Percent.encode(invocation.operand("tenant") ?? ""))" }
}
