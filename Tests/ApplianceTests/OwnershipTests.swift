// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Support
import Testing

@testable import Appliance

/// Members see their own threads, files and runs and nobody else's; admins see all of their tenant's; and what is found by a
/// name that anybody can guess is found among one's own. With threads in the store, and in memory only.
@Suite(.serialized) struct OwnershipTests {
    @Test(arguments: [true, false]) func `a member reaches nothing of anybody else, by no way`(keeps: Bool) throws {
        let tenant = try OneTenant(keeps: keeps)
        let (tried, found) = try tenant.intrusions()
        #expect(found == [])
        #expect(tried.count == (keeps ? 17 : 7))
        // The same ways lead its own things to it: the walk above was not refused for another reason.
        for owner in tenant.owners where owner.name == "member" {
            let answer = try tenant.chat(owner.token, #"{"content":"go on","thread_id":"\#(owner.threads[0])"}"#)
            #expect(answer.status == 200)
            #expect(try tenant.house.call(.get, "/v1/invocations/\(owner.run)", key: owner.token).status == 200)
            guard keeps else { continue }
            let file = try tenant.house.call(.get, "/v1/files/\(owner.file)/content", key: owner.token)
            #expect(String(decoding: file.body, as: UTF8.self).contains(owner.marker))
        }
    }

    /// The control: without the rule, every one of these ways is open.
    @Test(arguments: [true, false]) func `without the rule every way is found open`(keeps: Bool) throws {
        let none = OwnershipRule(reached: { _ in .everybody }, named: { _ in .programs })
        let (tried, found) = try OneTenant(keeps: keeps, none).intrusions()
        #expect(tried.subtracting(found) == [])
    }

    @Test func `an admin sees what everybody began, and so does a key with the scope for it`() throws {
        let tenant = try OneTenant(keeps: true)
        let (admin, program) = (tenant.owners[1], tenant.owners[2])
        for token in [admin.token, program.token] {
            let list = try tenant.house.call(.get, "/v1/threads?limit=100", key: token)
            let text = String(decoding: list.body, as: UTF8.self)
            for owner in tenant.owners {
                for id in owner.threads { #expect(text.contains(id), "\(owner.name)") }
                let messages = try tenant.house.call(
                    .get, "/v1/threads/\(owner.threads[0])/messages", key: token)
                #expect(String(decoding: messages.body, as: UTF8.self).contains(owner.marker))
            }
        }
    }

    /// Whoever takes a name first must not have others' words appended to its thread, whatever its role.
    @Test(arguments: [true, false]) func `a name is looked up among one's own`(keeps: Bool) throws {
        let tenant = try OneTenant(keeps: keeps)
        let body = #"{"content":"my secret","correlation_id":"case-7"}"#
        for owner in tenant.owners {
            #expect(try tenant.chat(owner.token, body).json?["thread_id"]?.string == owner.threads[0], "\(owner.name)")
        }
        // A key that may chat only has no business with people's threads, by their ids either.
        let only = try #require(tenant.probes["only"]?["chat"]?.string)
        #expect(try tenant.chat(only, body).json?["thread_id"]?.string == tenant.owners[2].threads[0])
        for (index, status) in [404, 404, 200].enumerated() {
            let body = #"{"content":"go on","thread_id":"\#(tenant.owners[index].threads[0])"}"#
            #expect(try tenant.chat(only, body).status == status)
        }
        // And one that stands in a page for everybody to read finds only what it began itself.
        let made = try tenant.house.call(
            .post, "/v1/keys", key: tenant.owners[2].token,
            body: #"{"name":"page","kind":"publishable","origins":["https://a.example"],"nodes":["desk"]}"#)
        let page = try #require(made.json?["key"]?.string, "\(String(decoding: made.body, as: UTF8.self))")
        let origin: Fields = ["origin": "https://a.example"]
        let first = try tenant.chat(page, body, origin).json?["thread_id"]?.string
        #expect(first != nil && !tenant.owners.contains { $0.threads.contains(first ?? "") })
        #expect(try tenant.chat(page, body, origin).json?["thread_id"]?.string == first)
        // Nor does a program ever append to what a page began, though that took the name first.
        let taken = body.replacing("case-7", with: "case-8")
        let trap = try tenant.chat(page, taken, origin).json?["thread_id"]?.string
        for owner in tenant.owners {
            let thread = try tenant.chat(owner.token, taken).json?["thread_id"]?.string
            #expect(thread != nil && thread != trap, "\(owner.name)")
        }
    }

    @Test func `an Idempotency-Key is its sender's own`() throws {
        let tenant = try OneTenant(keeps: true)
        let ids = try (tenant.owners.map(\.token) + [tenant.thief, tenant.thief]).map { token in
            try tenant.house.call(
                .post, "/v1/threads", key: token, fields: ["idempotency-key": "once"], body: #"{"title":"the same"}"#
            ).json?["id"]?.string
        }
        #expect(Set(ids).count == 4 && ids[3] == ids[4] && !ids.contains(nil))
    }

    @Test func `a member takes nothing of the tenant away, and changes none of its rules`() throws {
        let tenant = try OneTenant(keeps: true)
        for (method, path, body) in [
            (HTTP.Method.get, "/v1/account/export", ""), (.get, "/v1/nodes", ""), (.get, "/v1/nodes/desk", ""),
            (.post, "/v1/nodes", #"{"alias":"mine","model":"echo"}"#), (.delete, "/v1/nodes/desk", ""),
            (.get, "/v1/usage", ""), (.get, "/v1/audit", ""), (.get, "/v1/refusals", ""), (.get, "/v1/keys", ""),
            (.post, "/v1/keys", #"{"name":"mine"}"#), (.put, "/v1/account/retention", #"{"threads":60}"#),
            (.put, "/v1/consents", #"{"scopes":{"threads":true}}"#), (.get, "/v1/people", ""),
        ] {
            let answer = try tenant.house.call(method, path, key: tenant.thief, body: body)
            #expect(answer.code == "insufficient_scope", "\(method.name) \(path): \(answer.status)")
        }
        let models = try tenant.house.call(.get, "/v1/models", key: tenant.thief)
        #expect(String(decoding: models.body, as: UTF8.self).contains("node/desk"))
        let limits = String(
            decoding: try tenant.house.call(.get, "/v1/limits", key: tenant.thief).body, as: UTF8.self)
        #expect(limits.contains(#""key""#) && !limits.contains(#""tenant""#))
    }
}

/// One tenant in which a member, an admin and a program own the same things under the same names, and another member nothing.
private final class OneTenant {
    struct Belongings {
        let name: String
        let token: String
        /// Stands in everything it owns, and nowhere else.
        let marker: String
        var threads: [String] = []
        var run = ""
        var file = ""
    }

    let house: House
    let probes: JSONValue
    let thief: String
    private(set) var owners: [Belongings]
    private let keeps: Bool

    /// - Parameter keeps: whether the tenant has agreed to keep threads and files.
    init(keeps: Bool, _ rule: OwnershipRule = .standard) throws {
        self.keeps = keeps
        let configuration = House.configuration.replacing(
            "requests_per_hour = 20", with: "requests_per_hour = 1000000")
        house = try House(configuration, altering: { _, roles in roles.ownership = rule })
        let client = AdminClient(socketPath: try #require(house.socketPath))
        probes = try client.call(.post, "/admin/v1/guard-probes")
        let sessions = probes["sessions"]
        thief = try #require(sessions?["spare"]?.array?.first?.string)
        let tenant = try #require(probes["tenants"]?.array?.first?.string)
        if keeps {
            _ = try client.call(
                .put, "/admin/v1/tenants/\(tenant)/consents", body: ["scopes": ["threads": true, "files": true]])
        }
        let key = try #require(probes["all"]?.string)
        owners = [
            Belongings(name: "member", token: try #require(sessions?["member"]?.string), marker: "heron-5127"),
            Belongings(name: "admin", token: try #require(sessions?["admin"]?.string), marker: "otter-9063"),
            Belongings(name: "program", token: key, marker: "raven-4410"),
        ]
        let node = try house.call(.post, "/v1/nodes", key: key, body: #"{"alias":"desk","model":"echo"}"#)
        try #require(node.status == 201)
        for index in owners.indices { try fill(&owners[index]) }
    }

    func chat(_ token: String, _ body: String, _ fields: Fields = [:]) throws -> House.Answer {
        try house.call(.post, "/v1/nodes/desk/chat", key: token, fields: fields, body: body)
    }

    private func fill(_ owner: inout Belongings) throws {
        for name in [#""correlation_id":"case-7""#, #""client_message_id":"m-\#(owner.name)""#] {
            let answer = try chat(owner.token, #"{"content":"I am \#(owner.marker)",\#(name)}"#)
            owner.threads.append(
                try #require(answer.json?["thread_id"]?.string, "\(String(decoding: answer.body, as: UTF8.self))"))
        }
        let run = try chat(owner.token, #"{"content":"I am \#(owner.marker)","mode":"async"}"#)
        owner.run = try #require(run.json?["invocation_id"]?.string)
        guard keeps else { return }
        let made = try house.call(
            .post, "/v1/threads", key: owner.token, body: #"{"node":"desk","title":"\#(owner.marker)"}"#)
        owner.threads.append(try #require(made.json?["id"]?.string, "\(made.status)"))
        let file = try house.call(
            .post, "/v1/files", key: owner.token, fields: ["content-type": "multipart/form-data; boundary=xYz"],
            body: TwoTenants.form(owner.marker), isTyped: true)
        owner.file = try #require(file.json?["id"]?.string, "\(file.status)")
    }

    /// Threads that are there still, for their owners.
    private func living() throws -> Set<String> {
        var living: Set<String> = []
        for owner in owners {
            for id in owner.threads
            where try chat(owner.token, #"{"content":"here?","thread_id":"\#(id)"}"#).status == 200 {
                living.insert(id)
            }
        }
        return living
    }

    /// Tries as the other member whatever could lead to what is somebody else's.
    ///
    /// - Returns: the ways that were tried, and those that led somewhere.
    func intrusions() throws -> (tried: Set<String>, found: Set<String>) {
        var (tried, found): (Set<String>, Set<String>) = ([], [])
        func attempt(_ way: String, _ isOpen: () throws -> Bool) throws {
            tried.insert(way)
            if try isOpen() { found.insert(way) }
        }
        /// Whether an answer has anything of somebody else's.
        func shows(_ method: HTTP.Method, _ path: String) throws -> Bool {
            let text = String(decoding: try house.call(method, path, key: thief).body, as: UTF8.self)
            return owners.contains { owner in
                text.contains(owner.marker)
                    || (owner.threads + [owner.file]).contains { !$0.isEmpty && text.contains($0) }
            }
        }
        func isThere(_ method: HTTP.Method, _ path: String, _ body: String = "") throws -> Bool {
            try house.call(method, path, key: thief, body: body).status != 404
        }
        /// Whether a turn went to somebody else's thread.
        func joins(_ body: String) throws -> Bool {
            let answer = try chat(thief, body)
            let thread = answer.json?["thread_id"]?.string ?? ""
            return answer.status != 200 || owners.contains { $0.threads.contains(thread) }
        }
        for owner in owners {
            for thread in owner.threads {
                try attempt("continue") {
                    try isThere(.post, "/v1/nodes/desk/chat", #"{"content":"go on","thread_id":"\#(thread)"}"#)
                }
            }
            try attempt("run") { try isThere(.get, "/v1/invocations/\(owner.run)") }
            try attempt("message id") {
                try joins(#"{"content":"I am \#(owner.marker)","client_message_id":"m-\#(owner.name)"}"#)
            }
        }
        try attempt("correlation id") { try joins(#"{"content":"and then?","correlation_id":"case-7"}"#) }
        if keeps {
            try attempt("list") { try shows(.get, "/v1/threads?limit=100") }
            try attempt("list of a node") { try shows(.get, "/v1/threads?node=desk&limit=100") }
            try attempt("list by correlation id") { try shows(.get, "/v1/threads?correlation_id=case-7") }
            try attempt("files") { try shows(.get, "/v1/files") }
            for owner in owners {
                for thread in owner.threads {
                    try attempt("thread") { try isThere(.get, "/v1/threads/\(thread)") }
                    try attempt("messages") { try isThere(.get, "/v1/threads/\(thread)/messages") }
                    try attempt("append") {
                        try isThere(.post, "/v1/threads/\(thread)/messages", #"{"content":"planted"}"#)
                    }
                }
                try attempt("file") { try isThere(.get, "/v1/files/\(owner.file)") }
                try attempt("content") { try isThere(.get, "/v1/files/\(owner.file)/content") }
                try attempt("delete file") { try isThere(.delete, "/v1/files/\(owner.file)") }
            }
        }
        var before = try living()
        func shrinks(_ path: String) throws -> Bool {
            _ = try house.call(.delete, path, key: thief)
            let after = try living()
            defer { before = after }
            return after != before
        }
        // Two of these leave something for the next to delete.
        try attempt("delete") { try shrinks("/v1/threads/\(owners[0].threads[1])") }
        try attempt("delete by correlation id") { try shrinks("/v1/threads?correlation_id=case-7") }
        try attempt("delete by node") { try shrinks("/v1/threads?node=desk") }
        return (tried, found)
    }
}
