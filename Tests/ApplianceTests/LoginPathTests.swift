// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Support
import Testing

@testable import Appliance

/// What a log-in does before it says no is the same for everybody: so neither its time nor its answer tells who has an
/// account here.
@Suite(.serialized) struct LoginPathTests {
    /// How many passwords the server has hashed, as it says itself.
    private func hashed(_ house: House, _ operators: PeopleDesk) throws -> Int {
        let text = String(
            decoding: try house.call(.get, "/metrics", key: operators.token).body, as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix("gatehouse_password_checks_total ") }
        return try #require(line.flatMap { $0.split(separator: " ").last.flatMap { Int($0) } })
    }

    private func login(_ email: String, _ password: String, tenant: String? = nil) -> String {
        var body: JSONObject = ["email": .string(email), "password": .string(password)]
        if let tenant { body["tenant"] = .string(tenant) }
        return String(decoding: JSONValue.object(body).serialized(), as: UTF8.self)
    }

    @Test func `unknown and wrong take the same path, to one hash and one answer`() throws {
        let house = try House()
        let operators = try PeopleDesk(house)
        let known = try operators.owner(of: "acme")
        let client = AdminClient(socketPath: try #require(house.socketPath))
        let invited = try client.call(
            .post, "/admin/v1/users?tenant=acme", body: ["email": "invited@acme.example", "role": "member"])
        _ = try #require(invited["id"])
        let disabled = try operators.person("disabled@acme.example", role: "member", of: "acme")
        _ = try client.call(.patch, "/admin/v1/users/\(disabled.id)?tenant=acme", body: ["disabled": true])
        let password = PeopleDesk.password
        var answers: Set<String> = []
        for body in [
            login(known.email, "wrong wrong wrong"), login("nobody@acme.example", password),
            login("no address at all", password), login(known.email, password, tenant: "no-such-tenant"),
            login("invited@acme.example", password), login(disabled.email, password),
            login(disabled.email, "wrong wrong wrong"),
        ] {
            let before = try hashed(house, operators)
            let answer = try house.call(.post, "/auth/login", body: body)
            #expect(try hashed(house, operators) == before + 1, "\(body)")
            answers.insert("\(answer.status) \(answer.code ?? "") \(answer.json?["error"]?["message"]?.string ?? "")")
        }
        #expect(answers.count == 1 && answers.first?.hasPrefix("401 invalid_login ") == true, "\(answers)")
        // That hashes are counted at all: what is refused before costs none.
        let before = try hashed(house, operators)
        #expect(try house.call(.post, "/auth/login", body: #"{"email":"x"}"#).status == 400)
        #expect(try hashed(house, operators) == before)
    }

    @Test func `a refresh during a suspension is refused and uses nothing up`() throws {
        let house = try House()
        let person = try PeopleDesk(house).owner(of: "acme")
        let client = AdminClient(socketPath: try #require(house.socketPath))
        func refresh(_ token: String) throws -> House.Answer {
            try house.call(.post, "/auth/refresh", body: #"{"refresh_token":"\#(token)"}"#)
        }
        _ = try client.call(.patch, "/admin/v1/tenants/acme", body: ["status": "suspended"])
        for _ in 0..<3 { #expect(try refresh(person.refresh).code == "blocked") }
        #expect(try house.call(.get, "/auth/session", key: person.token).code == "blocked")
        _ = try client.call(.patch, "/admin/v1/tenants/acme", body: ["status": "active"])
        let fresh = try refresh(person.refresh)
        #expect(fresh.status == 200)
        #expect(try refresh(try #require(fresh.json?["refresh_token"]?.string)).status == 200)
    }
}
