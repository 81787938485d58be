// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import Support
import Testing

@testable import Limiter

@Suite struct StrikeTests {
    private let rules = StrikeRules(pointsMax: 100, halfLife: .seconds(600), pause: .seconds(600))
    private let start = WallTime(milliseconds: 1_800_000_000_000)

    /// How many offences at one moment it takes.
    private func count(_ offence: Offence, at now: WallTime, _ score: inout StrikeScore) -> Int {
        for number in 1...10_000 where score.strike(offence, at: now, rules) != nil { return number }
        return 0
    }

    @Test(arguments: [
        (Offence.badCredential, 20), (.malformedRequest, 20), (.probe, 100), (.refusedInput, 10), (.flood, 500),
    ])
    func `so many of them block, and one fewer does not`(offence: Offence, times: Int) {
        var score = StrikeScore(at: start)
        #expect(count(offence, at: start, &score) == times)
        #expect(score.wait(at: start) == .seconds(600))
    }

    @Test func `points fade by half in a half-life, so that who is slow enough is never blocked`() {
        var score = StrikeScore(at: start)
        for _ in 0..<10 { _ = score.strike(.badCredential, at: start, rules) }
        #expect(score.points(at: start, rules) == 50_000)
        #expect(score.points(at: start + .seconds(600), rules) == 25_000)
        // A clock that goes back makes nothing older and nothing younger.
        #expect(score.points(at: start - .seconds(3600), rules) == 50_000)
        var patient = StrikeScore(at: start)
        for number in 0..<10_000 {
            #expect(patient.strike(.badCredential, at: start + .seconds(60 * number), rules) == nil)
        }
    }

    @Test func `a block ends, comes back four times as long within a day, and is forgotten after one`() {
        var score = StrikeScore(at: start)
        var now = start
        var pauses: [Duration] = []
        for _ in 0..<6 {
            _ = count(.refusedInput, at: now, &score)
            let wait = score.wait(at: now) ?? .zero
            pauses.append(wait)
            #expect(score.strike(.refusedInput, at: now, rules) == nil, "a block is not made longer by trying")
            #expect(score.wait(at: now + wait - .milliseconds(1)) != nil && score.wait(at: now + wait) == nil)
            now = now + wait
        }
        #expect(pauses == [600, 2400, 9600, 38_400, 86_400, 86_400].map { .seconds($0) })
        now = now + StrikeRules.memory + .seconds(1)
        #expect(score.isForgettable(at: now, rules))
        _ = count(.refusedInput, at: now, &score)
        #expect(score.wait(at: now) == .seconds(600))
    }

    @Test func `a flood of addresses stays within its bound, and does not wash away who is blocked or nearly so`() {
        let table = StrikeTable(rules)
        let (blocked, near) = (Subject.address(AddressBlock(.v4(1))), Subject.address(AddressBlock(.v4(2))))
        for _ in 0..<20 { _ = table.strike(blocked, of: nil, .badCredential, at: start) }
        for number in 0..<(2 * StrikeTable.shardCount * StrikeTable.scoresPerShardMax) {
            _ = table.strike(.address(AddressBlock(.v4(0x0A00_0000 + UInt32(number)))), of: nil, .probe, at: start)
            if number < 15 { _ = table.strike(near, of: nil, .badCredential, at: start) }
        }
        #expect(table.count <= StrikeTable.shardCount * StrikeTable.scoresPerShardMax)
        #expect(table.isBlocked(blocked, at: start) != nil)
        for _ in 0..<5 { _ = table.strike(near, of: nil, .badCredential, at: start) }
        #expect(table.isBlocked(near, at: start) != nil)
        // Neighbours have scores of their own.
        #expect(table.isBlocked(.address(AddressBlock(.v4(3))), at: start) == nil)
    }

    @Test func `whether anybody is blocked is known without a search, and never wrongly denied`() {
        let table = StrikeTable(rules)
        let key = Subject.key(KeyID("key_a"))
        #expect(!table.blocksKeys)
        _ = table.block(key, of: nil, for: .seconds(60), at: start)
        #expect(table.blocksKeys && !table.blocksAddresses && !table.blocksPeople)
        #expect(table.takeUnwritten(at: start).rows.map(\.subject) == [key])
        #expect(table.takeUnwritten(at: start).rows.isEmpty && table.blocksKeys)
        // Its time is over: the next look finds that nobody is.
        _ = table.takeUnwritten(at: start + .seconds(61))
        #expect(!table.blocksKeys)
        let gone = table.takeUnwritten(at: start + .seconds(61) + StrikeRules.memory).gone
        #expect(gone == [key] && table.count == 0)
    }

    @Test func `what is written down is read back, and who was forgiven is gone`() throws {
        let table = StrikeTable(rules)
        let subjects: [Subject] = [
            .key(KeyID("key_a")), .user(EndUser(digest: Array(0..<16))), .address(AddressBlock(.v4(0x7F00_0001))),
            .address(AddressBlock(.v6(high: 0x2001_0DB8_0000_0001, low: 7))),
        ]
        for subject in subjects { _ = table.block(subject, of: nil, for: .seconds(60), at: start) }
        let again = StrikeTable(rules)
        for entry in table.takeUnwritten(at: start).rows {
            let named = try #require(LimiterTables.key(of: entry.subject))
            let subject = try #require(LimiterTables.subject(kind: named.kind, named.subject))
            again.restore(.init(subject: subject, tenant: entry.tenant, score: entry.score), at: start)
        }
        for subject in subjects { #expect(again.isBlocked(subject, at: start) == .seconds(60)) }
        #expect(again.blocksKeys && again.blocksPeople && again.blocksAddresses)
        #expect(again.forgive(subjects[0]) && !again.forgive(subjects[0]))
        #expect(again.takeUnwritten(at: start).gone == [subjects[0]])
    }

    @Test func `without points nobody is struck`() {
        let table = StrikeTable(StrikeRules(pointsMax: 0))
        for _ in 0..<1000 { _ = table.strike(.key(KeyID("key_a")), of: nil, .refusedInput, at: start) }
        #expect(table.count == 0)
    }
}
