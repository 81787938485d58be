// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Glibc
import Platform
import Support
import Testing

@testable import Audit

/// What is made of the records, against the same made in the simplest way.
struct ProjectionTests {
    @Test func `open intents are those without an outcome, also where few stay open among many`() {
        var random = SeededGenerator()
        let intents = OpenIntents(from: 0)
        var (open, waiting): ([Int: AuditRecord], [AuditRecord]) = ([:], [])
        for sequence in 0..<60_000 {
            var record = TestRecord.record(AuditEntry(.intent), sequence)
            // Now and then all are closed, and one of a thousand stays open for long.
            let isFull = open.count > (sequence / 5000 % 2 == 0 ? 40 : 0)
            if isFull,
                let intent = open.keys.filter({ $0 % 1000 != 0 || sequence % 20_000 > 19_000 }).randomElement(
                    using: &random)
            {
                var entry = AuditEntry(.outcome)
                entry.set(.intent, intent)
                record = TestRecord.record(entry, sequence)
                open[intent] = nil
            } else {
                open[sequence] = record
            }
            waiting.append(record)
            guard random.below(50) == 0 else { continue }
            intents.apply(AuditRecords(waiting))
            waiting = []
            #expect(intents.count == open.count && intents.first == open.keys.min() ?? sequence + 1)
            if random.below(20) == 0 { #expect(intents.open == open) }
        }
        // What it never knew changes nothing.
        var stranger = AuditEntry(.outcome)
        stranger.set(.intent, 1_000_000)
        let count = intents.count
        intents.apply(TestRecord.record(stranger, 60_000))
        #expect(intents.count == count && intents.next == 60_001)
    }

    @Test func `money and tokens come out the same, however many records come at once`() {
        var random = SeededGenerator()
        let records = (0..<4000).map { Self.outcome($0, &random) }
        let (single, together) = (ToldBook(), ToldBook())
        let (one, many) = (SpendingProjection(single, from: 0), SpendingProjection(together, from: 0))
        var rest = records[...]
        while !rest.isEmpty {
            let batch = rest.prefix(1 + random.below(400))
            for record in batch { one.apply(record) }
            many.apply(AuditRecords(batch))
            rest = rest.dropFirst(batch.count)
            // Told through the same record, of the same sums.
            #expect(one.next == many.next && together.size == many.next && single.size == many.next)
            #expect(single.sums == together.sums && single.interrupted == together.interrupted)
        }
        #expect(single.sums.count > 40 && !single.interrupted.isEmpty)
        #expect(together.takes < single.takes)
    }

    @Test func `usage comes out the same, however many records come at once`() {
        var random = SeededGenerator()
        let records = (0..<4000).map { Self.outcome($0, &random) }
        let (one, many) = (UsageLedger(), UsageLedger())
        for ledger in [one, many] { ledger.endRecovery() }
        var rest = records[...]
        while !rest.isEmpty {
            let batch = rest.prefix(1 + random.below(900))
            for record in batch { one.apply(record) }
            many.apply(AuditRecords(batch))
            rest = rest.dropFirst(batch.count)
            #expect(one.next == many.next && one.position == many.position)
        }
        #expect(one.totals.sums == many.totals.sums && one.totals.sums.count == 6)
        #expect(Set(one.tenants) == Set(many.tenants) && one.tenants.count == 3)
        for tenant in one.tenants {
            guard case .batch(let left) = one.take(tenant), case .batch(let right) = many.take(tenant) else {
                Issue.record("nothing of \(tenant)")
                continue
            }
            #expect(left.cells == right.cells && left.first == right.first && left.cells.count > 40)
        }
    }

    private static func outcome(_ sequence: Int, _ random: inout SeededGenerator) -> AuditRecord {
        var entry = AuditEntry(random.below(20) == 0 ? .refusal : .outcome)
        entry.set(.tenant, "ten_0000000000000000000000000\(random.below(3))")
        entry.set(.actorKind, random.below(10) == 0 ? "person" : "key")
        entry.set(.actorID, "key_0000000000000000000000000\(random.below(4))")
        if random.below(3) == 0 { entry.set(.endUser, digest: [UInt8](repeating: UInt8(random.below(2)), count: 16)) }
        if random.below(3) == 0 { entry.set(.node, "node_\(random.below(2))") }
        entry.set(.model, ["fast", "a model whose name is longer than a word"][random.below(2)])
        entry.set(.provider, "provider \(random.below(3))")
        entry.set(.inputTokens, random.below(100))
        entry.set(.outputTokens, random.below(3) == 0 ? 0 : random.below(1000))
        if random.below(4) > 0 { entry.set(.cost, random.below(1_000_000)) }
        if random.below(2) == 0 { entry.set(.isHeld, 1) }
        entry.set(.outcome, ["answered", "failed", "abandoned", "interrupted"][random.below(4)])
        entry.set(.latency, random.below(3000))
        entry.set(.intent, sequence / 2)
        // Over the end of a day.
        let time = WallTime(milliseconds: TestRecord.start.milliseconds + Int64(sequence) * 60_000)
        return TestRecord.record(entry, sequence, at: time)
    }

    @Test func `texts out of the cache are those that went in`() {
        var random = SeededGenerator()
        var cache = TextCache()
        for _ in 0..<20_000 {
            let text =
                String(
                    repeating: ["a", "é", "key_"][random.below(3)], count: random.below(12)) + "\(random.below(3000))"
            let found = cache.text(text.utf8.span)
            #expect(found == text)
        }
        let empty = cache.text("".utf8.span)
        #expect(empty.isEmpty)
    }
}

/// A book that only adds up.
private final class ToldBook: SpendingBook, @unchecked Sendable {
    struct Of: Hashable {
        let day: Int64
        let texts: [String?]
        let endUser: [UInt8]?
        let isHeld: Bool
    }

