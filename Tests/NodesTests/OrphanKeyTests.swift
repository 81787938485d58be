// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite
import Support
import Testing

@testable import Nodes

@Suite struct OrphanKeyTests {
    private func makeKeys(_ objects: [ObjectID], in house: TestHouse) throws {
        try house.tenant.run { transaction throws(SQLiteError) in
            for object in objects { try transaction.createKey(of: object) }
        }
    }

    private func sweepKeys(in house: TestHouse) async throws { try await house.sweeper.sweepKeys(of: house.tenant) }

    @Test func `a key whose object never came to be goes after a week, and no other`() async throws {
        let house = try TestHouse()
        let thread = ObjectID(try house.thread(node: house.node("a")))
        let orphans = [
            ObjectID(ULID.make(prefix: ThreadRecord.prefix, at: house.now)),
            ObjectID(ULID.make(prefix: FileRecord.prefix, at: house.now)),
            ObjectID(ULID.make(prefix: NodeRecord.prefix, at: house.now)),
        ]
        // Another module's, and what has no such id.
        let foreign = [ObjectID(ULID.make(prefix: "mem_", at: house.now)), ObjectID("thr_1")]
        try makeKeys(orphans + foreign, in: house)
        let all = house.tenant.keys
        #expect(all.count == 7)

        house.now = house.now + OrphanKeys.age - .seconds(1)
        try await sweepKeys(in: house)
        #expect(house.tenant.keys == all)
        // The next round begins a day later.
        house.now = house.now + .seconds(2)
        try await sweepKeys(in: house)
        #expect(house.tenant.keys == all)
        house.now = house.now + KeyRounds.interval
        try await sweepKeys(in: house)
        #expect(house.tenant.keys == all.subtracting(orphans))
        #expect(house.tenant.keys.contains(thread))
    }

    @Test func `many keys are looked through in steps`() async throws {
        let house = try TestHouse()
        let orphans = (0..<OrphanKeys.perStep + 10).map { _ in
            ObjectID(ULID.make(prefix: ThreadRecord.prefix, at: house.now))
        }
        try makeKeys(orphans, in: house)
        house.now = house.now + OrphanKeys.age + .seconds(1)
        try await sweepKeys(in: house)
        #expect(house.tenant.keys.count == 10)
        try await sweepKeys(in: house)
        #expect(house.tenant.keys.isEmpty)
    }
}
