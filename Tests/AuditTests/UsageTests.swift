// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Log
import Platform
import SQLite
import Support
import Synchronization
import Testing

@testable import Audit

extension UsageFact {
    /// What it comes to by itself.
    fileprivate var sums: UsageSums {
        var sums = UsageSums()
        add(to: &sums)
        return sums
    }
}

/// One that is past its start.
private func newLedger() -> UsageLedger {
    let ledger = UsageLedger()
    ledger.endRecovery()
    return ledger
}

@Suite struct `Latency histograms` {
    @Test func `percentiles are within a sixteenth of the sorted list's`() {
        var random = SeededGenerator()
        for _ in 0..<200 {
            let count = Int.random(in: 1...400, using: &random)
            let ceiling = 1 << Int.random(in: 0...21, using: &random)
            let list = (0..<count).map { _ in Int.random(in: 0...ceiling, using: &random) }.sorted()
            var histogram = LatencyHistogram()
            for value in list { histogram.add(milliseconds: value) }
            for part in [0.0, 0.01, 0.5, 0.95, 0.99, 1.0] {
                let exact = list[min(max(Int((part * Double(count)).rounded(.up)), 1), count) - 1]
                let found = histogram.percentile(part) ?? -1
                #expect(abs(found - exact) * 16 <= exact, "\(part) of \(count) up to \(ceiling)")
            }
        }
    }

    @Test func `adding histograms is adding their values, in any order`() {
        var random = SeededGenerator()
        for _ in 0..<100 {
            var (whole, left, right) = (LatencyHistogram(), LatencyHistogram(), LatencyHistogram())
            for _ in 0..<Int.random(in: 0...100, using: &random) {
                let value = Int.random(in: 0...5_000_000, using: &random)
                whole.add(milliseconds: value)
                if Bool.random(using: &random) { left.add(milliseconds: value) } else { right.add(milliseconds: value) }
            }
            var (one, other) = (left, right)
            one.add(right)
            other.add(left)
            #expect(one == whole)
            #expect(other == whole)
            #expect(LatencyHistogram(whole.bytes) == whole)
        }
    }

    @Test(
        arguments: [
            [1], [9, 1], [9, 0, 1], [9, 1, 0], [9, 1, 128], [255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
            [9, 200, 200, 1, 1],
        ] as [[UInt8]])
    func `bytes that are no histogram are refused`(bytes: [UInt8]) {
        #expect(LatencyHistogram(bytes) == nil)
    }

    @Test func `an empty one has no percentile`() {
        #expect(LatencyHistogram().percentile(0.5) == nil)
        #expect(LatencyHistogram([])?.isEmpty == true)
    }
}

@Suite struct `Usage in the tenant's database` {
    let tenant: TestTenant
    let directory = TestDirectory()
    let control: MemoryDatabase

    init() throws {
        tenant = try TestTenant("ten_test", [UsageTables.migrations])
        control = try MemoryDatabase(UsagePosition.migrations)
    }

    private func flusher(_ ledger: UsageLedger) -> UsageFlusher {
        UsageFlusher(
            ledger: ledger, store: TestStore(tenant: tenant), directory: directory, control: control, log: .disabled)
    }

    private func position() throws -> UsagePosition {
        try control.writeBlocking { connection throws(SQLiteError) in try UsagePosition.read(connection) }
    }

    private func sums() throws -> [UsageCell: UsageSums] {
        try tenant.run { transaction throws(SQLiteError) in
            try UsageTables.rows(0..<Int64.max, after: nil, max: 10_000, in: transaction)
        }.reduce(into: [:]) { $0[$1.cell] = $1.sums }
    }

    /// What a naive count of the same records says.
    private func expected(_ records: [AuditRecord]) -> [UsageCell: UsageSums] {
        records.compactMap { UsageFact($0) }.reduce(into: [:]) { $0[$1.cell, default: UsageSums()].add($1.sums) }
    }

