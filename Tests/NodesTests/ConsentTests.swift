// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite
import Support
import Testing

@testable import Nodes

@Suite struct ConsentTests {
    private func code(_ body: () throws -> Void) -> ErrorCode? {
        do {
            try body()
            return nil
        } catch {
            return (error as? Failure)?.code
        }
    }

    @Test func `nothing is kept before, everything after, and nothing from the withdrawal on`() throws {
        let house = try TestHouse(consents: [])
        #expect(code { _ = try house.thread() } == .consentRequired)
        #expect(try house.tenant.count("SELECT count(*) FROM nodes_threads") == 0)
        #expect(house.tenant.keys.isEmpty)
        try house.grant(.threads)
        let id = try house.thread()
        try house.append(["kept"], to: id)
        try house.withdraw(.threads)
        #expect(code { try house.append(["not kept"], to: id) } == .consentRequired)
        #expect(code { _ = try house.thread() } == .consentRequired)
        // What was kept with consent is still the tenant's, to read and to delete.
        #expect(try house.texts(of: id) == ["kept"])
    }

    @Test func `a consent is for its own scope`() throws {
        for scope in ConsentScope.allCases where scope != .threads {
            let house = try TestHouse(consents: [scope])
            #expect(code { _ = try house.thread() } == .consentRequired, "\(scope)")
        }
    }

    @Test func `every grant and withdrawal is written down, with who, when and which text`() throws {
        let house = try TestHouse(consents: [])
        let start = house.now
        try house.grant(.threads)
        try house.grant(.threads)
        house.now = start + .seconds(1)
        try house.withdraw(.threads)
        try house.withdraw(.threads)
        house.now = start + .seconds(2)
        let now = house.now
        try house.tenant.run { transaction throws(SQLiteError) in
            try ConsentBook().grant(.threads, text: "2", by: "usr_1", at: now, in: transaction)
            try ConsentBook().grant(.threads, text: "3", by: "usr_2", at: now + .seconds(1), in: transaction)
        }
        let history = try house.tenant.run { transaction throws(SQLiteError) in
            try ConsentBook().history(of: .threads, in: transaction, max: 10)
        }
        #expect(
            history == [
                Consent(scope: .threads, textVersion: "3", grantedBy: "usr_2", grantedAt: start + .seconds(3)),
                Consent(
                    scope: .threads, textVersion: "2", grantedBy: "usr_1", grantedAt: start + .seconds(2),
                    withdrawnBy: "usr_2", withdrawnAt: start + .seconds(3)),
                Consent(
                    scope: .threads, textVersion: "1", grantedBy: "uid:0", grantedAt: start, withdrawnBy: "uid:0",
                    withdrawnAt: start + .seconds(1)),
            ])
        #expect(try house.tenant.count("SELECT count(*) FROM nodes_consents") == 5)
    }

    @Test(arguments: ["UPDATE nodes_consents SET actor = 'x'", "DELETE FROM nodes_consents"])
    func `the history cannot be changed`(_ sql: String) throws {
        let house = try TestHouse()
        #expect(throws: DatabaseFailure.self) {
            try house.tenant.run { transaction throws(SQLiteError) in try transaction.connection.execute(sql) }
        }
        #expect(try house.tenant.count("SELECT count(*) FROM nodes_consents") == 2)
    }
}
