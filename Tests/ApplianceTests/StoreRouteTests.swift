// SPDX-License-Identifier: Apache-2.0

import HTTP
import JSON
import Testing

@testable import Appliance

/// The operator's routes for keys, at the admin socket of a whole server.
@Suite(.serialized) struct StoreRouteTests {
    private let configuration = """
        [auth]
        [limiter]
        [admin]
        [gateway]
        [[gateway.provider]]
        name = "remote"
        kind = "openai"
        base_url = "http://127.0.0.1:9/v1"
        key = "keyring:remote-key"
        [[gateway.model]]
        name = "echo"
        provider = "remote"
        """

    private func state(_ house: House) throws -> String? {
        try house.admin.call(.get, "/admin/v1/providers")["data"]?.array?.first?["key_state"]?.string
    }

    @Test func `a provider waits for its key, has it when set answers, and loses it when it is removed`() throws {
        let house = try House(configuration)
        #expect(try state(house) == "missing")
        let secret = "sk-the-secret-of-this-test"
        let path = "/admin/v1/store/secrets/remote-key"
        let answer = try house.admin.call(.put, path, body: ["value": .string(secret)])
        #expect(answer["generation"]?.int == 1)
        #expect(try state(house) == "set")
        #expect(try house.admin.call(.put, path, body: ["value": "sk-another-secret"])["generation"]?.int == 2)
        for route in ["/admin/v1/store/secrets", "/admin/v1/providers", "/admin/v1/store/status"] {
            let text = String(decoding: try house.admin.call(.get, route).serialized(), as: UTF8.self)
            #expect(!text.contains(secret) && !text.contains("sk-another-secret"), "\(route)")
        }
        _ = try house.admin.call(.delete, path)
        #expect(try state(house) == "missing")
        #expect(throws: AdminClient.Failure.self) { try house.admin.call(.delete, path) }
    }

    @Test func `nothing is sent to a provider that waits for its key`() throws {
        let house = try House(configuration)
        let answer = try house.chat("hello", key: house.key)
        #expect(answer.status == 502)
        #expect(answer.code == "upstream_error")
    }

    @Test(arguments: ["short", "", "two\nlines of it", "a\u{7F}control character"])
    func `what is no secret is refused`(_ value: String) throws {
        let house = try House(configuration)
        #expect(throws: AdminClient.Failure.self) {
            try house.admin.call(.put, "/admin/v1/store/secrets/remote-key", body: ["value": .string(value)])
        }
    }

    @Test(arguments: ["..%2fa", "%20", ".hidden"]) func `a secret has a name that a reference can have`(_ name: String)
        throws
    {
        let house = try House(configuration)
        #expect(throws: AdminClient.Failure.self) {
            try house.admin.call(.put, "/admin/v1/store/secrets/\(name)", body: ["value": "sk-long-enough"])
        }
    }

    @Test func `keys are renewed while the server serves, and it says how far it is`() throws {
        let house = try House()
        #expect(
            try house.admin.call(.post, "/admin/v1/store/rotate", body: ["what": "epoch"])["status"]?.string
                == "running")
        while try house.admin.call(.get, "/admin/v1/store/status")["work"]?["status"]?.string == "running" {}
        let status = try house.admin.call(.get, "/admin/v1/store/status")
        #expect(status["work"]?["status"]?.string == "done")
        #expect(status["epoch"]?.int == 2)
        #expect(status["erasures_before_roll"]?.int == 0)
        _ = try house.admin.call(.post, "/admin/v1/store/rotate", body: ["what": "master"])
        #expect(try house.admin.call(.get, "/admin/v1/store/status")["master_key"]?.int == 2)
        #expect(try house.chat("hello", key: house.key).status == 200)
        #expect(throws: AdminClient.Failure.self) {
            try house.admin.call(.post, "/admin/v1/store/rotate", body: ["what": "everything"])
        }
    }

    @Test func `slots are added, shown without their secret, and removed`() throws {
        let house = try House()
        let made = try house.admin.call(.post, "/admin/v1/store/slots", body: ["kind": "recovery", "name": "safe"])
        let key = try #require(made["recovery_key"]?.string)
        #expect(key.hasPrefix("ghr-"))
        let list = try house.admin.call(.get, "/admin/v1/store/slots")
        #expect(list["data"]?.array?.compactMap { $0["name"]?.string } == ["file", "safe"])
        #expect(!String(decoding: list.serialized(), as: UTF8.self).contains(key))
        _ = try house.admin.call(.delete, "/admin/v1/store/slots/2")
        #expect(throws: AdminClient.Failure.self) { try house.admin.call(.delete, "/admin/v1/store/slots/1") }
        #expect(throws: AdminClient.Failure.self) {
            try house.admin.call(.post, "/admin/v1/store/slots", body: ["kind": "passphrase", "secret": "short"])
        }
    }
}

extension House {
    /// The operator's door.
    fileprivate var admin: AdminClient { AdminClient(socketPath: socketPath ?? "") }
}
