// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform
import SQLite
import Support
import Testing

@testable import Appliance

/// A tenant reaches only its own: every route of the router, with every kind of foreign id, read, write, delete, list and
/// filter. A route that is not in the table below fails this test by its name.
@Suite(.serialized) struct IsolationTests {
    /// What a route has to do with tenants' data.
    private enum Probe {
        /// Anyone's: nothing of a tenant is behind it.
        case shared(String)
        /// A person's, in a session: a key opens none of them (GuardTests), and PeopleIsolationTests walk them with sessions.
        case person
        /// The operator's; keys do not open it (GuardTests), and it shows no content.
        case `operator`
        /// Names one object in its path; with a foreign one it is 404. The body is one that would succeed with an own one.
        case object(body: String? = nil, upload: Bool = false)
        /// Answers about the caller's tenant; the queries are what a thief would try, `ID` being each foreign id in turn.
        case own(queries: [String] = [], body: String? = nil, upload: Bool = false)
        /// The same for an answer that has no end of its own; the query gives it one.
        case feed(String)
        /// A body that refers to a foreign object (`ID`) is 404.
        case reference(body: String)
    }

    private static let chat = #""messages":[{"role":"user","content":"hello"}]"#
    private static let page = ["limit=100", "limit=100&after=ID"]

    private static let probes: [String: Probe] = [
        "GET /livez": .shared("lives"), "GET /readyz": .shared("is ready"),
        "GET /openapi.json": .shared("made of the routes"),
        "GET /security": .shared("what the server promises"), "GET /security.json": .shared("the same"),
        "GET /docs": .shared("the manual"), "GET /docs/{page}": .object(),
        "GET /docs/style.css": .shared("how pages look"),
        "POST /auth/login": .shared("says who somebody is"), "POST /auth/refresh": .shared("goes by its token"),
        "POST /auth/redeem": .shared("goes by its token"), "GET /.well-known/jwks.json": .shared("public keys"),
        "GET /v1/models": .own(), "GET /v1/models/{id...}": .object(),
        "POST /v1/chat/completions": .reference(body: #"{"model":"node/ID",\#(chat)}"#),
        "POST /v1/completions": .own(body: #"{"model":"echo","prompt":"hello"}"#),
        "POST /v1/embeddings": .own(body: #"{"model":"echo","input":"hello"}"#),
        "POST /v1/responses": .reference(body: #"{"model":"node/ID","input":"hello"}"#),
        "POST /v1/messages": .reference(body: #"{"model":"node/ID","max_tokens":9,\#(chat)}"#),
        "POST /v1/messages/count_tokens": .reference(body: #"{"model":"node/ID",\#(chat)}"#),
        "POST /v1/nodes": .own(body: #"{"alias":"other","model":"echo"}"#),
        "GET /v1/nodes": .own(queries: page),
        "GET /v1/nodes/{id}": .object(), "GET /v1/nodes/{id}/versions": .object(),
        "GET /v1/nodes/{id}/chit": .object(),
        "PATCH /v1/nodes/{id}": .object(body: #"{"system_prompt":"stolen"}"#), "DELETE /v1/nodes/{id}": .object(),
        "POST /v1/nodes/{id}/chat": .object(body: #"{"content":"hello"}"#),
        "GET /v1/invocations/{id}": .object(),
        "POST /v1/threads": .reference(body: #"{"node":"ID"}"#),
        "GET /v1/threads": .own(
            queries: page + ["node=ID", "correlation_id=\(TwoTenants.correlation)", "node=\(TwoTenants.alias)"]),
        "GET /v1/threads/{id}": .object(), "DELETE /v1/threads/{id}": .object(),
        "DELETE /v1/threads": .own(queries: ["node=ID", "correlation_id=\(TwoTenants.correlation)"]),
        "GET /v1/threads/{id}/messages": .object(),
        "POST /v1/threads/{id}/messages": .object(body: #"{"content":"planted"}"#),
        "POST /v1/files": .own(upload: true), "GET /v1/files": .own(queries: page + ["purpose=user_data"]),
        "GET /v1/files/{id}": .object(), "DELETE /v1/files/{id}": .object(), "GET /v1/files/{id}/content": .object(),
        "GET /v1/account/export": .own(),
        // A session's; a key is refused before anything is looked at.
        "DELETE /v1/account": .own(body: #"{"password":"x","confirm":"acme"}"#),
        "PUT /v1/consents": .own(body: #"{"scopes":{"threads":true}}"#),
        "POST /v1/keys/exposed": .shared("names keys whole, and says whether they are some"),
        "POST /key/generate": .own(body: "{}"), "GET /key/info": .own(queries: ["key=ID"]),
        "POST /key/update": .reference(body: #"{"key":"ID"}"#),
        "POST /key/delete": .reference(body: #"{"keys":["ID"]}"#),
        "POST /key/block": .reference(body: #"{"key":"ID"}"#), "POST /key/unblock": .reference(body: #"{"key":"ID"}"#),
        "POST /key/{key}/regenerate": .object(body: "{}"),
        "POST /v1/keys": .own(body: #"{"name":"another"}"#), "GET /v1/keys": .own(queries: page),
        "GET /v1/keys/{id}": .object(), "PATCH /v1/keys/{id}": .object(body: #"{"name":"stolen"}"#),
        "POST /v1/keys/{id}/rotate": .object(body: #"{"grace_seconds":0}"#), "DELETE /v1/keys/{id}": .object(),
        "POST /v1/executions": .reference(body: #"{"language":"bash","code":"echo *","session_id":"ID"}"#),
        "GET /v1/executions/languages": .shared("what this host runs"),
        "POST /v1/executions/sessions": .own(body: "{}"),
        "GET /v1/executions/sessions/{id}": .object(), "DELETE /v1/executions/sessions/{id}": .object(),
        "GET /v1/audit": .own(
            queries: page + ["object=ID", "node=ID", "key=ID", "actor=ID", "request=ID", "action=threads.create"]),
        "GET /v1/refusals": .own(queries: page + ["request=ID"]),
        "PATCH /v1/refusals/{id}": .object(body: #"{"disposition":"correct"}"#),
        "GET /v1/usage": .own(queries: ["", "node=ID", "key=ID", "group_by=node", "group_by=key", "group_by=model"]),
        "GET /v1/usage/live": .feed("seconds=1"),
        "GET /v1/limits": .own(), "GET /v1/consents": .own(), "GET /v1/account/retention": .own(),
        "GET /v1/account/access": .own(),
        "PUT /v1/account/retention": .own(body: #"{"threads":3600}"#),
    ]

    private static func probe(of route: Route) -> Probe? {
        if route.guard == .operator || route.guard == .socket { return .operator }
        if PeopleIsolationTests.probes.contains("\(route.method.name) \(route.pattern)") { return .person }
        return probes["\(route.method.name) \(route.pattern)"]
    }

    /// Routes that nobody has thought about.
    private static func unknown(in routes: [Route]) -> [String] {
        routes.filter { probe(of: $0) == nil }.map { "\($0.method.name) \($0.pattern)" }
    }

    // MARK: The walk

    /// Walks all routes as the thief; each line names a route and what it gave away.
    private func violations(in world: TwoTenants) throws -> [String] {
        let before = try world.everythingOfTheVictim()
        var found = Self.unknown(in: world.house.routes).map { "\($0): not covered" }
        for route in world.house.routes.sorted(by: { Self.rank($0) < Self.rank($1) }) {
            guard let probe = Self.probe(of: route) else { continue }
            found += try walk(route, probe, in: world, as: world.thief.key)
            if route.guard.takesSessions { found += try walk(route, probe, in: world, as: world.thief.token) }
        }
        if try world.everythingOfTheVictim() != before { found.append("the victim's data is not what it was") }
        return found
    }

    /// What destroys comes last, and what destroys most at the very end: on a server with a fault, one route's harm must not
    /// hide another's.
    private static func rank(_ route: Route) -> Int {
        guard route.method == .delete else { return route.method == .get ? 0 : 1 }
        return route.pattern.contains("/nodes") ? 4 : route.pattern.contains("{") ? 2 : 3
    }

    private func walk(
        _ route: Route, _ probe: Probe, in world: TwoTenants, as caller: String
    ) throws -> [String] {
        let foreign = world.victim.ids
        switch probe {
        case .shared: return try attempt(route, in: world, as: caller, path: route.pattern)
        case .person: return []
        case .operator: return try operatorSees(route, in: world)
        case .object(let body, let upload):
            return try foreign.flatMap { _, id in
                try attempt(
                    route, in: world, as: caller, path: route.pattern.replacingParameters(with: id), body: body,
                    upload: upload, mustBeAbsent: true)
            }
        case .feed(let query):
            return try attempt(route, in: world, as: caller, path: "\(route.pattern)?\(query)")
        case .own(let queries, let body, let upload):
            let paths = [route.pattern] + queries.map { "\(route.pattern)?\($0)" }
            return try paths.flatMap { path in
                try foreign.flatMap { _, id in
                    try attempt(
                        route, in: world, as: caller, path: path.replacing("ID", with: id), body: body,
                        upload: upload)
                }
            }
        case .reference(let body):
            return try foreign.flatMap { _, id in
                try attempt(
                    route, in: world, as: caller, path: route.pattern, body: body.replacing("ID", with: id),
                    mustBeAbsent: true)
            }
        }
    }

    /// One call with the thief's key or session. The answer may hold nothing of the victim's but the id that the call itself named.
    private func attempt(
        _ route: Route, in world: TwoTenants, as caller: String, path: String, body: String? = nil,
        upload: Bool = false,
        mustBeAbsent: Bool = false
    ) throws -> [String] {
        let (thief, victim) = (world.thief, world.victim)
        let answer =
            upload
            ? try world.house.call(
                route.method, path, key: caller, fields: ["content-type": "multipart/form-data; boundary=xYz"],
                body: TwoTenants.form(thief.marker), isTyped: true)
            : try world.house.call(route.method, path, key: caller, body: body ?? "")
        let name = "\(route.method.name) \(route.pattern)"
        let text = String(decoding: answer.body, as: UTF8.self)
        var found: [String] = []
        if mustBeAbsent, answer.status != 404 { found.append("\(name): \(answer.status) for a foreign object") }
        if answer.status >= 500 { found.append("\(name): \(answer.status)") }
        if text.contains(victim.marker) { found.append("\(name): shows the victim's words") }
        // The thief's own records say which key it tried to reach: an id is no secret, and nothing is erased with it.
        let isOwnRecord = ["/v1/audit", "/v1/refusals", "/v1/account/export"].contains(route.pattern)
        for (kind, id) in victim.ids
        where text.contains(id) && !path.contains(id) && body?.contains(id) != true && !(isOwnRecord && kind == "key") {
            found.append("\(name): shows the victim's \(kind)")
        }
        return found
    }

    /// The operator's lists show ids, sizes and times, and no content. (Break-glass is the one way to content, and is not
    /// read here: it writes.)
    private func operatorSees(_ route: Route, in world: TwoTenants) throws -> [String] {
        guard route.method == .get else { return [] }
        let victim = world.victim
        return ([victim.tenant] + victim.ids.map(\.id)).flatMap { id -> [String] in
            let path = route.pattern.replacingParameters(with: id)
            let paths = [path, "\(path)?tenant=\(victim.tenant)"]
            return paths.compactMap { path in
                guard let answer = try? world.client.call(.get, path) else { return nil }
                let text = String(decoding: answer.serialized(), as: UTF8.self)
                return text.contains(victim.marker) ? "GET \(route.pattern): shows content to the operator" : nil
            }
        }
    }

    // MARK: Proofs

    @Test func `no route takes one tenant to another's data`() throws {
        let world = try TwoTenants()
        let found = try violations(in: world)
        #expect(found == [])
        // The thief's own things answer where the victim's do not: the walk above was not refused for another reason.
        for path in ["/v1/nodes/\(world.thief.node)", "/v1/files/\(world.thief.file)/content"] {
            let answer = try world.house.call(.get, path, key: world.thief.key)
            #expect(answer.status == 200 && String(decoding: answer.body, as: UTF8.self).contains(world.thief.marker))
        }
    }

    @Test func `a store that opens the wrong tenant's database is found, route by route`() throws {
        let confusion = Confusion()
        let world = try TwoTenants { section, roles in
            guard section == "store", let tenants = roles.tenants else { return }
            roles.tenants = ConfusedStore(honest: tenants) { tenant in
                confusion.swap.withLock { $0.flatMap { $0.from == tenant ? $0.to : nil } }
            }
        }
        let (victim, thief) = (world.victim.tenant, world.thief.tenant)
        let ids = try [victim, thief].map {
            try #require(world.client.call(.get, "/admin/v1/tenants/\($0)")["id"]?.string)
        }
        confusion.swap.withLock { $0 = (from: TenantID(ids[1]), to: TenantID(ids[0])) }
        let found = try violations(in: world)
        for name in [
            "GET /v1/nodes", "GET /v1/threads/{id}/messages", "GET /v1/files/{id}/content", "DELETE /v1/threads/{id}",
        ] {
            #expect(found.contains { $0.hasPrefix("\(name):") }, "\(name) is not named")
        }
        #expect(found.contains("the victim's data is not what it was"))
    }

    @Test func `every row of the table is a route of the server`() throws {
        let routes = Set(try TwoTenants().house.routes.map { "\($0.method.name) \($0.pattern)" })
        #expect(Self.probes.keys.filter { !routes.contains($0) } == [])
    }

    @Test func `a route that is not in the table is named`() {
        let route = Route(.get, "/v1/new/{id}", guard: .key(.chat), summary: "new") { _ throws(Failure) in .json([:]) }
        #expect(Self.unknown(in: [route]) == ["GET /v1/new/{id}"])
    }
}

/// Which tenant is taken for which, once it is said.
private final class Confusion: Sendable {
    let swap = Monitor<(from: TenantID, to: TenantID)?>(nil)
}

/// A store with a fault: it gives one tenant another's database.
struct ConfusedStore: TenantStore {
    let honest: any TenantStore
    /// Whose database a tenant gets in the place of its own; nil for its own.
    let other: @Sendable (TenantID) -> TenantID?

    func database(of principal: Principal?) throws(Failure) -> any TenantDatabase {
        if let tenant = principal?.tenant, let other = other(tenant) {
            return try honest.database(of: other, actor: "confusion")
        }
        return try honest.database(of: principal)
    }

    func database(of tenant: TenantID, actor: String) throws(Failure) -> any TenantDatabase {
        try honest.database(of: tenant, actor: actor)
    }

    func register(_ migrations: SQLiteMigrations) throws(StartFailure) { try honest.register(migrations) }

    func onRestore(_ body: @escaping @Sendable (any TenantTransaction) throws(SQLiteError) -> Void) {
        honest.onRestore(body)
    }

    func onKeyRenewal(_ renewal: ContentRenewal) { honest.onKeyRenewal(renewal) }
    func onDeletion(_ body: @escaping @Sendable (TenantID) async -> Void) { honest.onDeletion(body) }
}
