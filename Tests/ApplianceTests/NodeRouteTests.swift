// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Support
import Testing

@testable import Appliance

/// Nodes, threads, files and consents as two tenants' keys and an operator see them.
@Suite(.serialized) struct NodeRouteTests {
    private let house: House
    private let client: AdminClient
    private let ours: String
    private let theirs: String

    init() throws {
        house = try House(
            House.configuration.split(separator: "\n").filter { !$0.hasPrefix("requests_per_hour") }
                .joined(separator: "\n"))
        client = AdminClient(socketPath: try #require(house.socketPath))
        ours = try Self.key(of: "acme", client)
        theirs = try Self.key(of: "globex", client)
    }

    private static func key(of tenant: String, _ client: AdminClient) throws -> String {
        let scopes = Scope.allCases.map { JSONValue.string($0.rawValue) }
        let answer = try client.call(
            .post, "/admin/v1/keys", body: ["name": "k", "tenant": .string(tenant), "scopes": .array(scopes)])
        return try #require(answer["key"]?.string)
    }

    private func consent(_ tenant: String, _ scopes: [String], _ isGranted: Bool = true) throws {
        var object = JSONObject()
        for scope in scopes { object[scope] = .bool(isGranted) }
        _ = try client.call(.put, "/admin/v1/tenants/\(tenant)/consents", body: ["scopes": .object(object)])
    }

    private func post(_ path: String, _ body: String, key: String, fields: Fields = [:]) throws -> House.Answer {
        try house.call(.post, path, key: key, fields: fields, body: body)
    }

    private func upload(_ content: String, name: String = "a.txt", key: String, fields: Fields = [:]) throws
        -> House.Answer
    {
        var fields = fields
        fields.append("content-type", "multipart/form-data; boundary=xYz")
        let body =
            "--xYz\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n"
            + "--xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\(name)\"\r\n\r\n\(content)\r\n--xYz--\r\n"
        return try house.call(.post, "/v1/files", key: key, fields: fields, body: body, isTyped: true)
    }

    private func id(_ answer: House.Answer) throws -> String {
        try #require(answer.json?["id"]?.string, "\(answer.status) \(String(decoding: answer.body, as: UTF8.self))")
    }

    private func message(_ answer: House.Answer) -> String? { answer.json?["error"]?["message"]?.string }

    // MARK: Nodes

    @Test func `a node is made, changed, listed, read as it was, and deleted`() throws {
        let made = try post("/v1/nodes", #"{"alias":"desk","model":"echo","system_prompt":"one"}"#, key: ours)
        #expect(made.status == 201)
        let id = try id(made)
        let again = try post("/v1/nodes", #"{"alias":"desk","model":"echo"}"#, key: ours)
        #expect(again.status == 409 && again.code == "conflict")
        // Another tenant may call its own node the same.
        #expect(try post("/v1/nodes", #"{"alias":"desk","model":"echo"}"#, key: theirs).status == 201)
        let changed = try house.call(.patch, "/v1/nodes/desk", key: ours, body: #"{"system_prompt":"two"}"#)
        #expect(changed.json?["version"]?.int == 2)
        #expect(changed.json?["model"]?.string == "echo")
        let same = try house.call(.patch, "/v1/nodes/\(id)", key: ours, body: #"{"system_prompt":"two"}"#)
        #expect(same.json?["version"]?.int == 2)
        let versions = try house.call(.get, "/v1/nodes/desk/versions", key: ours).json?["data"]?.array ?? []
        #expect(versions.compactMap { $0["configuration"]?["system_prompt"]?.string } == ["two", "one"])
        #expect(try house.call(.get, "/v1/nodes", key: ours).json?["data"]?.array?.count == 1)
        let deleted = try house.call(.delete, "/v1/nodes/desk", key: ours)
        #expect(deleted.json == ["id": .string(id), "object": "node.deleted", "deleted": true])
        #expect(try house.call(.get, "/v1/nodes/desk", key: ours).status == 404)
        #expect(try house.call(.get, "/v1/nodes/\(id)", key: ours).status == 404)
        #expect(try house.call(.get, "/v1/nodes/desk", key: theirs).status == 200)
    }

    @Test(
        arguments: [
            ("/v1/nodes", #"{"alias":"a","model":"echo","colour":1}"#, 400, "unknown_parameter", "colour"),
            ("/v1/nodes", #"{"alias":{"$gt":""},"model":"echo"}"#, 400, "invalid_parameter", "alias"),
            ("/v1/nodes", #"{"alias":"a","model":"echo","alias":"b"}"#, 400, "invalid_json", nil),
            ("/v1/nodes", #"[]"#, 400, "invalid_parameter", nil),
            ("/v1/threads", #"{"node":{"$gt":""}}"#, 400, "invalid_parameter", "node"),
            ("/v1/threads", #"{"title":"a\nb"}"#, 400, "invalid_parameter", "title"),
            ("/v1/threads", #"{"messages":[]}"#, 400, "unknown_parameter", "messages"),
            (
                "/v1/threads/thr_01JD0000000000000000000000/messages", #"{"content":""}"#, 400, "invalid_parameter",
                "content"
            ),
            (
                "/v1/threads/thr_01JD0000000000000000000000/messages", #"{"content":"a","role":"system"}"#, 400,
                "invalid_parameter", "role"
            ),
            ("/v1/files", #"{"file":1}"#, 415, "unsupported_media_type", nil),
        ] as [(String, String, Int, String, String?)])
    func `a body is checked before anything happens`(
        _ path: String, _ body: String, _ status: Int, _ code: String, _ param: String?
    ) throws {
        let answer = try post(path, body, key: ours)
        #expect(answer.status == status && answer.code == code, "\(String(decoding: answer.body, as: UTF8.self))")
        #expect(answer.json?["error"]?["param"]?.string == param)
    }

    @Test(arguments: [
        ("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("order=up", "order"), ("page=2", "page"),
        ("limit=1&limit=2", "limit"), ("after=", "after"),
    ])
    func `a query is checked too`(_ query: String, _ param: String) throws {
        for path in ["/v1/nodes", "/v1/threads"] {
            let answer = try house.call(.get, "\(path)?\(query)", key: ours)
            #expect(answer.status == 400 && answer.json?["error"]?["param"]?.string == param)
        }
    }

    @Test func `a creation that is sent again makes one thing, and its key serves one body`() throws {
        let fields: Fields = ["idempotency-key": "abc"]
        let first = try post("/v1/nodes", #"{"alias":"a","model":"echo"}"#, key: ours, fields: fields)
        let second = try post("/v1/nodes", #"{"alias":"a","model":"echo"}"#, key: ours, fields: fields)
        #expect(first.status == 201 && second.status == 201)
        #expect(try id(first) == id(second))
        let other = try post("/v1/nodes", #"{"alias":"b","model":"echo"}"#, key: ours, fields: fields)
        #expect(other.status == 409 && other.code == "conflict")
        // The same words of another tenant are its own.
        let theirs = try post("/v1/nodes", #"{"alias":"b","model":"echo"}"#, key: theirs, fields: fields)
        #expect(theirs.status == 201)
        try consent("acme", ["threads", "files"])
        let threads = try (0..<2).map { _ in try id(post("/v1/threads", "{}", key: ours, fields: fields)) }
        #expect(threads[0] == threads[1])
        let files = try (0..<2).map { _ in try id(upload("one", key: ours, fields: fields)) }
        #expect(files[0] == files[1])
        #expect(try upload("two", key: ours, fields: fields).status == 409)
        #expect(try house.call(.get, "/v1/files", key: ours).json?["data"]?.array?.count == 1)
    }

    // MARK: What is somebody else's

    /// An id of another tenant, one that never was and one that is gone answer alike, on every route.
    @Test func `a foreign id is an unknown id`() throws {
        try consent("acme", ["threads", "files"])
        try consent("globex", ["threads", "files"])
        let node = try id(post("/v1/nodes", #"{"alias":"desk","model":"echo"}"#, key: theirs))
        let thread = try id(post("/v1/threads", #"{"node":"desk","correlation_id":"c"}"#, key: theirs))
        #expect(try post("/v1/threads/\(thread)/messages", #"{"content":"secret"}"#, key: theirs).status == 201)
        let file = try id(upload("secret", key: theirs))
        let absent = "01JD0000000000000000000000"
        let calls: [(HTTP.Method, String, String)] = [
            (.get, "/v1/nodes/NODE", ""), (.patch, "/v1/nodes/NODE", "{}"), (.delete, "/v1/nodes/NODE", ""),
            (.get, "/v1/nodes/NODE/versions", ""), (.get, "/v1/nodes/desk", ""), (.delete, "/v1/nodes/desk", ""),
            (.get, "/v1/threads/THREAD", ""), (.delete, "/v1/threads/THREAD", ""),
            (.get, "/v1/threads/THREAD/messages", ""), (.post, "/v1/threads/THREAD/messages", #"{"content":"x"}"#),
            (.post, "/v1/threads", #"{"node":"NODE"}"#), (.get, "/v1/threads?node=NODE", ""),
            (.delete, "/v1/threads?node=NODE", ""), (.get, "/v1/files/FILE", ""), (.delete, "/v1/files/FILE", ""),
            (.get, "/v1/files/FILE/content", ""),
        ]
        func fill(_ text: String, _ node: String, _ thread: String, _ file: String) -> String {
            text.replacing("NODE", with: node).replacing("THREAD", with: thread).replacing("FILE", with: file)
        }
        for (method, path, body) in calls {
            let foreign = try house.call(
                method, fill(path, node, thread, file), key: ours, body: fill(body, node, thread, file))
            let unknown = try house.call(
                method, fill(path, "node_\(absent)", "thr_\(absent)", "file_\(absent)"), key: ours,
                body: fill(body, "node_\(absent)", "thr_\(absent)", "file_\(absent)"))
            #expect(foreign.status == 404 && unknown.status == 404, "\(method.name) \(path): \(foreign.status)")
            #expect(message(foreign) == message(unknown) && foreign.code == unknown.code, "\(method.name) \(path)")
        }
        #expect(try house.call(.get, "/v1/threads?correlation_id=c", key: ours).json?["data"]?.array?.count == 0)
        #expect(
            try house.call(.delete, "/v1/threads?correlation_id=c", key: ours).json?["count"]?.int == 0)
        // And all of it is still there.
        let messages = try house.call(.get, "/v1/threads/\(thread)/messages", key: theirs)
        #expect(messages.json?["data"]?.array?.first?["content"]?.string == "secret")
        #expect(try house.call(.get, "/v1/files/\(file)/content", key: theirs).body == Array("secret".utf8))
    }

    // MARK: Consent

    @Test func `nothing is kept without consent, and nothing more once it is withdrawn`() throws {
        #expect(try post("/v1/threads", "{}", key: ours).code == "consent_required")
        #expect(try upload("x", key: ours).code == "consent_required")
        try consent("acme", ["threads"])
        let thread = try id(post("/v1/threads", "{}", key: ours))
        #expect(try upload("x", key: ours).code == "consent_required")
        // Another tenant's consent is not ours.
        #expect(try post("/v1/threads", "{}", key: theirs).code == "consent_required")
        try consent("acme", ["files"])
        #expect(try upload("x", key: ours).status == 200)
        try consent("acme", ["threads", "files"], false)
        #expect(try post("/v1/threads/\(thread)/messages", #"{"content":"x"}"#, key: ours).code == "consent_required")
        #expect(try upload("x", key: ours).code == "consent_required")
        #expect(try house.call(.get, "/v1/files", key: ours).json?["data"]?.array?.count == 1)
        let consents = try house.call(.get, "/v1/consents", key: ours).json?["data"]?.array ?? []
        let threads = consents.first { $0["scope"]?.string == "threads" }
        #expect(consents.count == ConsentScope.allCases.count)
        #expect(threads?["granted"]?.bool == false)
        #expect(threads?["granted_by"]?.string?.hasPrefix("uid:") == true)
        #expect(threads?["withdrawn_at"]?.string != nil)
    }

    @Test(
        arguments: [
            ["x-zdr": "true"], ["x-interfaze-zdr": "true"], ["x-zdr": "1"], ["x-zdr": "TRUE"],
        ] as [Fields])
    func `who asks that nothing be kept is heard, whatever was agreed to`(_ fields: Fields) throws {
        try consent("acme", ["threads", "files"])
        let thread = try id(post("/v1/threads", "{}", key: ours))
        #expect(try post("/v1/threads", "{}", key: ours, fields: fields).code == "consent_required")
        #expect(
            try post("/v1/threads/\(thread)/messages", #"{"content":"x"}"#, key: ours, fields: fields).code
                == "consent_required")
        #expect(try upload("x", key: ours, fields: fields).code == "consent_required")
        #expect(try post("/v1/threads", #"{"store":false}"#, key: ours).code == "consent_required")
        #expect(
            try post("/v1/threads/\(thread)/messages", #"{"content":"x","store":false}"#, key: ours).code
                == "consent_required")
        #expect(try house.call(.get, "/v1/threads", key: ours).json?["data"]?.array?.count == 1)
        #expect(try post("/v1/threads", #"{"store":true}"#, key: ours, fields: ["x-zdr": "false"]).status == 201)
    }

    // MARK: Files

    @Test func `a file comes back whole, in ranges, and not at all once deleted`() throws {
        try consent("acme", ["files"])
        let content = String((0..<200_000).map { Character(Unicode.Scalar(UInt8(97 + $0 % 26))) })
        let bytes = Array(content.utf8)
        let file = try id(upload(content, name: "r\u{E9}sum\u{E9}.txt", key: ours))
        let path = "/v1/files/\(file)/content"
        let whole = try house.call(.get, path, key: ours)
        #expect(whole.status == 200 && whole.body == bytes)
        #expect(whole.fields["content-type"] == "application/octet-stream")
        #expect(whole.fields["content-disposition"] == "attachment; filename*=UTF-8''r%C3%A9sum%C3%A9.txt")
        for range in [0..<1, 65_535..<65_537, 65_536..<131_072, 199_999..<200_000, 10..<199_990] {
            let part = try house.call(
                .get, path, key: ours, fields: ["range": "bytes=\(range.lowerBound)-\(range.upperBound - 1)"])
            #expect(part.status == 206 && part.body == Array(bytes[range]))
            #expect(
                part.fields["content-range"] == "bytes \(range.lowerBound)-\(range.upperBound - 1)/200000")
        }
        let beyond = try house.call(.get, path, key: ours, fields: ["range": "bytes=200000-"])
        #expect(beyond.status == 416 && beyond.code == "range_not_satisfiable")
        #expect(beyond.fields["content-range"] == "bytes */200000")
        let other = try house.call(.get, path, key: ours, fields: ["range": "bytes=0-0", "if-range": "\"x\""])
        #expect(other.status == 200)
        #expect(try house.call(.head, path, key: ours).fields["content-length"] == "200000")
        #expect(try house.call(.delete, "/v1/files/\(file)", key: ours).json?["deleted"]?.bool == true)
        #expect(try house.call(.get, path, key: ours).status == 404)
    }

    @Test func `a form that is cut or too large leaves nothing`() throws {
        try consent("acme", ["files"])
        let fields: Fields = ["content-type": "multipart/form-data; boundary=xYz"]
        let cut =
            "--xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"
            + String(repeating: "x", count: 3_000_000)
        let answer = try house.call(.post, "/v1/files", key: ours, fields: fields, body: cut, isTyped: true)
        #expect(answer.status == 400)
        #expect(try house.call(.get, "/v1/files", key: ours).json?["data"]?.array?.count == 0)
    }

    // MARK: The operator

    @Test func `an operator sees ids, sizes and times, and content only with a reason that the tenant sees`() throws {
        try consent("acme", ["threads"])
        let node = try id(post("/v1/nodes", #"{"alias":"desk","model":"echo","system_prompt":"marker"}"#, key: ours))
        let body = #"{"node":"desk","title":"marker","correlation_id":"marker"}"#
        let thread = try id(post("/v1/threads", body, key: ours))
        _ = try post("/v1/threads/\(thread)/messages", #"{"content":"marker","name":"marker"}"#, key: ours)
        let nodes = try client.call(.get, "/admin/v1/nodes?tenant=acme")
        let threads = try client.call(.get, "/admin/v1/threads?tenant=acme")
        #expect(nodes["data"]?[0]?["id"]?.string == node)
        #expect(threads["data"]?[0]?["id"]?.string == thread)
        #expect(threads["data"]?[0]?["message_count"]?.int == 1)
        #expect(!"\(nodes)\(threads)".contains("marker") && !"\(nodes)".contains("desk"))
        let breaking: JSONValue = ["tenant": "acme", "thread": .string(thread), "reason": "ticket 1"]
        let glass = try client.call(.post, "/admin/v1/break-glass", body: breaking)
        #expect(glass["messages"]?["data"]?[0]?["content"]?.string == "marker")
        let access = try house.call(.get, "/v1/account/access", key: ours).json?["data"]?.array ?? []
        #expect(access.count == 1)
        #expect(access.first?["reason"]?.string == "ticket 1")
        #expect(access.first?["thread_id"]?.string == thread)
        #expect(try house.call(.get, "/v1/account/access", key: theirs).json?["data"]?.array?.count == 0)
        // Without a reason, and in another tenant, there is nothing to see.
        for body in [
            ["tenant": "acme", "thread": .string(thread)],
            ["tenant": "globex", "thread": .string(thread), "reason": "x"],
        ] as [JSONValue] {
            #expect(throws: AdminClient.Failure.self) { try client.call(.post, "/admin/v1/break-glass", body: body) }
        }
        _ = try client.call(.delete, "/admin/v1/threads/\(thread)?tenant=acme")
        #expect(try house.call(.get, "/v1/threads/\(thread)", key: ours).status == 404)
        let later = try house.call(.get, "/v1/account/access", key: ours)
        #expect(later.json?["data"]?[0]?["thread_id"]?.isNull == true)
        #expect(!String(decoding: later.body, as: UTF8.self).contains(thread))
    }

    // MARK: Retention

    @Test func `a tenant's wish is taken, shown, and holds at once`() throws {
        try consent("acme", ["threads"])
        let thread = try id(post("/v1/threads", "{}", key: ours))
        let path = "/v1/account/retention"
        let before = try house.call(.get, path, key: ours).json?["classes"]?["threads"]
        #expect(before == ["plan_seconds": .null, "wish_seconds": .null, "effective_seconds": 2_592_000])
        let longer = try house.call(.put, path, key: ours, body: #"{"threads":31536000}"#).json?["classes"]?["threads"]
        #expect(longer?["effective_seconds"]?.int == 2_592_000)
        #expect(try house.call(.put, path, key: ours, body: #"{"threads":-1}"#).status == 400)
        #expect(try house.call(.put, path, key: ours, body: #"{"mail":1}"#).code == "unknown_parameter")
        #expect(try house.call(.get, "/v1/threads/\(thread)", key: ours).status == 200)
        #expect(try house.call(.put, path, key: ours, body: #"{"threads":"none"}"#).status == 200)
        #expect(try house.call(.get, "/v1/threads/\(thread)", key: ours).status == 404)
        #expect(try post("/v1/threads", "{}", key: ours).code == "consent_required")
        #expect(try house.call(.put, path, key: ours, body: #"{"threads":null}"#).status == 200)
        #expect(try house.call(.get, "/v1/threads/\(thread)", key: ours).status == 404)
        #expect(try post("/v1/threads", "{}", key: ours).status == 201)
    }
}
