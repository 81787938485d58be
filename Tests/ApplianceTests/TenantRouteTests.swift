// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Support
import Testing

@testable import Appliance

/// What an operator does with tenants and plans, at the admin socket, and what becomes of their keys.
@Suite(.serialized) struct TenantRouteTests {
    private let house: House
    private let client: AdminClient

    init() throws {
        house = try House()
        client = AdminClient(socketPath: try #require(house.socketPath))
    }

    private func key(of tenant: String) throws -> String {
        let answer = try client.call(.post, "/admin/v1/keys", body: ["name": "k", "tenant": .string(tenant)])
        return try #require(answer["key"]?.string)
    }

    private func refusal(_ body: () throws -> JSONValue) -> String? {
        do {
            return "nothing: \(try body())"
        } catch AdminClient.Failure.refused(_, let code, _) {
            return code
        } catch {
            return "\(error)"
        }
    }

    @Test func `a suspended tenant's keys open nothing, on every route, until it is resumed`() throws {
        let key = try key(of: "acme")
        let other = try self.key(of: "globex")
        #expect(try house.chat("hello", key: key).status == 200)
        _ = try client.call(.patch, "/admin/v1/tenants/acme", body: ["status": "suspended"])
        for route in house.routes {
            if case .public = route.guard { continue }
            let path = route.pattern.replacingParameters(with: "x")
            let answer = try house.call(route.method, path, key: key, body: route.method == .post ? "{}" : "")
            // Anthropic's shape has no code.
            let isBlocked = answer.code == "blocked" || route.shape == .anthropic
            #expect(answer.status == 403 && isBlocked, "\(route.pattern): \(answer.status)")
        }
        #expect(try house.chat("hello", key: other).status == 200)
        _ = try client.call(.patch, "/admin/v1/tenants/acme", body: ["status": "active"])
        #expect(try house.chat("hello", key: key).status == 200)
    }

    @Test func `a deleted tenant's keys are unknown, its name is free, and its id is nobody's`() throws {
        let key = try key(of: "acme")
        let id = try #require(try client.call(.get, "/admin/v1/tenants/acme")["id"]?.string)
        #expect(
            refusal { try client.call(.delete, "/admin/v1/tenants/acme", body: ["confirm": "acm"]) }
                == "invalid_parameter")
        #expect(try house.chat("hello", key: key).status == 200)
        _ = try client.call(.delete, "/admin/v1/tenants/\(id)", body: ["confirm": "acme"])
        let answer = try house.chat("hello", key: key)
        #expect(answer.status == 401 && answer.code == "invalid_api_key")
        #expect(refusal { try client.call(.get, "/admin/v1/tenants/\(id)") } == "not_found")
        let keys = try client.call(.get, "/admin/v1/keys")["data"]?.array ?? []
        #expect(!keys.contains { $0["tenant"]?.string == id })
        let again = try client.call(.post, "/admin/v1/tenants", body: ["name": "acme"])
        #expect(again["id"]?.string != id)
    }

    @Test func `tenants are listed by pages, and a name is given once`() throws {
        for number in 0..<25 {
            _ = try client.call(.post, "/admin/v1/tenants", body: ["name": .string("t\(number)")])
        }
        #expect(refusal { try client.call(.post, "/admin/v1/tenants", body: ["name": "t3"]) } == "conflict")
        let first = try client.call(.get, "/admin/v1/tenants?limit=10")
        #expect(first["has_more"]?.bool == true)
        var names = first["data"]?.array?.compactMap { $0["name"]?.string } ?? []
        var next = first["next_cursor"]?.string
        while let cursor = next {
            let page = try client.call(.get, "/admin/v1/tenants?limit=10&after=\(cursor)")
            names += page["data"]?.array?.compactMap { $0["name"]?.string } ?? []
            next = page["next_cursor"]?.string
        }
        #expect(Set(names) == Set((0..<25).map { "t\($0)" } + ["default"]) && names.count == 26)
    }

    @Test func `a plan caps its tenants, at once`() throws {
        let plan: JSONValue = ["retention": ["threads": 7_776_000, "logs": "none"], "bytes_max": 2_000_000]
        #expect(
            refusal { try client.call(.patch, "/admin/v1/tenants/default", body: ["plan": "team"]) }
                == "invalid_parameter")
        _ = try client.call(.put, "/admin/v1/plans/team", body: plan)
        let tenant = try client.call(.patch, "/admin/v1/tenants/default", body: ["plan": "team"])
        #expect(tenant["plan"]?.string == "team" && tenant["bytes_max"]?.int == 2_000_000)
        #expect(tenant["retention_caps"]?["logs"]?.int == 0 && tenant["retention_caps"]?["files"]?.isNull == true)
        _ = try client.call(.put, "/admin/v1/plans/team", body: [:])
        #expect(try client.call(.get, "/admin/v1/tenants/default")["bytes_max"]?.int == 10 << 30)
        _ = try client.call(.patch, "/admin/v1/tenants/default", body: ["plan": .null])
        #expect(try client.call(.get, "/admin/v1/tenants/default")["plan"]?.isNull == true)
        #expect(try client.call(.get, "/admin/v1/plans")["data"]?.array?.count == 1)
    }

    @Test(arguments: [
        (#"{"retention":{"threads":-1}}"#, "invalid_parameter"), (#"{"retention":{"x":1}}"#, "unknown_parameter"),
        (#"{"bytes_max":1}"#, "invalid_parameter"), (#"{"bytesmax":1}"#, "unknown_parameter"),
        ("[]", "invalid_parameter"),
    ])
    func `a plan with a mistake is refused`(_ body: String, _ code: String) throws {
        let value = try JSONValue(parsing: Array(body.utf8))
        #expect(refusal { try client.call(.put, "/admin/v1/plans/p", body: value) } == code)
    }
}
