// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Crypto
import HTTP
import JSON
import Platform
import SQLite
import Support
import Testing

@testable import Appliance
@testable import Auth

/// Row W6: a code works once, also at the same moment; wrong ones lock; codes are kept as digests; and no account is deleted
/// without one. Each proof fails on a server without what it proves.
@Suite(.serialized) struct SecondFactorTests {
    private static let configuration = House.configuration.replacing(
        "requests_per_hour = 20", with: "requests_per_hour = 1000000\nunauthenticated = []")

    /// A server on which nobody is stopped for trying often, so that what is tried is the code itself.
    private func patient() throws -> House {
        try House(
            Self.configuration,
            altering: { _, roles in (roles.logins.wrongTriesMax, roles.logins.wrongCodesMax) = (1000, 1000) })
    }

    private func login(_ person: PeopleDesk.Person, _ more: (name: String, value: String)) -> JSONValue {
        ["email": .string(person.email), "password": .string(PeopleDesk.password), more.name: .string(more.value)]
    }

    /// Runs SQL in the database of a tenant.
    private func alter(_ house: House, _ tenant: String, _ sql: [String]) throws {
        let id = try #require(house.roles.directory?.find(tenant)?.id)
        let database = try #require(house.roles.tenants).database(of: id, actor: "test")
        try onLoop { _ in
            try await database.change { transaction throws(SQLiteError) -> Verdict<Bool> in
                for statement in sql { try transaction.connection.execute(statement) }
                return .success(true)
            }
        }
    }

    /// A server that forgets which codes were used.
    private static let forgetting = [
        """
        CREATE TRIGGER forget_step AFTER UPDATE ON auth_people WHEN new.totp_step <> 0
        BEGIN UPDATE auth_people SET totp_step = 0 WHERE id = new.id; END
        """,
        """
        CREATE TRIGGER forget_code AFTER DELETE ON auth_recovery_codes
        BEGIN INSERT INTO auth_recovery_codes VALUES (old.person_id, old.digest); END
        """,
    ]

    /// How many of twenty at once get in with one code, and with one recovery code.
    private func winners(_ house: House, _ sql: [String]) throws -> [Int] {
        let person = try PeopleDesk(house).owner(of: "acme")
        let factor = try SecondFactor(house, person)
        try alter(house, "acme", sql)
        return try [("totp", try factor.code(after: 1)), ("recovery_code", factor.recovery[0])].map { proof in
            let statuses = try house.statuses(20, "/auth/login", key: "none", body: login(person, proof))
            // So many were looked at as may be under way from one place.
            let (tried, entered) = (statuses.count { $0 != 429 }, statuses.count { $0 == 200 })
            #expect(tried >= 8, "\(statuses)")
            return entered
        }
    }

    @Test func `of twenty at once with one code one gets in, and a server that forgets is found`() throws {
        #expect(try winners(patient(), []) == [1, 1])
        let found = try winners(patient(), Self.forgetting)
        #expect(found.allSatisfy { $0 > 1 }, "\(found)")
    }

    /// What a right code is answered behind ten wrong ones.
    private func behindWrongOnes(_ house: House) throws -> String? {
        let person = try PeopleDesk(house).owner(of: "acme")
        let factor = try SecondFactor(house, person)
        func attempt(_ code: String) throws -> House.Answer {
            let body = String(decoding: login(person, ("totp", code)).serialized(), as: UTF8.self)
            return try house.call(.post, "/auth/login", body: body)
        }
        for _ in 0..<10 { _ = try attempt("000000") }
        return try attempt(factor.code(after: 1)).code
    }

    @Test func `wrong codes lock, and a server that does not count is found`() throws {
        let counting = try House(Self.configuration, altering: { _, roles in roles.logins.wrongTriesMax = 1000 })
        #expect(try behindWrongOnes(counting) == "locked")
        #expect(try behindWrongOnes(patient()) == nil)
    }

