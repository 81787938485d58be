// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform
import Testing

@testable import Appliance
@testable import Auth

/// Row W4: a session is looked up with each request, so that one that has ended opens nothing from the next one on; each refresh
/// token works once, and one that comes back ends the family. Each proof fails on a server without what it proves.
@Suite(.serialized) struct SessionEndTests {
    private static let configuration = House.configuration.replacing(
        "requests_per_hour = 20", with: "requests_per_hour = 1000000\nunauthenticated = []")

    /// Two sessions of one person, and who else can end them.
    private struct World {
        let house: House
        let first: PeopleDesk.Person
        let second: PeopleDesk.Person
        let owner: PeopleDesk.Person

        /// A request of somebody that has to be answered as it should be.
        func call(
            _ method: HTTP.Method, _ path: String, _ who: PeopleDesk.Person, _ body: String = "", status: Int = 200
        ) throws {
            let answer = try house.call(method, path, key: who.token, body: body)
            try #require(answer.status == status, "\(path): \(String(decoding: answer.body, as: UTF8.self))")
        }

        func refresh(_ token: String) throws -> House.Answer {
            try house.call(.post, "/auth/refresh", body: #"{"refresh_token":"\#(token)"}"#)
        }

        func act(_ method: HTTP.Method, _ path: String, _ body: JSONValue? = nil) throws {
            _ = try AdminClient(socketPath: #require(house.socketPath)).call(method, path, body: body)
        }
    }

    /// A way in which the first session ends.
    private struct Way: Sendable {
        let name: String
        let go: @Sendable (World) throws -> Void
    }

    private static let ways = [
        Way(name: "logout") { try $0.call(.post, "/auth/logout", $0.first) },
        Way(name: "ended elsewhere") { try $0.call(.delete, "/auth/sessions/\($0.first.session)", $0.second) },
        Way(name: "all others ended") { try $0.call(.delete, "/auth/sessions", $0.second) },
        Way(name: "password changed") {
            let password = PeopleDesk.password
            try $0.call(
                .post, "/auth/password", $0.second, #"{"password":"\#(password)","new_password":"\#(password) too"}"#)
        },
        Way(name: "second factor set up") {
            _ = try SecondFactor($0.house, $0.second)
        },
        Way(name: "a used refresh token came back") {
            var token = $0.first.refresh
            for _ in 0..<2 { token = try #require(try $0.refresh(token).json?["refresh_token"]?.string) }
            try #require(try $0.refresh($0.first.refresh).code == "invalid_session")
        },
        Way(name: "removed by the owner") { try $0.call(.delete, "/v1/people/\($0.first.id)", $0.owner) },
        Way(name: "disabled by the operator") {
            try $0.act(.patch, "/admin/v1/users/\($0.first.id)?tenant=acme", ["disabled": true])
        },
    ]

    /// The ways after which the session still opens something.
    private func open(_ house: House) throws -> [String] {
        let desk = try PeopleDesk(house)
        let owner = try desk.owner(of: "acme")
        var open: [String] = []
        for (index, way) in Self.ways.enumerated() {
            let first = try desk.person("person\(index)@acme.example", role: "admin", of: "acme")
            let world = World(
                house: house, first: first, second: try PeopleDesk.login(house, first.email), owner: owner)
            try world.call(.get, "/v1/limits", first)
            try way.go(world)
            let then = try house.call(.get, "/v1/limits", key: first.token)
            if then.status == 200 {
                open.append(way.name)
            } else {
                #expect(then.code == "invalid_session", "\(way.name)")
            }
        }
        return open
    }

    @Test func `a session that was ended, in whatever way, opens nothing with the next request`() throws {
        #expect(try open(House(Self.configuration)) == [])
    }

    @Test func `on a server that believes the token every way is found open`() throws {
        #expect(try open(.careless(Self.configuration, RememberingStage.init)) == Self.ways.map(\.name))
    }

    // MARK: Refresh

    /// A server on which a refresh token that was used comes to something else.
    private func house(_ step: LoginRules.RefreshStep? = nil) throws -> World {
        let house = try House(
            Self.configuration, altering: { _, roles in if let step { roles.logins.refreshStep = step } })
        let person = try PeopleDesk(house).owner(of: "acme")
        return World(house: house, first: person, second: person, owner: person)
    }

    /// What a thief gets with a refresh token of long ago, and then the person.
    private func stolen(_ world: World) throws -> [Int] {
        let first = try #require(try world.refresh(world.first.refresh).json?["refresh_token"]?.string)
        let second = try #require(try world.refresh(first).json?["refresh_token"]?.string)
        return [
            try world.refresh(world.first.refresh).status, try world.refresh(second).status,
            try world.house.call(.get, "/auth/session", key: world.first.token).status,
        ]
    }

    @Test func `a stolen refresh token ends the family, and a server that does not notice is found`() throws {
        #expect(try stolen(house()) == [401, 401, 401])
        let careless = try house { session, presented, idle, now in
            presented < session.generation ? .again : session.refresh(presented, idle: idle, at: now)
        }
        #expect(try stolen(careless) == [200, 200, 200])
    }

    /// What two tabs get that refresh at the same moment, and then the person.
    private func race(_ world: World) throws -> [Int] {
        let (first, second) = (try world.refresh(world.first.refresh), try world.refresh(world.first.refresh))
        let token = try #require(first.json?["access_token"]?.string)
        return [first.status, second.status, try world.house.call(.get, "/auth/session", key: token).status]
    }

    @Test func `two refreshes in a race leave the person logged in, and a server that calls it theft is found`() throws
    {
        #expect(try race(house()) == [200, 200, 200])
        let strict = try house { session, presented, idle, now in
            presented < session.generation ? .reuse : session.refresh(presented, idle: idle, at: now)
        }
        #expect(try race(strict) == [200, 401, 401])
    }
}
