// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform
import Support
import Testing

@testable import Appliance

/// Strikes and blocks as clients and the operator meet them.
@Suite(.serialized) struct BlockTests {
    private func configuration(points: Int, perHour: Int = 100_000) -> String {
        House.configuration.replacing(
            "requests_per_hour = 20\nblock_points = 0", with: "requests_per_hour = \(perHour)\nblock_points = \(points)"
        )
    }

    private let bad = "ghk_" + String(repeating: "0", count: 49)

    @Test func `who tries keys is blocked at the k-th, and a valid key from the same address goes on`() throws {
        let house = try House(configuration(points: 25))
        // Five points each.
        let codes = try (0..<7).map { _ in try house.call(.get, "/v1/models", key: bad).code ?? "-" }
        #expect(codes == [String](repeating: "invalid_api_key", count: 4) + [String](repeating: "blocked", count: 3))
        let refused = try house.call(.get, "/v1/models", key: bad)
        let wait = try #require(Int(refused.fields["retry-after"] ?? ""))
        #expect(refused.status == 403 && (500...600).contains(wait))
        #expect(try house.call(.get, "/v1/models", key: house.key).status == 200)
        // Without the stage nobody is.
        let weak = try House(configuration(points: 25), leavingOutStagesOf: ["limiter"])
        for _ in 0..<7 { #expect(try weak.call(.get, "/v1/models", key: bad).status == 401) }
    }

    @Test func `who goes on above a limit is blocked, and another key is not`() throws {
        let house = try House(configuration(points: 1, perHour: 3))
        let operatorClient = AdminClient(socketPath: try #require(house.socketPath))
        let made = try operatorClient.call(.post, "/admin/v1/keys", body: ["name": "second", "scopes": ["chat"]])
        let second = try #require(made["key"]?.string)
        // A fifth of a point each.
        let codes = try (0..<10).map { _ in try house.call(.get, "/v1/models", key: house.key).code ?? "ok" }
        let flood = [String](repeating: "rate_limit_exceeded", count: 5)
        #expect(codes == ["ok", "ok", "ok"] + flood + ["blocked", "blocked"])
        // Its tenant has no room either, but that is another matter.
        #expect(try house.call(.get, "/v1/models", key: second).code == "rate_limit_exceeded")
    }

    @Test func `the operator blocks a key and a person, and forgives`() throws {
        let house = try House(configuration(points: 100))
        let operatorClient = AdminClient(socketPath: try #require(house.socketPath))
        func chat(_ person: String) throws -> String {
            let body: JSONValue = ["model": "echo", "messages": [["role": "user", "content": "hi"]]]
            return try house.call(
                .post, "/v1/chat/completions", key: house.key, fields: ["x-end-user": person],
                body: String(decoding: body.serialized(), as: UTF8.self)
            ).code ?? "ok"
        }
        #expect(try chat("ana") == "ok")
        let tenant = try #require(house.roles.directory?.find("default")?.id)
        let digest = try #require(house.roles.people?.knownDigest(ofEndUser: "ana", of: tenant))
        let person = digest.bytes.map { String(UInt16($0) + 256, radix: 16).dropFirst() }.joined()
        let path = "/admin/v1/blocks/user/\(person)"
        let block = try operatorClient.call(.put, path + "?tenant=default", body: ["seconds": 60])
        #expect(block["blocked_until"]?.string != nil && block["offence"]?.string == "operator")
        #expect(try chat("ana") == "blocked")
        #expect(try chat("ben") == "ok")
        #expect(try operatorClient.call(.get, "/admin/v1/blocks")["data"]?.array?.count == 1)
        _ = try operatorClient.call(.delete, path)
        #expect(try chat("ana") == "ok")
        let made = try operatorClient.call(.post, "/admin/v1/keys", body: ["name": "second", "scopes": ["chat"]])
        let (key, id) = (try #require(made["key"]?.string), try #require(made["id"]?.string))
        _ = try operatorClient.call(.put, "/admin/v1/blocks/key/\(id)", body: ["seconds": 60])
        #expect(try house.call(.get, "/v1/models", key: key).code == "blocked")
        #expect(try house.call(.get, "/v1/models", key: house.key).status == 200)
        _ = try operatorClient.call(.delete, "/admin/v1/blocks/key/\(id)")
        #expect(try house.call(.get, "/v1/models", key: key).status == 200)
        for path in ["key/none", "user/00", "address/300.1.1.1", "node/x"] {
            #expect(throws: AdminClient.Failure.self) { _ = try operatorClient.call(.get, "/admin/v1/blocks/\(path)") }
        }
    }
}
