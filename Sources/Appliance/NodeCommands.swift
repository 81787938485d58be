// SPDX-License-Identifier: Apache-2.0

import Arguments
import Bytes
import HTTP
import JSON

/// `gatehouse node …`, `thread …`, `consent …` and `break-glass`: a thin client of the operator's routes for what tenants keep.
struct NodeCommands {
    private let invocation: Invocation
    private let client: OperatorClient

    init(_ invocation: Invocation) throws(CommandFailure) {
        self.invocation = invocation
        client = try OperatorClient(invocation)
    }

    func listNodes() throws(CommandFailure) {
        let nodes = try client.list("/admin/v1/nodes", "tenant=\(tenant)")
        if invocation.has("json") { return client.show(.array(nodes)) }
        let rows = nodes.map { node in
            [
                node["id"]?.string ?? "-", String(node["version"]?.int ?? 0),
                Quantity.rounded(bytes: node["bytes"]?.int ?? 0), node["created_at"]?.string ?? "-",
                node["updated_at"]?.string ?? "-",
            ]
        }
        Terminal.print(Terminal.table(["ID", "VERSION", "SIZE", "CREATED", "CHANGED"], rows))
    }

    func listThreads() throws(CommandFailure) {
        let node = invocation.string("node").map { "&node=\(Percent.encode($0))" } ?? ""
        let threads = try client.list("/admin/v1/threads", "tenant=\(tenant)\(node)")
        if invocation.has("json") { return client.show(.array(threads)) }
        let rows = threads.map { thread in
            [
                thread["id"]?.string ?? "-", thread["node_id"]?.string ?? "-",
                String(thread["message_count"]?.int ?? 0), Quantity.rounded(bytes: thread["bytes"]?.int ?? 0),
                thread["created_at"]?.string ?? "-", thread["last_active_at"]?.string ?? "-",
            ]
        }
        Terminal.print(Terminal.table(["ID", "NODE", "MESSAGES", "SIZE", "CREATED", "ACTIVE"], rows))
    }

    func deleteThread() throws(CommandFailure) {
        let id = invocation.operand("id") ?? ""
        let answer = try client.call(.delete, "/admin/v1/threads/\(Percent.encode(id))?tenant=\(tenant)")
        if invocation.has("json") { return client.show(answer) }
        Terminal.print("\(id) is deleted")
    }

    func listConsents() throws(CommandFailure) {
        show(try client.call(.get, consents))
    }

    func grant() throws(CommandFailure) { try setConsent(true) }

    func withdraw() throws(CommandFailure) { try setConsent(false) }

    func breakGlass() throws(CommandFailure) {
        var body: JSONObject = [
            "tenant": .string(invocation.string("tenant") ?? ""), "thread": .string(invocation.string("thread") ?? ""),
            "reason": .string(invocation.string("reason") ?? ""),
        ]
        while true {
            let answer = try client.call(.post, "/admin/v1/break-glass", .object(body))
            if invocation.has("json") {
                client.show(answer)
            } else {
                for message in answer["messages"]?["data"]?.array ?? [] {
                    let head = ["created_at", "role"].map { message[$0]?.string ?? "-" }.joined(separator: " ")
                    // What a stranger wrote must not command the operator's terminal.
                    Terminal.print("\(head)  \((message["content"]?.string ?? "").printable(max: 100_000))")
                }
            }
            guard let next = answer["messages"]?["next_cursor"]?.string else { return }
            body["after"] = .string(next)
        }
    }

    private func setConsent(_ isGranted: Bool) throws(CommandFailure) {
        let scope = invocation.operand("scope") ?? ""
        show(try client.call(.put, consents, ["scopes": .object([scope: .bool(isGranted)])]))
    }

    private func show(_ answer: JSONValue) {
        if invocation.has("json") { return client.show(answer) }
        let rows = (answer["data"]?.array ?? []).map { consent in
            [
                consent["scope"]?.string ?? "-", consent["granted"]?.bool == true ? "yes" : "no",
                consent["text_version"]?.string ?? "-", consent["granted_at"]?.string ?? "-",
                consent["granted_by"]?.string ?? "-", consent["withdrawn_at"]?.string ?? "-",
            ]
        }
        Terminal.print(Terminal.table(["SCOPE", "GRANTED", "TEXT", "AT", "BY", "WITHDRAWN"], rows))
    }

    private var consents: String { "/admin/v1/tenants/\(tenant)/consents" }

    private var tenant: String { Percent.encode(invocation.string("tenant") ?? "") }
}