    /// What of a person's codes can be read in its tenant's database once that is unsealed.
    private func readable(_ house: House, _ factor: SecondFactor) throws -> [String] {
        let id = try #require(house.roles.directory?.find("acme")?.id)
        let database = try #require(house.roles.tenants).database(of: id, actor: "test")
        let rows = try onLoop { _ in
            try await database.look { transaction throws(SQLiteError) in
                .success(
                    try transaction.connection.query(
                        """
                        SELECT hex(password) || ' ' || hex(totp_secret) || ' ' || coalesce(hex(name), '') FROM auth_people
                        UNION ALL SELECT hex(digest) FROM auth_recovery_codes
                        """
                    ) { row throws(SQLiteError) in try row.text(0) })
            }
        }
        let text = rows.joined(separator: " ").lowercased()
        var wanted = [("secret", Base32.decode(factor.secret) ?? []), ("secret as text", Array(factor.secret.utf8))]
        wanted.append(("password", Array(PeopleDesk.password.utf8)))
        for code in factor.recovery {
            wanted.append((code, Base32.decode(code.replacing("-", with: "")) ?? []))
            wanted.append((code, Array(code.utf8)))
        }
        return wanted.filter { text.contains(Hex.encode($0.1).lowercased()) }.map(\.0)
    }

    @Test func `no code, secret or password can be read in the database, and one that could is found`() throws {
        let house = try House(Self.configuration)
        let factor = try SecondFactor(house, PeopleDesk(house).owner(of: "acme"))
        #expect(try readable(house, factor) == [])
        try alter(house, "acme", ["UPDATE auth_people SET name = '\(factor.recovery[3])'"])
        #expect(try readable(house, factor) == [factor.recovery[3]])
    }

    /// How the owner's wish to delete everything is answered, and whether the account is there still.
    private func deletion(_ house: House, _ person: PeopleDesk.Person, _ more: JSONObject = [:]) throws -> String {
        var body: JSONObject = ["password": .string(PeopleDesk.password), "confirm": "acme"]
        for (name, value) in more.members { body[name] = value }
        let answer = try house.call(
            .delete, "/v1/account", key: person.token,
            body: String(decoding: JSONValue.object(body).serialized(), as: UTF8.self))
        return "\(answer.status) \(house.roles.directory?.find("acme") == nil ? "gone" : "there")"
    }

    @Test func `no account is deleted without a code, and a server that does not ask is found`() throws {
        let house = try House(Self.configuration)
        let person = try PeopleDesk(house).owner(of: "acme")
        #expect(try deletion(house, person) == "403 there")
        let factor = try SecondFactor(house, person)
        #expect(try deletion(house, person) == "403 there")
        #expect(try deletion(house, person, ["totp": "000000"]) == "401 there")
        #expect(try deletion(house, person, ["totp": .string(factor.code(after: 1))]) == "200 gone")

        let directory = Monitor<(any TenantDirectory)?>(nil)
        let careless = try House(
            Self.configuration,
            rerouting: { routes in
                routes.map { route in
                    guard route.method == .delete, route.pattern == "/v1/account" else { return route }
                    return Route(.delete, "/v1/account", guard: route.guard, summary: "x") { exchange throws(Failure) in
                        guard let tenant = exchange.principal?.tenant else { throw Failure.absent }
                        try await directory.withLock { $0 }?.delete(tenant)
                        return .json([:])
                    }
                }
            })
        directory.withLock { $0 = careless.roles.directory }
        #expect(try deletion(careless, PeopleDesk(careless).owner(of: "acme")) == "200 gone")
    }
}

/// A second factor that was set up as an app does.
struct SecondFactor {
    let secret: String
    let recovery: [String]

    init(_ house: House, _ person: PeopleDesk.Person) throws {
        let offered = try house.call(
            .post, "/auth/totp/enroll", key: person.token, body: #"{"password":"\#(PeopleDesk.password)"}"#)
        secret = try #require(offered.json?["secret"]?.string, "\(offered.code ?? "")")
        let code = try Self.code(secret, after: 0)
        let confirmed = try house.call(.post, "/auth/totp/confirm", key: person.token, body: #"{"totp":"\#(code)"}"#)
        recovery = (confirmed.json?["recovery_codes"]?.array ?? []).compactMap(\.string)
        try #require(recovery.count == 10, "\(confirmed.code ?? "")")
    }

    /// The code so many steps behind the present one: the next is taken already, and not used yet.
    func code(after steps: Int) throws -> String { try Self.code(secret, after: steps) }

    private static func code(_ secret: String, after steps: Int) throws -> String {
        let bytes = try #require(Base32.decode(secret))
        return try OneTimeCode.code(SecretBytes(copying: bytes.span), step: OneTimeCode.step(at: .now()) + steps)
    }
}
