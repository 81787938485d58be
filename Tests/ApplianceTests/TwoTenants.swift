// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform
import Support
import Testing

@testable import Appliance

/// A house with two tenants that own the same things under the same names, for proofs that neither reaches the other's.
final class TwoTenants {
    /// What a tenant owns, and the words that only its own data hold.
    struct Belongings {
        let tenant: String
        let key: String
        let keyID: String
        /// The access token of its owner.
        var token = ""
        /// Stands in every title, name, prompt, message and file of this tenant and nowhere else.
        let marker: String
        var node = ""
        var thread = ""
        var message = ""
        var file = ""
        var session = ""

        /// Every id, by kind.
        var ids: [(kind: String, id: String)] {
            [
                ("node", node), ("thread", thread), ("message", message), ("file", file),
                ("key", keyID), ("session", session),
            ]
        }
    }

    static let alias = "desk"
    static let correlation = "case-7"

    let house: House
    let client: AdminClient
    private(set) var victim: Belongings
    private(set) var thief: Belongings

    /// - Parameter altering: puts another player in a role, for servers on which the proof must fail.
    init(altering: (_ section: String, _ roles: inout ModuleKind.Roles) -> Void = { _, _ in }) throws {
        house = try House(Self.configuration, altering: altering)
        let client = AdminClient(socketPath: try #require(house.socketPath))
        self.client = client
        let (acme, globex) = (try Self.key(of: "acme", client), try Self.key(of: "globex", client))
        victim = Belongings(tenant: "acme", key: acme.text, keyID: acme.id, marker: "heron-5127")
        thief = Belongings(tenant: "globex", key: globex.text, keyID: globex.id, marker: "otter-9063")
        thief.token = try PeopleDesk(house).person("owner@globex.example", role: "owner", of: "globex").token
        try fill(&victim)
        try fill(&thief)
    }

    /// Without the limits of the default house: the proofs make many calls.
    private static let configuration = """
        [auth]
        [audit]
        segment_bytes = "1MiB"
        [limiter]
        requests_per_hour = 1000000
        [nodes]
        [sandbox]
        [admin]
        [gateway]
        [[gateway.provider]]
        name = "builtin"
        kind = "builtin"
        [[gateway.model]]
        name = "echo"
        provider = "builtin"
        """

    private static func key(of tenant: String, _ client: AdminClient) throws -> (text: String, id: String) {
        let scopes = Scope.allCases.map { JSONValue.string($0.rawValue) }
        let answer = try client.call(
            .post, "/admin/v1/keys", body: ["name": "k", "tenant": .string(tenant), "scopes": .array(scopes)])
        return (try #require(answer["key"]?.string), try #require(answer["id"]?.string))
    }

    private func fill(_ belongings: inout Belongings) throws {
        let (tenant, marker) = (belongings.tenant, belongings.marker)
        _ = try client.call(
            .put, "/admin/v1/tenants/\(tenant)/consents",
            body: ["scopes": ["threads": true, "files": true, "memory": true]])
        belongings.node = try made(
            "/v1/nodes", #"{"alias":"\#(Self.alias)","model":"echo","system_prompt":"\#(marker)"}"#, belongings)
        belongings.thread = try made(
            "/v1/threads",
            #"{"node":"\#(Self.alias)","title":"\#(marker)","correlation_id":"\#(Self.correlation)"}"#, belongings)
        belongings.message = try made(
            "/v1/threads/\(belongings.thread)/messages",
            #"{"content":"I am \#(marker)","client_message_id":"m-1"}"#, belongings)
        belongings.session = try made("/v1/executions/sessions", "{}", belongings)
        let upload = try house.call(
            .post, "/v1/files", key: belongings.key,
            fields: ["content-type": "multipart/form-data; boundary=xYz"], body: Self.form(marker), isTyped: true)
        belongings.file = try #require(upload.json?["id"]?.string, "\(upload.status)")
    }

    private func made(_ path: String, _ body: String, _ belongings: Belongings) throws -> String {
        let answer = try house.call(.post, path, key: belongings.key, body: body)
        return try #require(
            answer.json?["id"]?.string, "\(path): \(answer.status) \(String(decoding: answer.body, as: UTF8.self))")
    }

    /// The body of an upload.
    static func form(_ content: String) -> String {
        "--xYz\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n"
            + "--xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\(content).txt\"\r\n\r\n"
            + "\(content)\r\n--xYz--\r\n"
    }

    /// Everything that the victim can read of its own, in one text, but for the times of its last uses.
    func everythingOfTheVictim() throws -> String {
        let paths = [
            "/v1/nodes", "/v1/nodes/\(victim.node)", "/v1/nodes/\(victim.node)/versions", "/v1/threads",
            "/v1/threads/\(victim.thread)", "/v1/threads/\(victim.thread)/messages", "/v1/files",
            "/v1/files/\(victim.file)", "/v1/files/\(victim.file)/content", "/v1/consents", "/v1/account/retention",
            "/v1/account/access", "/v1/executions/sessions/\(victim.session)",
        ]
        return try paths.map { path in
            let answer = try house.call(.get, path, key: victim.key)
            return "\(path) \(answer.status) \(String(decoding: answer.body, as: UTF8.self))"
        }.joined(separator: "\n")
    }
}