    private func run(_ ledger: UsageLedger) async { await flusher(ledger).run() }

    @Test func `every record is counted once, whenever the process dies`() async throws {
        let seed = SeededGenerator()
        var random = seed
        let records = (0..<600).map { TestRecord.random($0, using: &random) }
        // The log survives; the memory does not. Each life reads the log from where it has to, and goes on.
        var written = 0
        var ledger = UsageLedger()
        ledger.endRecovery()
        while written < records.count {
            if Int.random(in: 0..<10, using: &random) == 0 {
                ledger = UsageLedger()
                ledger.begin(at: try position())
                for record in records[ledger.next..<written] { ledger.apply(record) }
                ledger.endRecovery()
            }
            let count = Int.random(in: 1...20, using: &random)
            for record in records[written...].prefix(count) { ledger.apply(record) }
            written = min(written + count, records.count)
            switch Int.random(in: 0..<4, using: &random) {
            // Written whole.
            case 0: await flusher(ledger).run()
            // The tenant's rows are written, and the process dies before control.db knows.
            case 1:
                control.fails = true
                await flusher(ledger).run()
                control.fails = false
            // The tenant's database refuses.
            case 2:
                tenant.fails.withLock { $0 = true }
                await flusher(ledger).run()
                tenant.fails.withLock { $0 = false }
            default: break
            }
        }
        await flusher(ledger).run()
        #expect(try sums() == expected(records))
        #expect(try position() == UsagePosition(log: 0, sequence: records.count))
    }

    @Test func `where nothing has moved, nothing is written`() async throws {
        let ledger = newLedger()
        ledger.apply(TestRecord.make(0))
        await run(ledger)
        let writes = control.writes
        await run(ledger)
        #expect(control.writes == writes)
        ledger.apply(TestRecord.make(1))
        await run(ledger)
        #expect(control.writes == writes + 1)
    }

    @Test func `without the position in the tenant's rows a crash counts twice`() async throws {
        let records = (0..<20).map { TestRecord.make($0) }
        let ledger = newLedger()
        for record in records { ledger.apply(record) }
        control.fails = true
        await run(ledger)
        control.fails = false
        _ = try tenant.run { transaction throws(SQLiteError) in
            try transaction.connection.execute("DELETE FROM audit_usage_position")
        }
        let next = UsageLedger()
        for record in records { next.apply(record) }
        next.endRecovery()
        await flusher(next).run()
        #expect(try sums() != expected(records))
    }

    @Test func `a log that begins anew is counted from its first record on`() async throws {
        let ledger = newLedger()
        for number in 0..<20 { ledger.apply(TestRecord.make(number)) }
        await run(ledger)
        try control.writeBlocking { connection throws(SQLiteError) in try UsagePosition.beginAnew(connection) }
        let next = UsageLedger()
        next.begin(at: try position())
        #expect(next.next == 0)
        next.endRecovery()
        for number in 0..<5 { next.apply(TestRecord.make(number)) }
        await run(next)
        #expect(try sums().values.reduce(0) { $0 + $1.requests } == 25)
        // What is written late for the old log does not move the new one's place.
        try control.writeBlocking { connection throws(SQLiteError) in
            try UsagePosition(log: 0, sequence: 20).write(connection)
        }
        #expect(try position() == UsagePosition(log: 1, sequence: 5))
    }

