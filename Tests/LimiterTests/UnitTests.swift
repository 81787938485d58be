// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import Platform
import Support
import Synchronization
import Testing

@testable import Limiter

/// The one ledger of units that all work is paid from.
@Suite struct UnitTests {
    private let start = Instant(nanoseconds: 10_000_000_000_000)
    private let tenant = TenantID("ten_a")

    private func book(_ limits: [SubjectKind: Int]) -> RuleBook {
        RuleBook(limits.mapValues { Rules(requests: [], units: [Rate($0, .units, per: .hour)]) })
    }

    private func payers(
        _ table: AccountTable, _ key: String = "key_a", user: String? = nil, address: UInt32? = nil
    ) throws -> AccountTable.Payers {
        AccountTable.Payers(
            pair: try #require(table.pair(KeyID(key), of: tenant, at: start)),
            user: user.map { EndUser(digest: Array($0.utf8)) }, address: address.map { AddressBlock(.v4($0)) })
    }

    /// The hold of what was charged; nil where it was refused.
    private func charge(
        _ table: AccountTable, _ units: Int, _ payers: AccountTable.Payers, after pause: Duration = .zero
    ) -> UnitHold? {
        if case .charged(let hold, _) = table.charge(units, payers, at: start + pause) { hold } else { nil }
    }

