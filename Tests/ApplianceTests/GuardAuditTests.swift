// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Testing

@testable import Appliance

/// Row W3: every route of the running server is tried, and what is tried is what there is.
@Suite(.serialized) struct GuardAuditTests {
    private static let configuration = House.configuration.replacing(
        "requests_per_hour = 20", with: "requests_per_hour = 1000000\nunauthenticated = []")

    private struct World {
        let house: House
        let audit: GuardAudit
        let line: House.Line
        /// The routes as they are served.
        let known: Set<String>

        init(rerouting: @escaping ([Route]) -> [Route] = { $0 }) throws {
            let house = try House(GuardAuditTests.configuration, rerouting: rerouting)
            self.house = house
            let line = try House.Line(house)
            self.line = line
            let credentials = try AdminClient(socketPath: #require(house.socketPath))
                .call(.post, "/admin/v1/guard-probes")
            audit = GuardAudit(credentials: credentials) { method, path, key throws(CommandFailure) in
                let hasBody = [.post, .put, .patch].contains(method)
                do {
                    let answer = try line.call(method, path, key: key, body: hasBody ? "{}" : "")
                    return GuardAudit.Answer(status: answer.status, body: answer.json)
                } catch {
                    throw CommandFailure("\(method.name) \(path): \(error)")
                }
            }
            known = Set(house.routes.map { "\($0.method.name) \(OpenAPI.path(of: $0.pattern))" })
        }
    }

    /// A copy of a route with another guard.
    private static func copy(_ route: Route, _ guard: RouteGuard) -> Route {
        Route(
            route.method, route.pattern, guard: `guard`, shape: route.shape, summary: route.summary,
            requestBody: route.requestBody, handler: route.handler)
    }

    private static func rerouting(_ pattern: String, _ method: HTTP.Method, _ guard: RouteGuard) -> ([Route]) -> [Route]
    {
        { routes in routes.map { $0.pattern == pattern && $0.method == method ? copy($0, `guard`) : $0 } }
    }

    @Test func `routes, described and probed are the same, and every guard holds`() throws {
        let world = try World()
        let report = try world.audit.run(known: world.known)
        #expect(report.findings == [])
        #expect(report.operations.count == world.house.routes.count)
        #expect(report.probed == world.known)
        #expect(report.probes > 10 * report.operations.count)
        // Whoever opens a route to everybody has to say so here, too.
        let open: Set<String> = [
            "GET /livez", "GET /readyz", "GET /openapi.json", "POST /v1/keys/exposed", "GET /security",
            "GET /security.json", "GET /docs", "GET /docs/{page}", "GET /docs/style.css",
        ]
        #expect(
            Set(report.open).subtracting(open).filter { !$0.contains(" /auth/") && !$0.contains(" /.well-known/") }
                == [])
    }

    @Test(arguments: [
        ("/v1/nodes", HTTP.Method.get, RouteGuard.public(why: "a test left its guard out")),
        ("/v1/chat/completions", .post, .anyKeyOrSession(.member)), ("/v1/keys/{id}", .delete, .key(.chat)),
        ("/admin/v1/tenants", .get, .anyKeyOrSession(.member)), ("/v1/usage", .get, .operator),
        ("/v1/audit", .get, .keyOrSession(.auditRead, .member)), ("/v1/people/{id}", .delete, .session(.owner)),
    ])
    func `a guard that is missing or wrong is named, and no other`(
        _ pattern: String, _ method: HTTP.Method, _ guard: RouteGuard
    ) throws {
        let world = try World(rerouting: Self.rerouting(pattern, method, `guard`))
        let findings = try world.audit.run(known: world.known).findings
        #expect(!findings.isEmpty)
        #expect(findings.filter { !$0.hasPrefix("\(method.name) \(pattern): ") } == [])
    }

    @Test func `a route that is served and not described is named, and one that is described and gone`() throws {
        let hidden = Route(.get, "/v1/hidden", guard: .anyKeyOrSession(.member), summary: "x") { _ throws(Failure) in
            .json([:])
        }
        let world = try World { routes in routes.filter { $0.pattern != "/v1/limits" } + [hidden] }
        let findings = try world.audit.run(known: world.known).findings
        #expect(findings.contains("GET /v1/hidden: is served and not described"))
        #expect(findings.contains("GET /v1/limits: is described and not known"))
    }

    /// The matrix: every route that is not public, with a key of each scope alone, and with a session of each role. What
    /// opens what is made of the guards as they are registered; what does, is asked of the server.
    @Test func `a key opens the routes of its scopes, a session those of its role, and no other`() throws {
        let world = try World()
        let credentials = world.audit.credentials
        var spares = try #require(credentials["sessions"]?["spare"]?.array).makeIterator()
        var (opened, refused) = (0, 0)
        for route in world.house.routes {
            if case .public = route.guard { continue }
            // Its own kind of caller alone would get in, and does what it does (GuardTests).
            if route.guard == .operator || route.guard == .socket { continue }
            let path = GuardAudit.Operation(method: route.method, path: OpenAPI.path(of: route.pattern), guard: "")
                .path(with: "key_01JD0000000000000000000000")
            func check(_ who: String, _ credential: String?, mayOpen: Bool) throws {
                let text: String = try #require(credential)
                let answer = try world.audit.call(route.method, path, text)
                #expect(answer.isOpen == mayOpen, "\(route.method.name) \(path) (\(route.guard.name)) to \(who)")
                if answer.isOpen { opened += 1 } else { refused += 1 }
            }
            for scope in Scope.allCases {
                let key = credentials["only"]?[scope.rawValue]?.string
                try check(scope.rawValue, key, mayOpen: Self.opens(route.guard, to: scope))
            }
            for role in Role.allCases {
                let isOwnAccount = route.guard == .anySession
                let token = isOwnAccount ? spares.next()?.string : credentials["sessions"]?[role.rawValue]?.string
                try check(role.rawValue, token, mayOpen: isOwnAccount || Self.opens(route.guard, to: role))
                if isOwnAccount { break }
            }
        }
        #expect(opened > 150 && refused > 700)
    }

    private static func opens(_ guard: RouteGuard, to scope: Scope) -> Bool {
        switch `guard` {
        case .key(let wanted), .keyOrSession(let wanted, _): wanted == scope
        case .anyKeyOrSession: true
        default: false
        }
    }

    private static func opens(_ guard: RouteGuard, to role: Role) -> Bool {
        switch `guard` {
        case .session(let least), .keyOrSession(_, let least), .anyKeyOrSession(let least): role >= least
        default: false
        }
    }

    @Test func `the credentials of an audit end with it`() throws {
        let world = try World()
        let key = try #require(world.audit.credentials["all"]?.string)
        #expect(try world.house.call(.get, "/v1/models", key: key).status == 200)
        let client = AdminClient(socketPath: try #require(world.house.socketPath))
        _ = try client.call(.delete, "/admin/v1/guard-probes")
        #expect(try world.house.call(.get, "/v1/models", key: key).status == 401)
        let left = try client.call(.get, "/admin/v1/tenants")["data"]?.array ?? []
        #expect(left.allSatisfy { $0["name"]?.string?.hasPrefix("guard-probe") == false })
        // Over the network nobody is given any.
        #expect(try world.house.call(.post, "/admin/v1/guard-probes", key: world.house.key, body: "{}").status == 403)
    }
}
