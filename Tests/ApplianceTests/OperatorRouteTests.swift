// SPDX-License-Identifier: Apache-2.0

import Arguments
import Configuration
import Core
import HTTP
import JSON
import Log
import Testing

@testable import Appliance

/// The operator's interface is complete: every noun has its routes, and a command for each.
@Suite(.serialized) struct OperatorRouteTests {
    /// The nouns below `/admin/v1`, as the interface promises them: routes, and the command that calls them.
    private static let nouns: [(noun: String, routes: [String], commands: [String])] = [
        (
            "tenants", ["GET", "POST", "GET /{tenant}", "PATCH /{tenant}", "DELETE /{tenant}"],
            ["tenant create", "tenant list", "tenant show", "tenant suspend", "tenant plan", "tenant delete"]
        ),
        ("plans", ["GET", "GET /{name}", "PUT /{name}"], ["plan list", "plan show", "plan set"]),
        (
            "users", ["GET", "POST", "PATCH /{id}", "DELETE /{id}"],
            ["user invite", "user list", "user disable", "user remove", "user reset-totp"]
        ),
        (
            "keys", ["GET", "POST", "GET /{id}", "PATCH /{id}", "DELETE /{id}", "POST /{id}/rotate"],
            ["key create", "key list", "key show", "key block", "key revoke", "key rotate"]
        ),
        ("nodes", ["GET", "DELETE /{id}"], ["node list"]),
        ("threads", ["GET", "DELETE /{id}"], ["thread list", "thread delete"]),
        ("providers", ["GET"], ["provider list", "provider set-key", "provider remove-key"]),
        ("models", ["GET"], ["model list"]), ("prices", ["GET"], ["price list"]),
        (
            "limits",
            ["GET", "GET /tenants/{tenant}", "PATCH /tenants/{tenant}", "GET /keys/{id}", "PATCH /keys/{id}"],
            ["limit show", "limit set", "limit reset"]
        ),
        ("budgets", ["GET"], ["budget set", "budget reset"]),
        ("blocks", ["GET", "PUT /{kind}/{id}", "DELETE /{kind}/{id}"], ["block list", "block set", "block lift"]),
        ("audit", ["GET", "GET /key"], ["audit search", "audit tail", "audit key", "audit verify"]),
        ("backups", ["GET", "POST"], ["backup create", "backup list", "backup restore"]),
        ("controls", ["GET", "POST /check"], ["controls"]), ("errors", ["GET"], ["error list"]),
        ("config", ["GET"], ["config show"]),
        ("sessions", ["GET", "DELETE /{id}"], ["session show", "session end"]),
    ]

    @Test func `every noun has its routes and its commands`() throws {
        let house = try House()
        let routes = Dictionary(
            uniqueKeysWithValues: house.routes.map { ("\($0.method.name) \($0.pattern)", $0.guard) })
        for (noun, expected, commands) in Self.nouns {
            for route in expected {
                let words = route.split(separator: " ").map(String.init)
                let name = "\(words[0]) /admin/v1/\(noun)\(words.count > 1 ? words[1] : "")"
                #expect(routes[name] == .operator, "\(name)")
            }
            for command in commands { #expect(commandTable.commands.contains { $0.name == command }, "\(command)") }
        }
    }

    @Test func `what is listed is what there is`() throws {
        let house = try House()
        let client = AdminClient(socketPath: try #require(house.socketPath))
        func rows(_ noun: String) throws -> [JSONValue] {
            try client.call(.get, "/admin/v1/\(noun)")["data"]?.array ?? []
        }
        #expect(try rows("models").first?["name"]?.string == "echo")
        #expect(try rows("prices").first?["input"]?.isNull == true)
        #expect(try rows("budgets") == [] && rows("errors") == [])
        let config = try rows("config")
        #expect(config.count > 50)
        let limit = config.first { $0["section"]?.string == "limiter" && $0["key"]?.string == "requests_per_hour" }
        #expect(limit?["value"]?.string == "20" && limit?["is_default"]?.bool == false)
        _ = try client.call(
            .patch, "/admin/v1/limits/tenants/default", body: ["budgets": ["$5/day"]])
        #expect(try rows("budgets").count == 1)
    }

    @Test func `a failure of the house is an error, and what a client does wrong is none`() throws {
        let house = try House()
        _ = try house.call(.get, "/v1/models", key: "ghk_false")
        let body = #"{"model":"echo","messages":[{"role":"user","content":"/fail 500"}]}"#
        let answer = try house.call(.post, "/v1/chat/completions", key: house.key, body: body)
        let client = AdminClient(socketPath: try #require(house.socketPath))
        let errors = try client.call(.get, "/admin/v1/errors")["data"]?.array ?? []
        #expect(errors.count == (answer.status >= 500 ? 1 : 0), "\(answer.status)")
        #expect(errors.allSatisfy { $0["code"]?.string != "invalid_api_key" })
    }
}
