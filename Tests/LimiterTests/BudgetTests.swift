// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import Support
import Synchronization
import Testing

@testable import Limiter

@Suite struct BudgetTests {
    @Test func `budgets are read as people write them, and written the same`() throws {
        let texts = [
            "$5/day", "$99.5/month", "$1000 total", "$0.000000001 total", "7 tokens/day", "9000000 tokens total",
        ]
        #expect(try texts.map { try Budget($0).text } == texts)
        #expect(try Budget("$99.50/month").limit == 99_500_000_000)
        #expect(try Budget("$5/day").name == "budget_dollars_per_day")
    }

    @Test(arguments: [
        "", "$", "$5", "5/day", "$5/hour", "$-5/day", "$1e3/day", "$5.0000000001/day", "$1.2.3/day", "$1000000001/day",
        "5 tokens", "5 tokens/", "tokens/day", "$5 tokens/day", "$5/total", "5 dollars/day", "$ 5/day",
        "99999999999999999999 tokens total",
    ])
    func `what is no budget is refused`(text: String) {
        #expect(throws: RuleError.self) { try Budget(text) }
    }

    private func time(_ text: String) throws -> WallTime { try #require(WallTime(rfc3339: text)) }

    @Test func `days and months are those of UTC, and end when they end`() throws {
        let eve = try time("2028-02-28T23:59:59.999Z")
        #expect(UTCDate.remainder(of: .day, at: eve) == .milliseconds(1))
        #expect(UTCDate.remainder(of: .month, at: eve) == .milliseconds(1) + .seconds(86_400))
        #expect(UTCDate(eve + .milliseconds(1)).day == UTCDate(eve).day + 1)
        #expect(UTCDate(eve + .milliseconds(1)).month == UTCDate(eve).month)
        #expect(UTCDate(try time("2029-01-01T00:00:00Z")).month == UTCDate(eve).month + 11)
    }

    @Test func `a new day forgets the day, a new month the month, and a clock that goes back neither`() throws {
        var meter = Meter()
        let first = try time("2026-11-30T23:00:00Z")
        meter.spend(.init(cost: 5, tokens: 2), at: UTCDate(first))
        meter.spend(.init(cost: 7, tokens: 3), at: UTCDate(first + .seconds(7200)))
        #expect(meter.today == .init(cost: 7, tokens: 3) && meter.thisMonth == .init(cost: 7, tokens: 3))
        #expect(meter.total == .init(cost: 12, tokens: 5))
        // A record of the day before, told late.
        meter.spend(.init(cost: 1, tokens: 1), at: UTCDate(first))
        #expect(meter.today == .init(cost: 7, tokens: 3) && meter.total == .init(cost: 13, tokens: 6))
        meter.spend(.init(cost: .max, tokens: .max), at: UTCDate(first))
        #expect(meter.total == .init(cost: .max, tokens: .max))
    }

    /// What is spent and held of every budget, against sums by name and date of all that happened: obvious, and right. Each house
    /// begins with nothing spent, since what is spent for all time comes to an end.
    @Test func `agrees with a naive ledger of nested budgets, through holds, records and refusals`() throws {
        var random = SeededGenerator()
        let houses = Repetition.rounds(1, full: 300)
        var (admitted, refused) = (0, 0)
        for house in 0..<houses {
            let found = try compareWithNaiveLedger(house, &random)
            (admitted, refused) = (admitted + found.admitted, refused + found.refused)
        }
        #expect(admitted > 100 && refused > 100, "\(admitted) \(refused), seed \(SeededGenerator.seed)")
        let seed = SeededGenerator.seed
        if Repetition.isFull {
            print("budgets: \(houses * 4000) events, \(admitted) admitted, \(refused) refused, seed \(seed)")
        }
    }

    private func compareWithNaiveLedger(
        _ house: Int, _ random: inout SeededGenerator
    ) throws -> (admitted: Int, refused: Int) {
        let tenant = TenantID("ten_model")
        let budgets: [SubjectKind: [String]] = [
            .key: ["$40/day", "$4000 total"], .tenant: ["$2500/month", "900 tokens/day"], .node: ["$900/month"],
            .user: ["30000 tokens total"],
        ]
        let book = RuleBook(try budgets.mapValues { Rules(requests: [], budgets: try Rules.budgets($0)) })
        let table = AccountTable(book)
        struct Event { let subjects: [String], cost: Int, tokens: Int }
        var spent: [String: (cost: Int, tokens: Int)] = [:]
        struct Open { let hold: AccountTable.CallHold, event: Event }
        var open: [Open] = []
        var now = try time("2026-11-28T12:00:00Z")
        var (admitted, refused) = (0, 0)
        func counted(_ subject: String, _ budget: Budget, at date: UTCDate) -> Int {
            let settled = spent[Self.place(subject, budget.period, date)] ?? (0, 0)
            let held = open.map(\.event).filter { $0.subjects.contains(subject) }
            return held.reduce(budget.unit == .dollars ? settled.cost : settled.tokens) {
                $0 + (budget.unit == .dollars ? $1.cost : $1.tokens)
            }
        }
        for event in 0..<4000 {
            now = now + .seconds(Int64(random.below(random.below(20) == 0 ? 90_000 : 300)))
            let event = event + 4000 * house
            let place = "seed \(SeededGenerator.seed), event \(event)"
            if open.count > 4 || (random.below(3) == 0 && !open.isEmpty) {
                let ending = open.remove(at: random.below(open.count))
                let (cost, tokens) = (random.below(ending.event.cost + 1), random.below(ending.event.tokens + 1))
                let names = ending.event.subjects
                ending.hold.settle(
                    settlement(tokens, cost: Int64(cost)), at: now)
                // The log tells of it later, and changes nothing but what is written down.
                table.tell(
                    Spending(
                        sequence: event, time: now, tenant: tenant, key: KeyID(names[0]), node: names[2],
                        endUser: Array(names[3].utf8), tokens: tokens, cost: cost), isNew: false)
                for name in names {
                    for period in Budget.Period.allCases {
                        let before = spent[Self.place(name, period, UTCDate(now))] ?? (0, 0)
                        spent[Self.place(name, period, UTCDate(now))] = (before.cost + cost, before.tokens + tokens)
                    }
                }
                continue
            }
            let names = ["key_\(random.below(2))", "tenant", "node_\(random.below(2))", "user \(random.below(3))"]
            let pair = try #require(table.pair(KeyID(names[0]), of: tenant, at: Instant(nanoseconds: 1)))
            let (cost, tokens) = (1_000_000_000 * random.below(12), 1 + random.below(40))
            let call = AccountTable.Call(
                node: NodeID(names[2]), user: EndUser(digest: Array(names[3].utf8)), tokens: tokens, cost: cost,
                time: now)
            let fits = zip(names, [SubjectKind.key, .tenant, .node, .user]).allSatisfy { name, kind in
                book.rules(forEach: kind).budgets.allSatisfy { budget in
                    let asked = budget.unit == .dollars ? cost : tokens
                    return asked == 0 || counted(name, budget, at: UTCDate(now)) + asked <= budget.limit
                }
            }
            switch table.admit(call, of: pair, at: Instant(nanoseconds: 1)) {
            case .admitted(let hold, _, _):
                admitted += 1
                #expect(fits, "admitted without room: \(place)")
                guard let hold else {
                    Issue.record("nothing is held: \(place)")
                    continue
                }
                open.append(
                    Open(hold: hold, event: Event(subjects: names, cost: cost, tokens: tokens)))
            case .refused:
                refused += 1
                #expect(!fits, "refused with room: \(place)")
            case .unpriced, .full: Issue.record("\(place)")
            }
        }
        let written = try #require(table.takeSpent().first { $0.subject == .tenant(tenant) })
        let all = try #require(spent["tenant"])
        #expect(written.meter.total == Meter.Sum(cost: all.cost, tokens: all.tokens))
        return (admitted, refused)
    }

    /// Where the sums of a name in a time stand.
    private static func place(_ subject: String, _ period: Budget.Period, _ date: UTCDate) -> String {
        switch period {
        case .day: "\(subject) day \(date.day)"
        case .month: "\(subject) month \(date.month)"
        case .total: subject
        }
    }

    /// Four keys of a tenant ask at once, each for ten cents of which seven are used, until nothing is left of the tenant's
    /// day or month or of their own day.
    @Test func `four threads hold back and settle what one would, in every nested budget`() throws {
        let (asked, used, ofKey, ofDay, ofMonth) = (
            100_000_000, 70_000_000, 4_000_000_000, 10_000_000_000, 65_000_000_000
        )
        let budgets: [SubjectKind: [String]] = [.key: ["$4/day"], .tenant: ["$10/day", "$65/month"]]
        let table = AccountTable(
            RuleBook(try budgets.mapValues { Rules(requests: [], budgets: try Rules.budgets($0)) }))
        let tenant = TenantID("ten_model")
        var now = try time("2026-11-02T12:00:00Z")
        var (month, spentOfMonth) = (UTCDate(now).month, 0)
        let rounds = Repetition.rounds(60, full: 5000)
        var whole = 0
        for round in 0..<rounds {
            now = now + .seconds(86_400)
            if UTCDate(now).month != month { (month, spentOfMonth) = (UTCDate(now).month, 0) }
            let (date, room) = (now, min(ofDay, ofMonth - spentOfMonth))
            let standing = Atomic(0)
            let most = Atomic(0)
            let threads = try (0..<4).map { number in
                try NamedThread.start(name: "spender-\(number)") {
                    for _ in 0..<80 {
                        let pair = table.pair(KeyID("key_\(number)"), of: tenant, at: Instant(nanoseconds: 1))
                        guard let pair else { continue }
                        let call = AccountTable.Call(tokens: 10, cost: asked, time: date)
                        guard
                            case .admitted(let hold?, _, _) = table.admit(call, of: pair, at: Instant(nanoseconds: 1))
                        else { continue }
                        // Counted late and given back early: what is seen here is never more than what was let through.
                        most.max(standing.add(asked, ordering: .relaxed).newValue, ordering: .relaxed)
                        standing.subtract(asked - used, ordering: .relaxed)
                        hold.settle(settlement(7, cost: Int64(used)), at: date)
                    }
                }
            }
            for thread in threads { thread.join() }
            let spent = standing.load(ordering: .relaxed)
            let peak = most.load(ordering: .relaxed)
            // A refusal means that less than ten cents were left beside what four had in their hands.
            let least = min(room - 5 * asked, 4 * (ofKey - asked))
            let found = "\(spent), \(peak) of \(least) to \(room), round \(round)"
            #expect(spent <= room && peak <= room && spent >= least, "\(found)")
            spentOfMonth += spent
            whole += spent / used
        }
        if Repetition.isFull { print("budgets on four threads: \(rounds * 320) events, \(whole) admitted") }
    }

    @Test func `people whose month is over are forgotten, and nobody else`() throws {
        let table = AccountTable(RuleBook([.user: Rules(requests: [], budgets: [try Budget("$5/month")])]))
        let tenant = TenantID("ten_a")
        func tell(_ person: String, _ time: String) throws {
            table.tell(
                Spending(
                    sequence: 1, time: try self.time(time), tenant: tenant, key: KeyID("key_a"), node: nil,
                    endUser: Array(person.utf8), tokens: 1, cost: 1_000_000_000), isNew: true)
        }
        func left(_ subject: Subject) throws -> Int? {
            table.budgetStandings(of: [subject], of: tenant, at: try time("2026-11-30T12:00:00Z")).first?.remaining
        }
        try tell("ana", "2026-11-30T12:00:00Z")
        try tell("ben", "2026-12-01T12:00:00Z")
        let (ana, ben) = (EndUser(digest: Array("ana".utf8)), EndUser(digest: Array("ben".utf8)))
        #expect(try left(.user(ana)) == 4_000_000_000)
        table.forgetPeople(before: UTCDate(try time("2026-12-01T00:00:00Z")).month)
        #expect(try left(.user(ana)) == 5_000_000_000)
        #expect(try left(.user(ben)) == 4_000_000_000)
    }

    @Test func `windows are written and read back`() throws {
        let rate = Rate(10, .tokens, per: .hour)
        var window = RollingWindow()
        let now = Instant(nanoseconds: 5_000_000_000_000)
        window.advance(to: now - .seconds(600), rate)
        window.count(3)
        window.advance(to: now, rate)
        window.count(4)
        let bytes = WindowCounts.encode([Limit(rate: rate, window: window)], at: now)
        let entries = try #require(WindowCounts.decode(bytes))
        #expect(entries.map(\.unit) == [.tokens] && entries.map(\.period) == [.hour])
        #expect(entries[0].slots.map(\.count) == [3, 4])
        for length in 0..<bytes.count { _ = WindowCounts.decode(Array(bytes[..<length])) }
        #expect(WindowCounts.decode(Array(bytes.dropLast())) == nil)
        #expect(WindowCounts.decode([2]) == nil && WindowCounts.decode([1, 9, 0, 0, 0]) == nil)
    }
}