    @Test func `a tenant whose file is full does not hold the log's reading back`() async throws {
        let ledger = newLedger()
        for number in 0..<900 {
            ledger.apply(TestRecord.make(number, hour: number % 20, userBytes: [UInt8](withNumber: number)))
        }
        // As large as it may be: nothing of the tenant's own fits any more.
        _ = try tenant.run { transaction throws(SQLiteError) in
            let pages = try transaction.connection.first("PRAGMA page_count") { row throws(SQLiteError) in
                try row.int(0)
            }
            try transaction.connection.execute("PRAGMA max_page_count = \(pages ?? 1)")
        }
        tenant.quota = true
        #expect(throws: DatabaseFailure.self) {
            try tenant.run { transaction throws(SQLiteError) in
                try transaction.connection.execute("CREATE TABLE more (content)")
                try transaction.connection.execute("INSERT INTO more VALUES (zeroblob(100000))")
            }
        }
        await run(ledger)
        #expect(try position() == UsagePosition(log: 0, sequence: 900))
        #expect(try sums().values.reduce(0) { $0 + $1.requests } == 900)
        #expect(try sums().keys.allSatisfy { $0.user.isEmpty })
        #expect(throws: DatabaseFailure.self, "and what is the tenant's own is still refused") {
            try tenant.run { transaction throws(SQLiteError) in
                try transaction.connection.execute("CREATE TABLE more (content)")
                try transaction.connection.execute("INSERT INTO more VALUES (zeroblob(100000))")
            }
        }
    }

    @Test func `hours become days without end users, and no sum changes`() async throws {
        let ledger = newLedger()
        let records = (0..<300).map { TestRecord.make($0, hour: $0 % 72, user: UInt8($0 % 5)) }
        for record in records { ledger.apply(record) }
        await run(ledger)
        let before = try sums().values.reduce(into: UsageSums()) { $0.add($1) }
        let cutoff = TestRecord.start + .seconds(48 * 3_600)
        while try tenant.run({ transaction throws(SQLiteError) in
            try UsageTables.fold(before: cutoff, max: 7, in: transaction)
        }) {}
        let after = try sums()
        #expect(after.values.reduce(into: UsageSums()) { $0.add($1) } == before)
        let end = UsageCell.start(of: cutoff, .day)
        #expect(after.keys.allSatisfy { ($0.span == .day) == ($0.start < end) })
        #expect(after.keys.filter { $0.span == .day }.allSatisfy { $0.user.isEmpty })
        #expect(after.keys.contains { $0.span == .hour && !$0.user.isEmpty })
    }

    @Test func `reading in steps gives every row once`() async throws {
        let ledger = newLedger()
        for number in 0..<200 { ledger.apply(TestRecord.make(number, hour: number % 50, user: UInt8(number % 3))) }
        await run(ledger)
        var found: [UsageCell] = []
        var last: UsageCell?
        while true {
            let from = last
            let rows = try tenant.run { transaction throws(SQLiteError) in
                try UsageTables.rows(0..<Int64.max, after: from, max: 9, in: transaction)
            }
            found += rows.map(\.cell)
            last = rows.last?.cell
            guard rows.count == 9 else { break }
        }
        #expect(found.count == Set(found).count)
        #expect(try Set(found) == Set(sums().keys))
    }

    @Test func `somebody who invents end users fills no memory`() async throws {
        let ledger = newLedger()
        for number in 0..<UsageLedger.cellsMax + 5_000 {
            ledger.apply(TestRecord.make(number, userBytes: [UInt8](withNumber: number)))
        }
        guard case .batch(let batch) = ledger.take(tenant.tenant) else {
            Issue.record("nothing to write")
            return
        }
        #expect(batch.cells.count <= UsageLedger.cellsMax + 1)
        #expect(batch.cells.values.reduce(0) { $0 + $1.requests } == UsageLedger.cellsMax + 5_000)
    }
}

@Suite struct `Facts of records` {
    @Test func `floods count what they stand for, intents and acts nothing`() throws {
        var flood = AuditEntry(.flood)
        flood.set(.tenant, "ten_test")
        flood.set(.count, 37)
        #expect(UsageFact(TestRecord.record(flood, 0))?.sums.refusals == 37)
        for kind in [AuditKind.intent, .act, .house] {
            var entry = AuditEntry(kind)
            entry.set(.tenant, "ten_test")
            #expect(UsageFact(TestRecord.record(entry, 0)) == nil)
        }
    }

