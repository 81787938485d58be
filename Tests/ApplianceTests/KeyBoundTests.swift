// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Glibc
import HTTP
import JSON
import SQLite
import Support
import Testing

@testable import Appliance

/// What a key is bound to, and that it has ended, is seen by the next request (rows W1 and W2), and not by a server that
/// remembers whom it has let in.
@Suite(.serialized) struct KeyBoundTests {
    private static let configuration = House.configuration.replacing(
        "requests_per_hour = 20", with: "requests_per_hour = 1000000\nunauthenticated = []")

    /// One way in which a key that worked is to work no more.
    private struct Bound: Sendable {
        let name: String
        /// What the answer is then.
        let code: String
        /// What the key is made of, beside its name.
        var making = #""scopes":["chat"]"#
        var method = HTTP.Method.patch
        /// Behind the key's own path.
        var path = ""
        var body = ""
        /// From where it calls, before and then.
        var origins: (before: String?, then: String?) = (nil, nil)
        /// Until what was said is true.
        var wait: UInt32 = 0
    }

    private static let bounds = [
        Bound(name: "scopes", code: "insufficient_scope", body: #"{"scopes":["embeddings"]}"#),
        Bound(name: "models", code: "model_not_found", body: #"{"models":["other"]}"#),
        Bound(name: "nodes", code: "model_not_found", body: #"{"nodes":["desk"]}"#),
        Bound(name: "addresses", code: "ip_not_allowed", body: #"{"ip_ranges":["10.0.0.0/8","2001:db8::/32"]}"#),
        Bound(
            name: "origins", code: "origin_not_allowed",
            making: #""kind":"publishable","nodes":["desk"],"origins":["https://a.example"]"#,
            origins: ("https://a.example", "https://b.example")),
        Bound(name: "expiry", code: "expired", body: #"{"expires_in_seconds":1}"#, wait: 1_100_000),
        Bound(name: "block", code: "blocked", body: #"{"blocked":true}"#),
        Bound(name: "revocation", code: "revoked", method: .delete),
        Bound(
            name: "rotation without grace", code: "invalid_api_key", method: .post, path: "/rotate",
            body: #"{"grace_seconds":0}"#),
    ]

    /// The bounds that hold nobody.
    private func open(_ house: House) throws -> [String] {
        let node = try house.call(.post, "/v1/nodes", key: house.key, body: #"{"alias":"desk","model":"echo"}"#)
        try #require(node.status == 201)
        var open: [String] = []
        for bound in Self.bounds {
            let made = try house.call(
                .post, "/v1/keys", key: house.key, body: #"{"name":"bound",\#(bound.making)}"#)
            let key = try #require(made.json?["key"]?.string, "\(bound.name): \(made.status)")
            let id = try #require(made.json?["id"]?.string)
            func ask(_ origin: String?) throws -> House.Answer {
                // A key of a page is bound to nodes from the start.
                guard let origin else { return try house.chat("hello", key: key) }
                return try house.call(
                    .post, "/v1/nodes/desk/chat", key: key, fields: ["origin": origin], body: #"{"content":"hello"}"#)
            }
            let before = try ask(bound.origins.before)
            try #require(before.status == 200, "\(bound.name): \(before.code ?? "")")
            if !bound.body.isEmpty || bound.method == .delete {
                let changed = try house.call(
                    bound.method, "/v1/keys/\(id)\(bound.path)", key: house.key, body: bound.body)
                try #require(changed.status == 200, "\(bound.name): \(changed.code ?? "")")
            }
            usleep(bound.wait)
            let then = try ask(bound.origins.then)
            if then.status == 200 { open.append(bound.name) } else { #expect(then.code == bound.code, "\(bound.name)") }
        }
        return open
    }

    @Test func `what a key is bound to holds from the next request on`() throws {
        #expect(try open(House(Self.configuration)) == [])
    }

    @Test func `on a server that remembers callers every bound is found open`() throws {
        #expect(try open(.careless(Self.configuration, RememberingStage.init)) == Self.bounds.map(\.name))
    }

    /// How a revoked key is answered on connections that have used it, on both loops.
    private func answers(_ house: House) throws -> Set<Int> {
        let made = try house.call(.post, "/v1/keys", key: house.key, body: #"{"name":"ended","scopes":["chat"]}"#)
        let (key, id) = (try #require(made.json?["key"]?.string), try #require(made.json?["id"]?.string))
        let lines = try (0..<12).map { _ in try House.Line(house) }
        for line in lines { #expect(try line.call(.get, "/v1/models", key: key).status == 200) }
        #expect(try house.call(.delete, "/v1/keys/\(id)", key: house.key).status == 200)
        return Set(try lines.map { try $0.call(.get, "/v1/models", key: key).status })
    }

    @Test func `a revocation is seen on every connection`() throws {
        #expect(try answers(House(Self.configuration)) == [401])
        #expect(try answers(.careless(Self.configuration, RememberingStage.init)) == [200])
    }

    /// Whether an answer that is streamed to a key breaks off when the key is revoked.
    private func breaksOff(_ house: House) throws -> Bool {
        let made = try house.call(
            .post, "/v1/keys", key: house.key, body: #"{"name":"watching","scopes":["usage.read"]}"#)
        let (key, id) = (try #require(made.json?["key"]?.string), try #require(made.json?["id"]?.string))
        return try house.isCutOff("/v1/usage/live?seconds=3", key: key, by: .delete, "/v1/keys/\(id)")
    }

    @Test func `an open stream ends with its key`() throws {
        #expect(try breaksOff(House(Self.configuration)))
        #expect(try !breaksOff(.careless(Self.configuration, UnhungStage.init)))
    }

    /// Of the requests of two programs, one that knows the new text of a key already and one that does not, those that fail.
    private func failures(_ house: House, graceSeconds: Int) throws -> Int {
        let made = try house.call(.post, "/v1/keys", key: house.key, body: #"{"name":"rotated","scopes":["chat"]}"#)
        let (old, id) = (try #require(made.json?["key"]?.string), try #require(made.json?["id"]?.string))
        let rotated = try house.call(
            .post, "/v1/keys/\(id)/rotate", key: house.key, body: #"{"grace_seconds":\#(graceSeconds)}"#)
        let new = try #require(rotated.json?["key"]?.string)
        return try [old, new].count { try house.chat("hello", key: $0).status != 200 }
    }

    @Test func `a rotation with overlap fails nobody, and one without is found`() throws {
        let house = try House(Self.configuration)
        #expect(try failures(house, graceSeconds: 600) == 0)
        #expect(try failures(house, graceSeconds: 0) == 1)
    }

    /// The columns of the control database, once that is unsealed, in which the secret part of a key can be read.
    private func columns(_ house: House, holding key: String) throws -> [String] {
        let (database, secret) = (try #require(house.roles.database), Hex.encode(Array(key.dropFirst(12).utf8)))
        return try onLoop { _ in
            try await database.write { connection throws(SQLiteError) in
                let columns = try connection.query(
                    """
                    SELECT tables.name, columns.name FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
                    WHERE tables.type = 'table'
                    """
                ) { row throws(SQLiteError) in (try row.text(0), try row.text(1)) }
                var found: [String] = []
                for (table, column) in columns {
                    let count = try connection.first(
                        "SELECT count(*) FROM \"\(table)\" WHERE instr(lower(hex(\"\(column)\")), ?) > 0", secret
                    ) { row throws(SQLiteError) in try row.int(0) }
                    if count != 0 { found.append("\(table).\(column)") }
                }
                return found
            }
        }
    }

    @Test func `no column holds a key, and one that does is found`() throws {
        let house = try House(Self.configuration)
        let made = try house.call(.post, "/v1/keys", key: house.key, body: #"{"name":"kept","scopes":["chat"]}"#)
        let (key, id) = (try #require(made.json?["key"]?.string), try #require(made.json?["id"]?.string))
        #expect(try house.chat("hello", key: key).status == 200)
        #expect(try columns(house, holding: key) == [])
        // A server that keeps it, as its name.
        let renamed = try house.call(.patch, "/v1/keys/\(id)", key: house.key, body: #"{"name":"\#(key)"}"#)
        try #require(renamed.status == 200)
        #expect(try columns(house, holding: key).contains("auth_keys.name"))
    }
}
