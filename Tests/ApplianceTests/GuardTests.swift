// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Testing

@testable import Appliance

/// Every route of the running server is asked without a credential, with a false one, and with one of the wrong kind. The
/// list is the router's own, so a new route is covered without anybody thinking of it.
@Suite(.serialized) struct GuardTests {
    /// The routes that answer somebody who may not be answered, as `METHOD path: status`.
    private func openRoutes(of house: House, key: String?) throws -> [String] {
        try openRoutes(among: house.routes, of: house, key: key)
    }

    private func openRoutes(among routes: [Route], of house: House, key: String?) throws -> [String] {
        var open: [String] = []
        for route in routes {
            if case .public = route.guard { continue }
            let path = route.pattern.replacingParameters(with: "key_01JD0000000000000000000000")
            let answer = try house.call(route.method, path, key: key, body: route.method == .post ? "{}" : "")
            if answer.status != 401 && answer.status != 403 {
                open.append("\(route.method.name) \(route.pattern): \(answer.status)")
            }
        }
        return open
    }

    @Test func `no route but the public ones answers without a credential`() throws {
        let house = try House()
        #expect(try openRoutes(of: house, key: nil) == [])
        #expect(try openRoutes(of: house, key: "ghk_false") == [])
    }

    @Test func `operators' routes do not open to a key with every scope`() throws {
        let house = try House()
        for route in house.routes where route.guard == .operator {
            let path = route.pattern.replacingParameters(with: "key_01JD0000000000000000000000")
            let answer = try house.call(route.method, path, key: house.key, body: route.method == .post ? "{}" : "")
            #expect(answer.status == 403, "\(route.pattern)")
            #expect(answer.code == "insufficient_scope")
        }
    }

    /// The same probe on a server without identification: nobody gets in, the owner of a valid key included. What is left
    /// out closes and does not open.
    @Test func `a server without identification lets nobody in`() throws {
        let house = try House(leavingOutStagesOf: ["auth"])
        #expect(try openRoutes(of: house, key: house.key) == [])
        #expect(try house.chat("hello", key: house.key).status == 401)
    }

    /// The control of the tests above: a route whose guard was forgotten is found by name.
    @Test func `the probe names a route that is open`() throws {
        let house = try House()
        let guarded = Route(.get, "/openapi.json", guard: .anyKeyOrSession(.member), summary: "") { _ throws(Failure) in
            .json([:])
        }
        #expect(try openRoutes(among: [guarded], of: house, key: nil) == ["GET /openapi.json: 200"])
    }

    @Test func `every operation in the OpenAPI document names its guard, and every route stands there`() throws {
        let house = try House()
        let document = try #require(try house.call(.get, "/openapi.json").json)
        var operations = 0
        for route in house.routes {
            let operation = document["paths"]?[OpenAPI.path(of: route.pattern)]?[route.method.name.lowercased()]
            #expect(operation?["x-guard"]?.string == route.guard.name, "\(route.pattern)")
            operations += 1
        }
        let described = document["paths"]?.object?.members.reduce(0) { $0 + ($1.value.object?.members.count ?? 0) }
        #expect(described == operations)
        #expect(operations >= 14)
    }

    @Test func `the limit counts a key's requests, and a server without the limiter fails that proof`() throws {
        func refusals(_ house: House) throws -> Int {
            var refused = 0
            for _ in 0..<25 {
                let answer = try house.chat("x", key: house.key)
                if answer.status == 429 {
                    refused += 1
                    #expect(answer.code == "rate_limit_exceeded")
                    #expect(answer.fields["retry-after"] != nil)
                }
            }
            return refused
        }
        #expect(try refusals(House()) == 5)
        #expect(try refusals(House(leavingOutStagesOf: ["limiter"])) == 0)
    }
}

extension String {
    /// A path in which every `{…}` is something.
    func replacingParameters(with value: String) -> String {
        split(separator: "/", omittingEmptySubsequences: false)
            .map { $0.hasPrefix("{") ? value : String($0) }
            .joined(separator: "/")
    }
}