    @Test func `tokens without a price are no cost of zero`() throws {
        let fact = try #require(UsageFact(TestRecord.make(0, cost: nil)))
        #expect(fact.sums.cost == 0)
        #expect(fact.sums.unpriced == 1)
    }

    @Test func `sums stop at the end of their type`() {
        var sums = UsageSums()
        sums.cost = .max - 1
        var more = UsageSums()
        more.cost = 5
        sums.add(more)
        #expect(sums.cost == .max)
    }
}

@Suite struct `Queries of usage` {
    private func query(_ items: [(String, String)]) throws(Failure) -> UsageQuery {
        let query = try Query(items.map { QueryItem(name: $0.0, value: $0.1) }, known: UsageQuery.names)
        return try UsageQuery(query, now: WallTime(seconds: 1_790_000_000), user: nil)
    }

    @Test(arguments: [
        [("from", "yesterday")], [("from", "2026-11-21"), ("to", "2026-11-20")], [("group_by", "tenant")],
        [("limit", "0")], [("limit", "1001")], [("limit", "+5")], [("prices", "new")], [("colour", "red")],
        [("from", "1970-01-01"), ("to", "2026-01-01")], [("key", "")],
    ])
    func `what makes no sense is refused`(items: [(String, String)]) {
        #expect(throws: Failure.self) { try query(items) }
    }

    @Test func `times are rounded outwards to hours`() throws {
        let query = try query([("from", "2026-11-21T10:20:30Z"), ("to", "2026-11-21T11:00:00.001Z")])
        #expect(WallTime(seconds: query.times.lowerBound).rfc3339 == "2026-11-21T10:00:00.000Z")
        #expect(WallTime(seconds: query.times.upperBound).rfc3339 == "2026-11-21T12:00:00.000Z")
    }

    @Test(arguments: UsageQuery.Grouping.allCases)
    func `groups add up to the total, page by page`(grouping: UsageQuery.Grouping) throws {
        var random = SeededGenerator()
        let facts = (0..<300).compactMap { UsageFact(TestRecord.random($0, using: &random)) }
        var asked = try query([("from", "2026-01-01"), ("to", "2027-12-31"), ("limit", "3")])
        asked.grouping = grouping
        var (seen, requests) = (Set<String>(), 0)
        while true {
            var report = UsageReport(asked)
            for fact in facts { report.add(fact.cell, fact.sums, prices: nil) }
            let page = report.json
            for group in page["data"]?.array ?? [] {
                let name = group[grouping.rawValue]?.string ?? ""
                #expect(seen.insert(name).inserted)
                requests += group["requests"]?.int ?? 0
            }
            #expect(page["total"]?["requests"]?.int == facts.reduce(0) { $0 + $1.sums.requests })
            guard let next = page["next_cursor"]?.string else { break }
            asked.after = next
        }
        #expect(requests == facts.reduce(0) { $0 + $1.sums.requests })
    }

    @Test func `what has no group of its own is told apart`() throws {
        var asked = try query([("from", "2026-01-01"), ("to", "2027-12-31")])
        asked.grouping = .model
        var report = UsageReport(asked, groupsMax: 2)
        for number in 0..<10 {
            let fact = try #require(UsageFact(TestRecord.make(number, model: "model\(number % 5)")))
            report.add(fact.cell, fact.sums, prices: nil)
        }
        #expect(report.json["data"]?.array?.count == 2)
        #expect(report.json["ungrouped"]?["requests"]?.int == 6 && report.json["total"]?["requests"]?.int == 10)
        var small = UsageReport(asked)
        let fact = try #require(UsageFact(TestRecord.make(0)))
        small.add(fact.cell, fact.sums, prices: nil)
        #expect(small.json["ungrouped"] == nil)
    }

