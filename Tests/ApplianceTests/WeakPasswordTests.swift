// SPDX-License-Identifier: Apache-2.0

import HTTP
import JSON
import Testing

@testable import Appliance
@testable import Auth

/// Row W5: passwords that everybody has are refused, in whatever dress, while nobody outside can be asked. The proof fails on a
/// server that knows none of them, and on one that looks them up as they were typed.
@Suite(.serialized) struct WeakPasswordTests {
    /// Where nobody answers.
    private static let configuration = House.configuration.replacing(
        "[auth]", with: "[auth]\nleaked_passwords = \"http://127.0.0.1:9/range\"")

    private static let passwords = ["P@ssw0rd", "P@ssw0rd2024", "password1234", "TrustNo1!!!!", "qwertyuiop12"]

    /// What each password is answered.
    private func answers(_ house: House) throws -> [String: String] {
        let client = AdminClient(socketPath: try #require(house.socketPath))
        _ = try client.call(.post, "/admin/v1/tenants", body: ["name": "acme"])
        var answers: [String: String] = [:]
        for (index, password) in Self.passwords.enumerated() {
            let made = try client.call(
                .post, "/admin/v1/users?tenant=acme",
                body: ["email": .string("person\(index)@acme.example"), "role": "member"])
            let token = try #require(made["invitation"]?["token"]?.string)
            let answer = try house.call(
                .post, "/auth/redeem", body: #"{"token":"\#(token)","password":"\#(password)"}"#)
            answers[password] = answer.code ?? "\(answer.status)"
        }
        return answers
    }

    private func house(_ common: (@Sendable () -> CommonPasswords)? = nil) throws -> House {
        try House(
            Self.configuration,
            altering: { _, roles in if let common { roles.logins.commonPasswords = common } })
    }

    @Test func `what everybody has is refused with nobody to ask, in whatever dress`() throws {
        let found = try answers(house())
        for password in Self.passwords { #expect(found[password] == "leaked_password", "\(password)") }
    }

    @Test func `a server that knows none of them is found, and one that looks them up as they were typed`() throws {
        // Each byte is taken for one that no word has.
        let none = try answers(house { CommonPasswords { _ in 0 } })
        // Too short is too short on any server.
        #expect(none["P@ssw0rd"] == "invalid_parameter")
        for password in Self.passwords.dropFirst() { #expect(none[password] == "200", "\(password)") }
        let typed = try answers(house { CommonPasswords { $0 } })
        #expect(typed["P@ssw0rd2024"] == "200" && typed["TrustNo1!!!!"] == "200")
    }
}
