// SPDX-License-Identifier: Apache-2.0

import Auth
import Core
import Crypto
import HTTP
import SQLite
import Support
import Testing

@testable import Appliance

/// A password is hashed anew, at today's cost, when its owner logs in; and today's cost is no setting.
@Suite(.serialized) struct RehashTests {
    /// The cost that stands in a person's row.
    private static func cost(of person: PeopleDesk.Person, _ tenant: String, in house: House) throws -> String {
        let id = try #require(house.roles.directory?.find(tenant)?.id)
        let database = try #require(house.roles.tenants).database(of: id, actor: "test")
        let user = person.id
        let text = try onLoop { _ in
            try await database.look { transaction throws(SQLiteError) in
                .success(
                    try transaction.connection.first("SELECT password FROM auth_people WHERE id = ?", user) {
                        row throws(SQLiteError) in try row.text(0)
                    })
            }
        }
        return try #require(text?.split(separator: "$").dropFirst().first.map(String.init))
    }

    @Test func `a hash of another cost is made anew at the next log-in that is right`() throws {
        let directory = try TemporaryDirectory()
        let person = try {
            let house = try House(in: directory)
            let person = try PeopleDesk(house).owner(of: "acme")
            #expect(try Self.cost(of: person, "acme", in: house) == "ln=10,r=8,p=1")
            return person
        }()
        let house = try House(in: directory, passwordCost: Scrypt(cost: 1 << 11, blockSize: 8, parallelism: 1))
        let wrong = try house.call(
            .post, "/auth/login", body: #"{"email":"\#(person.email)","password":"not this one at all"}"#)
        #expect(wrong.code == "invalid_login")
        #expect(try Self.cost(of: person, "acme", in: house) == "ln=10,r=8,p=1")
        for _ in 0..<2 {
            _ = try PeopleDesk.login(house, person.email)
            #expect(try Self.cost(of: person, "acme", in: house) == "ln=11,r=8,p=1")
        }
    }

    @Test func `what is composed without a test is what OWASP asks for`() throws {
        let house = try House(passwordCost: nil)
        #expect(house.roles.logins.passwordCost == .passwords)
    }
}