    @Test func `work costs something for itself and something for its size, and no size is too large`() {
        let weights = Weights()
        let table: [(Work, Int, Int)] = [
            (.call, 0, 10), (.call, 1, 11), (.call, 1000, 11), (.call, 1001, 12), (.embedding, 5000, 6),
            (.file, 0, 5), (.file, 1, 6), (.file, 3 << 20, 8), (.execution, 0, 10), (.execution, 30_000, 160),
            (.execution, -5, 10), (.call, .min, 10),
        ]
        for (work, amount, units) in table { #expect(weights.units(work, amount) == units, "\(work) \(amount)") }
        for work in Work.allCases { #expect(weights.units(work, .max) <= 2 * Rate.limitMax) }
    }

    /// Row S3. The control is what the row calls the toy: a counter for each kind of work.
    @Test func `whoever has drained it with files calls no model, and four counters would let them`() throws {
        let weights = Weights()
        func drain(_ table: AccountTable, _ work: Work, _ amount: Int) throws -> Int {
            try (0..<100).count { _ in charge(table, weights.units(work, amount), try payers(table)) != nil }
        }
        let one = AccountTable(book([.key: 600]))
        #expect(try drain(one, .file, 1 << 20) == 100 && drain(one, .call, 1000) == 0 && drain(one, .execution, 1) == 0)
        let four = Work.allCases.map { _ in AccountTable(book([.key: 600])) }
        #expect(try drain(four[0], .file, 1 << 20) == 100 && drain(four[1], .call, 1000) == 54)
    }

    @Test(arguments: [SubjectKind.user, .address])
    func `nobody pays where nobody is there who has a limit, and nothing is held`(kind: SubjectKind) throws {
        let table = AccountTable(book([kind: 100]))
        for _ in 0..<3 {
            guard case .charged(nil, nil) = table.charge(60, try payers(table), at: start) else {
                Issue.record("charged or refused without a limit")
                continue
            }
        }
        let limited = try payers(table, user: "somebody", address: 7)
        #expect(charge(table, 60, limited) != nil)
        #expect(charge(table, 60, try payers(table)) == nil && charge(table, 60, limited) == nil)
    }

    @Test(arguments: [SubjectKind.key, .tenant, .user, .address, .instance])
    func `each of those whom it counts for has a limit of its own, and a neighbour goes on`(kind: SubjectKind) throws {
        let table = AccountTable(book([kind: 100]))
        let mine = try payers(table, user: "ana", address: 1)
        #expect(charge(table, 60, mine).map { $0.settle(units: 60) } == true)
        let refusal = table.charge(60, mine, at: start)
        guard case .refused(let standing) = refusal else {
            Issue.record("\(refusal)")
            return
        }
        #expect(standing.subject == kind && standing.name == "units_per_hour" && standing.remaining == 40)
        #expect(Failure(standing).code == .abuseBudgetExceeded)
        let other = AccountTable.Payers(
            pair: try #require(table.pair(KeyID("key_b"), of: TenantID("ten_b"), at: start)),
            user: EndUser(digest: Array("ben".utf8)), address: AddressBlock(.v4(2)))
        #expect((charge(table, 60, other) != nil) == (kind != .instance))
    }

    @Test func `what refuses one refuses all, and uses up nothing of anybody`() throws {
        let table = AccountTable(book([.key: 1000, .tenant: 1000, .address: 1000, .instance: 100]))
        let mine = try payers(table, address: 1)
        for _ in 0..<10 { #expect(charge(table, 101, mine) == nil) }
        let left = table.standings(of: KeyID("key_a"), of: tenant, at: start).map(\.remaining)
        #expect(left == [1000, 1000] && table.standings(ofWholeAt: start).map(\.remaining) == [100])
    }

    @Test func `what was not used is free again, what is forgotten stands, and each is settled once`() throws {
        let table = AccountTable(book([.key: 100, .instance: 100]))
        let mine = try payers(table)
        let hold = try #require(charge(table, 100, mine))
        #expect(charge(table, 1, mine) == nil)
        #expect(hold.settle(units: 30) && !hold.settle(units: 0))
        #expect(table.standings(ofWholeAt: start).map(\.remaining) == [70])
        do { _ = charge(table, 70, mine) }
        #expect(charge(table, 1, mine) == nil)
        #expect(charge(table, 100, mine, after: .seconds(3631)) != nil)
    }

    /// Across loops at once, with keys that rotate, people who change their names and addresses that hop.
    @Test func `threads that race charge the last unit and not one more, and check-then-charge does`() throws {
        let table = AccountTable(book([.tenant: 4900, .instance: 4900, .user: 4900, .address: 4900]))
        let charged = Atomic(0)
        let payers = try (0..<4).map { try self.payers(table, "key_\($0)", user: "user \($0)", address: UInt32($0)) }
        let threads = try payers.map { payers in
            try NamedThread.start(name: "racer") { [start] in
                for _ in 0..<400 {
                    guard case .charged(let hold?, _) = table.charge(7, payers, at: start) else { continue }
                    if hold.settle(units: 7) { charged.add(7, ordering: .relaxed) }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(charged.load(ordering: .relaxed) == 4900)
        // The toy: four look at once, see the same room, and charge then.
        let last = AccountTable(book([.instance: 7]))
        let seen = payers.map { _ in last.standings(ofWholeAt: start).allSatisfy { $0.remaining >= 7 } }
        #expect(seen.count { $0 } * 7 > 7)
    }

    @Test func `who comes near the end is warned once, waits longer and longer, and never at all below`() throws {
        let settings = UnitSettings()
        #expect(settings.delay(used: 900, of: 1000) == nil)
        #expect(settings.delay(used: 950, of: 1000) == .milliseconds(2500))
        #expect(
            settings.delay(used: 1000, of: 1000) == .seconds(5) && settings.delay(used: 5000, of: 1000) == .seconds(5))
        var never = settings
        never.delayPercent = 100
        #expect(never.delay(used: 1000, of: 1000) == nil)
        let table = AccountTable(book([.key: 100, .tenant: 1000]))
        let mine = try payers(table)
        var told: [String] = []
        for _ in 0..<10 {
            guard case .charged(_, let fullness?) = table.charge(10, mine, at: start) else { break }
            told.append("\(fullness.percent) \(fullness.standing.subject)\(fullness.isNew ? " new" : "")")
        }
        #expect(told.suffix(3) == ["80 key new", "90 key", "100 key"])
    }

    @Test func `of the whole server it survives a restart, and what it was told of nobody else`() throws {
        let table = AccountTable(book([.instance: 100]))
        _ = charge(table, 90, try payers(table))?.settle(units: 90)
        let counts = try #require(table.takeWholeCounts(at: start))
        #expect(table.takeWholeCounts(at: start) == nil)
        let next = AccountTable(book([.instance: 100]))
        next.restoreWhole(counts, after: .seconds(60), at: start)
        let mine = try payers(next)
        #expect(charge(next, 11, mine) == nil && charge(next, 10, mine) != nil)
        for length in 0..<counts.count {
            AccountTable(book([:])).restoreWhole(Array(counts[..<length]), after: .zero, at: start)
        }
    }

    @Test func `who is given other limits of requests keeps those of units, unless something is said of them`() throws {
        let book = book([.key: 100])
        func units(_ texts: [String]) throws -> [Int] {
            book.set(RuleBook.Override(tenant: tenant, limits: try Rules(texts)), for: .key(KeyID("key_a")))
            return book.rules(for: .key(KeyID("key_a")), of: tenant).units.map(\.limit)
        }
        #expect(try units(["5 requests/hour"]) == [100] && units([]) == [100] && units(["7 units/day"]) == [7])
        #expect(RuleBook([:]).limitsUnits == false && book.limitsUnits(of: .key) && !book.limitsUnits(of: .tenant))
    }
}