    var sums: [Of: [Int]] = [:]
    var interrupted: [Int] = []
    var takes = 0
    var size = 0

    func open(log: Int) throws(StartFailure) -> Int { 0 }
    func begin(leftOpen intents: [Spending]) {}
    func told(through size: Int) { self.size = size }

    func take(_ spending: Spending) {
        takes += 1
        if let intent = spending.interrupted { interrupted.append(intent) }
        let of = Of(
            day: spending.time.seconds / 86_400, texts: [spending.tenant.text, spending.key?.text, spending.node],
            endUser: spending.endUser, isHeld: spending.isHeld)
        let sum = sums[of] ?? [0, 0]
        sums[of] = [sum[0] + spending.tokens, sum[1] + (spending.cost ?? 0)]
    }
}

struct CallerHeadTests {
    @Test func `how an intent begins is told of nobody else, and from nowhere else`() {
        var random = SeededGenerator()
        var heads = CallerHeads()
        var kept: [[UInt8]: Int] = [:]
        var found = 0
        // One object of each, as keys have them.
        let principals = (0..<16).map { number in
            Principal(
                kind: .key(KeyID("key_\(number >> 1 & 3)"), prefix: "gh-\(number & 1)"),
                tenant: TenantID("ten_\(number >> 3)"), scopes: Scopes())
        }
        for number in 0..<5000 {
            // So alike that many of them fall into one place.
            let (tenant, key, prefix) = (random.below(2), random.below(4), random.below(2))
            let address: IPAddress =
                random.below(2) == 0
                ? .v4(UInt32(random.below(9))) : .v6(high: UInt64(random.below(3)), low: UInt64(random.below(3)))
            let principal = principals[tenant << 3 | key << 1 | prefix]
            let name = Array("\(tenant) \(key) \(prefix) \(address)".utf8)
            if let head = heads.head(of: principal, at: address) {
                found += 1
                #expect(head == name && kept[name] != nil)
            } else {
                heads.keep(name, of: principal, at: address)
                kept[name] = number
                #expect(heads.head(of: principal, at: address) == name)
                // Whatever is another object may be another caller.
                let other = Principal(kind: principal.kind, tenant: principal.tenant, scopes: Scopes())
                #expect(heads.head(of: other, at: address) == nil)
            }
        }
        #expect(found > 100)
        let person = Principal(
            kind: .person(UserID("usr_1"), role: .member), tenant: TenantID("ten_0"), scopes: Scopes())
        heads.keep([1], of: person, at: .v4(1))
        #expect(heads.head(of: person, at: .v4(1)) == nil)
    }
}

struct NonceTests {
    @Test func `a key never sees a nonce twice, also where its segment is begun again`() throws {
        let header = SegmentHeader(
            number: 1, firstSequence: 0, created: TestRecord.start, capacity: 1 << 20, previous: nil,
            id: [UInt8](repeating: 7, count: SegmentHeader.idByteCount), replaces: false)
        var nonces: Set<[UInt8]> = []
        for _ in 0..<20 {
            let sealer = try SegmentSealer(header, key: LogHarness.key(1))
            var (bytes, leaves, previous) = (header.encoded(), [Digest](), Digest?.none)
            for sequence in 0..<100 {
                let records = AuditRecords([TestRecord.record(.house("test"), sequence)])
                _ = try sealer.appendPiece(of: records, 0..<1, after: &previous, to: &bytes, at: 0, &leaves)
            }
            for piece in SegmentPieces(bytes) { nonces.insert(Array(piece.nonce)) }
        }
        #expect(nonces.count == 2000)
    }
}
