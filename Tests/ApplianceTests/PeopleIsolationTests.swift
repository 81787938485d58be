// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Testing

@testable import Appliance

/// The routes of people, with the sessions of two tenants' owners: neither sees, changes or removes the other's people.
@Suite(.serialized) struct PeopleIsolationTests {
    /// The routes that are guarded by a session, so that a new one is named as uncovered by IsolationTests.
    static let probes: Set<String> = [
        "POST /auth/logout", "GET /auth/session", "GET /auth/sessions", "DELETE /auth/sessions",
        "DELETE /auth/sessions/{id}", "POST /auth/password", "POST /auth/totp/enroll", "POST /auth/totp/confirm",
        "POST /auth/totp/disable", "POST /auth/recovery-codes", "GET /v1/people", "POST /v1/people",
        "GET /v1/people/{id}", "PATCH /v1/people/{id}", "DELETE /v1/people/{id}", "POST /v1/people/{id}/reset",
    ]

    @Test func `an owner reaches nobody of another tenant`() throws {
        let house = try House()
        let operators = try PeopleDesk(house)
        let victim = try operators.owner(of: "victim")
        let thief = try operators.owner(of: "thief")
        let name = victim.email
        for (method, path, body) in [
            (HTTP.Method.get, "/v1/people/\(victim.id)", ""), (.patch, "/v1/people/\(victim.id)", #"{"name":"x"}"#),
            (.post, "/v1/people/\(victim.id)/reset", ""), (.delete, "/v1/people/\(victim.id)", ""),
            (.delete, "/auth/sessions/\(victim.session)", ""),
        ] {
            let answer = try house.call(method, path, key: thief.token, body: body)
            #expect(answer.status == 404, "\(method.name) \(path): \(answer.status)")
        }
        for path in ["/v1/people", "/auth/sessions", "/auth/session"] {
            let answer = try house.call(.get, path, key: thief.token)
            #expect(answer.status == 200)
            let text = String(decoding: answer.body, as: UTF8.self)
            #expect(!text.contains(victim.id) && !text.contains(name) && !text.contains(victim.session), "\(path)")
        }
        #expect(try house.call(.delete, "/auth/sessions", key: thief.token).status == 200)
        let own = try house.call(.get, "/v1/people/\(victim.id)", key: victim.token)
        #expect(own.json?["email"]?.string == name)
        // Everything of the appliance is closed to the owner of a tenant, and what is a tenant's to an operator.
        for route in house.routes where route.guard == .operator {
            let path = route.pattern.replacingParameters(with: victim.id)
            let answer = try house.call(route.method, path, key: victim.token, body: route.method == .post ? "{}" : "")
            #expect(answer.status == 403 && answer.code == "insufficient_scope", "\(route.pattern)")
        }
        #expect(try house.call(.get, "/v1/people", key: operators.token).status == 403)
        #expect(try house.call(.get, "/admin/v1/tenants", key: operators.token).status == 200)
    }

    @Test func `every route for sessions is in the list`() throws {
        let routes = try House().routes.filter {
            if case .session = $0.guard { return true }
            return $0.guard == .anySession
        }
        let names = Set(routes.map { "\($0.method.name) \($0.pattern)" })
        #expect(Self.probes.subtracting(names) == [])
    }
}

/// Makes people by the routes that people use.
struct PeopleDesk {
    struct Person {
        let id: String
        let email: String
        let token: String
        let refresh: String
        let session: String
    }

    static let password = "seven brown otters sing"

    private let house: House
    private let client: AdminClient
    /// The access token of an operator.
    let token: String

    init(_ house: House) throws {
        self.house = house
        client = AdminClient(socketPath: try #require(house.socketPath))
        let setup = try #require(try client.call(.post, "/admin/v1/operators/setup")["token"]?.string)
        _ = try Self.redeem(house, setup, email: "operator@example.org")
        token = try Self.login(house, "operator@example.org").token
    }

    func owner(of tenant: String) throws -> Person {
        _ = try client.call(.post, "/admin/v1/tenants", body: ["name": .string(tenant)])
        return try person("owner@\(tenant).example", role: "owner", of: tenant)
    }

    func person(_ email: String, role: String, of tenant: String) throws -> Person {
        let answer = try client.call(
            .post, "/admin/v1/users?tenant=\(tenant)", body: ["email": .string(email), "role": .string(role)])
        _ = try Self.redeem(house, try #require(answer["invitation"]?["token"]?.string))
        return try Self.login(house, email)
    }

    static func redeem(_ house: House, _ token: String, email: String? = nil) throws -> House.Answer {
        var body: JSONObject = ["token": .string(token), "password": .string(password)]
        if let email { body["email"] = .string(email) }
        let text = String(decoding: JSONValue.object(body).serialized(), as: UTF8.self)
        let answer = try house.call(.post, "/auth/redeem", body: text)
        try #require(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
        return answer
    }

    static func login(_ house: House, _ email: String, password: String = password) throws -> Person {
        let body = #"{"email":"\#(email)","password":"\#(password)"}"#
        let answer = try house.call(.post, "/auth/login", body: body)
        let json = try #require(answer.json, "\(answer.status)")
        return Person(
            id: try #require(json["user_id"]?.string, "\(String(decoding: answer.body, as: UTF8.self))"), email: email,
            token: try #require(json["access_token"]?.string), refresh: try #require(json["refresh_token"]?.string),
            session: try #require(json["id"]?.string))
    }
}