    @Test func `a filter leaves out everything else`() throws {
        let facts = [TestRecord.make(0, model: "a"), TestRecord.make(1, model: "b")].compactMap { UsageFact($0) }
        var report = UsageReport(try query([("model", "a"), ("from", "2026-01-01"), ("to", "2027-12-31")]))
        for fact in facts { report.add(fact.cell, fact.sums, prices: nil) }
        #expect(report.total.requests == 1)
    }

    @Test func `asked for today's prices, what was settled is left out of account`() throws {
        let fact = try #require(UsageFact(TestRecord.make(0, cost: 5)))
        var report = UsageReport(try query([("prices", "current"), ("from", "2026-01-01"), ("to", "2027-12-31")]))
        report.add(fact.cell, fact.sums, prices: DoublePrices())
        #expect(report.total.cost == Int64(2 * (fact.sums.inputTokens + fact.sums.outputTokens)))
    }
}

@Suite struct `Feeds of usage` {
    @Test func `each watcher sees its own tenant, once`() throws {
        let ledger = newLedger()
        let own = try #require(ledger.openFeed(of: TenantID("ten_test")))
        let other = try #require(ledger.openFeed(of: TenantID("ten_other")))
        ledger.apply(TestRecord.make(0))
        #expect(ledger.drainFeed(own).all.requests == 1)
        #expect(ledger.drainFeed(own).all.requests == 0)
        #expect(ledger.drainFeed(other).all.requests == 0)
    }

    @Test func `one tenant cannot take every place`() {
        let ledger = newLedger()
        var open: [Int] = []
        while let feed = ledger.openFeed(of: TenantID("ten_test")) { open.append(feed) }
        #expect(open.count == UsageFeeds.feedsPerTenantMax)
        #expect(ledger.openFeed(of: TenantID("ten_other")) != nil)
        ledger.closeFeed(open[0])
        #expect(ledger.openFeed(of: TenantID("ten_test")) != nil)
    }
}

private struct DoublePrices: PriceBook {
    func cost(model: String, inputTokens: Int, outputTokens: Int, cachedTokens: Int) -> Int64? {
        Int64(2 * (inputTokens + outputTokens))
    }
}

/// Records of the log as an exchange leaves them.
enum TestRecord {
    static let start = WallTime(seconds: 1_790_000_000 / 86_400 * 86_400)

    static func record(_ entry: AuditEntry, _ sequence: Int, at time: WallTime = start) -> AuditRecord {
        AuditRecord(
            entry,
            at: .init(
                sequence: sequence, time: time, monotonic: Instant(nanoseconds: 1),
                boot: .init([UInt8](repeating: 1, count: 16)), generation: 1))
    }

    static func make(
        _ sequence: Int, hour: Int = 0, model: String = "fast", user: UInt8 = 0, userBytes: [UInt8]? = nil,
        cost: Int? = 1_000, outcome: String = "answered"
    ) -> AuditRecord {
        var entry = AuditEntry(.outcome)
        entry.set(.tenant, "ten_test")
        entry.set(.actorKind, "key")
        entry.set(.actorID, "key_1")
        entry.set(.endUser, digest: userBytes ?? [UInt8](repeating: user, count: 16))
        entry.set(.model, model)
        entry.set(.provider, "mock")
        entry.set(.inputTokens, 10)
        entry.set(.outputTokens, 5)
        entry.set(.cost, cost)
        entry.set(.outcome, outcome)
        entry.set(.latency, 120)
        entry.set(.firstByte, 40)
        return record(entry, sequence, at: start + .seconds(hour * 3_600))
    }

    static func random(_ sequence: Int, using random: inout SeededGenerator) -> AuditRecord {
        let outcomes = ["answered", "refused", "failed", "abandoned", "interrupted"]
        return make(
            sequence, hour: random.below(60), model: ["fast", "slow", ""][random.below(3)],
            user: UInt8(random.below(3)),
            cost: random.below(2) == 0 ? 7 : nil, outcome: outcomes[random.below(outcomes.count)])
    }
}

extension [UInt8] {
    fileprivate init(withNumber number: Int) {
        self = (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }
}
