// SPDX-License-Identifier: Apache-2.0

import Arguments
import Bytes
import HTTP
import JSON

/// `gatehouse operator …` and `gatehouse user …`: a thin client of the routes below `/admin/v1/operators` and
/// `/admin/v1/users`.
struct PeopleCommands {
    private let invocation: Invocation
    private let client: OperatorClient

    init(_ invocation: Invocation) throws(CommandFailure) {
        self.invocation = invocation
        client = try OperatorClient(invocation)
    }

    func run() throws(CommandFailure) {
        switch invocation.command.name {
        case "operator invite": try inviteOperator()
        case "operator list", "user list": try list()
        case "operator reset", "user reset": try ticket(client.call(.post, path("reset")))
        case "operator remove", "user remove": try done(client.call(.delete, path()), "is removed")
        case "user invite": try inviteUser()
        case "user reset-totp": try done(client.call(.patch, path(), ["totp": false]), "has no second factor any more")
        case "user disable": try done(client.call(.patch, path(), ["disabled": true]), "is let in no more")
        default: try done(client.call(.patch, path(), ["disabled": false]), "may log in again")
        }
    }

    private func inviteOperator() throws(CommandFailure) {
        guard let email = invocation.string("email") else {
            return try ticket(client.call(.post, "/admin/v1/operators/setup"))
        }
        let answer = try client.call(.post, "/admin/v1/operators", ["email": .string(email)])
        if invocation.has("json") { return client.show(answer) }
        printTicket(answer["invitation"])
    }

    private func inviteUser() throws(CommandFailure) {
        var body: JSONObject = [
            "email": .string(invocation.operand("email") ?? ""), "role": .string(invocation.string("role") ?? "member"),
        ]
        if let name = invocation.string("name") { body["name"] = .string(name) }
        let answer = try client.call(.post, "/admin/v1/users?\(query)", .object(body))
        if invocation.has("json") { return client.show(answer) }
        printTicket(answer["invitation"])
        Terminal.complain("gatehouse: \(answer["id"]?.string ?? "?") is invited")
    }

    private func list() throws(CommandFailure) {
        let people = try isOperators ? client.list("/admin/v1/operators") : client.list("/admin/v1/users", query)
        if invocation.has("json") { return client.show(.array(people)) }
        let rows = people.map { person in
            ["id", "email", "name", "role", "status"].map { person[$0]?.string ?? "-" } + [
                person["totp"]?.bool == true ? "yes" : "no", person["last_login_at"]?.string ?? "-",
            ]
        }
        Terminal.print(Terminal.table(["ID", "E-MAIL", "NAME", "ROLE", "STATUS", "TOTP", "LAST LOGIN"], rows))
    }

    private func ticket(_ answer: JSONValue) throws(CommandFailure) {
        if invocation.has("json") { return client.show(answer) }
        printTicket(answer)
    }

    private func printTicket(_ ticket: JSONValue?) {
        Terminal.print(ticket?["token"]?.string ?? "")
        Terminal.complain(
            "gatehouse: good once, until \(ticket?["expires_at"]?.string ?? "?"): POST /auth/redeem with token and password"
        )
    }

    private func done(_ answer: JSONValue, _ outcome: String) throws(CommandFailure) {
        if invocation.has("json") { return client.show(answer) }
        Terminal.print("\(invocation.operand("id") ?? "") \(outcome)")
    }

    private var isOperators: Bool { invocation.command.name.hasPrefix("operator") }

    private var query: String { "tenant=\(Percent.encode(invocation.string("tenant") ?? ""))" }

    private func path(_ last: String? = nil) throws(CommandFailure) -> String {
        let id = invocation.operand("id") ?? ""
        guard id.hasPrefix("usr_"), id.utf8.allSatisfy({ $0.isASCIIDigit || $0.isASCIILetter || $0 == 0x5F }) else {
            throw CommandFailure("\"\(id)\" is no person's id", hint: "the list shows them: usr_…", exitCode: 2)
        }
        let end = last.map { "/\($0)" } ?? ""
        return isOperators ? "/admin/v1/operators/\(id)\(end)" : "/admin/v1/users/\(id)\(end)?\(query)"
    }
}
