// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import Support
import Synchronization
import Testing

@testable import Limiter

/// A list of what was admitted, and when: slow, obvious, and right.
private struct NaiveLog {
    private var times: [UInt64] = []
    /// The sums up to each entry.
    private var sums: [Int] = [0]

    mutating func admit(_ units: Int, at time: UInt64) {
        times.append(time)
        sums.append((sums.last ?? 0) + units)
    }

    /// What lies in (now - length, now].
    func total(at now: UInt64, length: UInt64) -> Int {
        let from = now > length ? now - length : 0
        var (low, high) = (0, times.count)
        while low < high {
            let middle = (low + high) / 2
            if times[middle] > from { high = middle } else { low = middle + 1 }
        }
        return (sums.last ?? 0) - sums[low]
    }
}

/// The limiter beside a naive model: the same events to both, and a clock that is an argument.
@Suite struct LimiterModelTests {
    private static let texts = ["9 requests/second", "60 requests/minute", "700 requests/hour", "4000 requests/day"]
    private static let tokens = ["3000 tokens/minute", "20000 tokens/hour"]

    private static func granule(_ rate: Rate) -> UInt64 { (UInt64(rate.period.seconds) * 1_000_000_000 + 119) / 120 }
    private static func length(_ rate: Rate) -> UInt64 { UInt64(rate.period.seconds) * 1_000_000_000 }

    /// Time goes on in bursts, steadily near the limits, and in pauses longer than a window.
    private static func step(_ random: inout SeededGenerator) -> UInt64 {
        switch random.below(1000) {
        case 0..<700: UInt64(random.below(40_000_000))
        case 700..<960: UInt64(random.below(1_000_000_000))
        case 960..<990: UInt64(random.below(60)) * 1_000_000_000
        case 990..<999: UInt64(random.below(1800)) * 1_000_000_000
        default: UInt64(random.below(90_000)) * 1_000_000_000
        }
    }

    /// What a long run has tried; the seed has it again.
    private static func tell(_ what: String, _ events: Int, _ more: String) {
        guard Repetition.isFull else { return }
        print("\(what): \(events) events, \(more), seed \(SeededGenerator.seed)")
    }

    /// Four threads, forty tries each at once; what they got together.
    private static func race(_ ask: @escaping @Sendable (_ thread: Int, _ event: Int) -> Int) throws -> Int {
        let count = Atomic(0)
        let threads = try (0..<4).map { number in
            try NamedThread.start(name: "racer-\(number)") {
                for event in 0..<40 { count.add(ask(number, event), ordering: .relaxed) }
            }
        }
        for thread in threads { thread.join() }
        return count.load(ordering: .relaxed)
    }

    @Test func `agrees with a naive model of every kind of limit, to the stated granule`() throws {
        let rules = try Rules(Self.texts)
        let ofTokens = try Rules(Self.tokens)
        let table = AccountTable(
            RuleBook([.key: rules, .tenant: try Rules(["90 requests/minute"] + Self.tokens), .user: ofTokens]))
        var random = SeededGenerator()
        let tenant = TenantID("ten_model")
        let keys = (0..<3).map { KeyID("key_\($0)") }
        let users = (0..<2).map { EndUser(digest: [UInt8($0)]) }
        var requests: [String: NaiveLog] = [:]
        var spent: [String: NaiveLog] = [:]
        var now: UInt64 = 1_000_000_000_000
        var (admitted, refused) = (0, 0)
        let events = Repetition.rounds(150_000, full: 2_000_000)
        for event in 0..<events {
            now += Self.step(&random)
            let time = Instant(nanoseconds: now)
            let key = keys[random.below(3)]
            let pair = try #require(table.pair(key, of: tenant, at: time))
            let place = "seed \(SeededGenerator.seed), event \(event)"
            let counted = [(key.text, rules.requests), ("tenant", [Rate(90, .requests, per: .minute)])]
            guard case .admitted? = table.admit(pair, at: time) else {
                refused += 1
                let isFull = counted.contains { name, rates in
                    rates.contains { rate in
                        (requests[name]?.total(at: now, length: Self.length(rate) + Self.granule(rate)) ?? 0)
                            >= rate.limit
                    }
                }
                #expect(isFull, "refused with room: \(place)")
                continue
            }
            admitted += 1
            table.leave(pair)
            for (name, rates) in counted {
                requests[name, default: NaiveLog()].admit(1, at: now)
                for rate in rates {
                    let total = requests[name]?.total(at: now, length: Self.length(rate)) ?? 0
                    #expect(total <= rate.limit, "\(rate.name): \(place)")
                }
            }
            // Some of the requests are calls: at the worst case first, then at what they used.
            guard random.below(4) == 0 else { continue }
            let (user, worst) = (random.below(2), 1 + random.below(900))
            let call = AccountTable.Call(user: users[user], tokens: worst)
            let used = 1 + random.below(worst)
            switch table.admit(call, of: pair, at: time) {
            case .admitted(let hold, _, _):
                hold?.settle(settlement(used))
                for name in ["tenant", "user \(user)"] {
                    spent[name, default: NaiveLog()].admit(used, at: now)
                    for rate in ofTokens.tokens {
                        let total = spent[name]?.total(at: now, length: Self.length(rate)) ?? 0
                        #expect(total <= rate.limit, "\(rate.name): \(place)")
                    }
                }
            case .refused:
                let isFull = ["tenant", "user \(user)"].contains { name in
                    ofTokens.tokens.contains { rate in
                        (spent[name]?.total(at: now, length: Self.length(rate) + Self.granule(rate)) ?? 0) + worst
                            > rate.limit
                    }
                }
                #expect(isFull, "a call refused with room: \(place)")
            case .unpriced, .full: Issue.record("\(place)")
            }
        }
        // Neither side of the comparison was empty.
        #expect(admitted > 10_000 && refused > 10_000)
        Self.tell("rates and tokens", events, "\(admitted) admitted, \(refused) refused")
    }

    @Test func `as many are under way as a naive count says, and no more than may be`() throws {
        let table = AccountTable(RuleBook([.key: try Rules(["3 concurrent"]), .tenant: try Rules(["5 concurrent"])]))
        var random = SeededGenerator()
        let tenant = TenantID("ten_model")
        var underWay: [[AccountTable.Pair]] = [[], [], []]
        let time = Instant(nanoseconds: 1_000_000_000_000)
        let events = Repetition.rounds(40_000, full: 1_000_000)
        for event in 0..<events {
            let place = "seed \(SeededGenerator.seed), event \(event)"
            let key = random.below(3)
            if random.below(2) == 0, let last = underWay[key].popLast() {
                table.leave(last)
                continue
            }
            let pair = try #require(table.pair(KeyID("key_\(key)"), of: tenant, at: time))
            let fits = underWay[key].count < 3 && underWay.joined().count < 5
            guard case .admitted? = table.admit(pair, at: time) else {
                #expect(!fits, "refused with room: \(place)")
                continue
            }
            #expect(fits, "admitted without room: \(place)")
            underWay[key].append(pair)
        }
        Self.tell("what is under way", events, "three keys")
    }

    @Test func `four threads admit what one would, in every window`() throws {
        let rates = [Rate(50, .requests, per: .second), Rate(2000, .requests, per: .minute)]
        let rules = Rules(requests: rates)
        let table = AccountTable(RuleBook([.key: .none, .tenant: rules]))
        let tenant = TenantID("ten_model")
        var random = SeededGenerator()
        var now: UInt64 = 1_000_000_000_000
        var log = NaiveLog()
        let rounds = Repetition.rounds(150, full: 10_000)
        var admitted = 0
        for round in 0..<rounds {
            now += Self.step(&random)
            let time = Instant(nanoseconds: now)
            let count = try Self.race { number, event in
                let pair = table.pair(KeyID("key_\(number)_\(event % 3)"), of: tenant, at: time)
                guard let pair, case .admitted? = table.admit(pair, at: time) else { return 0 }
                table.leave(pair)
                return 1
            }
            let place = "seed \(SeededGenerator.seed), round \(round)"
            // 160 ask; what one thread would admit is what the tightest window has left.
            let most = rates.map { $0.limit - log.total(at: now, length: Self.length($0)) }.min() ?? 0
            let least =
                rates.map {
                    $0.limit - log.total(at: now, length: Self.length($0) + Self.granule($0))
                }.min() ?? 0
            #expect(count <= most && count >= min(least, 160), "\(count) of \(least) to \(most): \(place)")
            log.admit(count, at: now)
            admitted += count
        }
        Self.tell("rates on four threads", rounds * 160, "\(admitted) admitted")
    }

    /// Units of key, person, address, tenant and the whole server at once; some work stands at its most, since nobody settled it.
    @Test func `agrees with a naive model of units for everybody whom they count for`() throws {
        let limits: [SubjectKind: [String]] = [
            .key: ["400 units/minute"], .user: ["900 units/hour"], .address: ["150 units/second", "700 units/minute"],
            .tenant: ["1000 units/minute", "9000 units/hour"], .instance: ["1100 units/minute", "90000 units/day"],
        ]
        let rules = try limits.mapValues { try Rules($0) }
        let table = AccountTable(RuleBook(rules))
        var random = SeededGenerator()
        let tenants = (0..<2).map { TenantID("ten_\($0)") }
        var logs: [String: NaiveLog] = [:]
        var now: UInt64 = 1_000_000_000_000
        var (charged, refused) = (0, 0)
        let events = Repetition.rounds(60_000, full: 1_500_000)
        for event in 0..<events {
            now += Self.step(&random) / 3
            let time = Instant(nanoseconds: now)
            let (tenant, key, user, address) = (
                random.below(2), random.below(2), random.below(3), UInt32(random.below(3))
            )
            let names: [(String, SubjectKind)] = [
                ("key \(tenant) \(key)", .key), ("user \(tenant) \(user)", .user), ("address \(address)", .address),
                ("tenant \(tenant)", .tenant), ("whole", .instance),
            ]
            let payers = AccountTable.Payers(
                pair: try #require(table.pair(KeyID("key_\(tenant)_\(key)"), of: tenants[tenant], at: time)),
                user: EndUser(digest: [UInt8(tenant), UInt8(user)]), address: AddressBlock(.v4(address)))
            let most = 1 + random.below(90)
            let place = "seed \(SeededGenerator.seed), event \(event)"
            func total(_ name: String, _ rate: Rate, beyond: UInt64 = 0) -> Int {
                logs[name]?.total(at: now, length: Self.length(rate) + beyond) ?? 0
            }
            switch table.charge(most, payers, at: time) {
            case .charged(let hold, _):
                charged += 1
                let used = random.below(4) == 0 ? most : random.below(most + 1)
                if used < most { hold?.settle(units: used) }
                for (name, kind) in names {
                    for rate in rules[kind]?.units ?? [] {
                        #expect(total(name, rate) + most <= rate.limit, "\(name) \(rate.name): \(place)")
                    }
                    logs[name, default: NaiveLog()].admit(used, at: now)
                }
            case .refused(let standing):
                refused += 1
                let isFull = names.contains { name, kind in
                    (rules[kind]?.units ?? []).contains { total(name, $0, beyond: Self.granule($0)) + most > $0.limit }
                }
                #expect(isFull, "refused with room: \(place)")
                #expect(standing.nextAfter > .zero, "\(place)")
            case .full: Issue.record("\(place)")
            }
        }
        #expect(charged > 2000 && refused > 2000, "\(charged) \(refused)")
        Self.tell("units", events, "\(charged) charged, \(refused) refused")
    }

    @Test func `four threads charge what one would, in every window`() throws {
        let rate = Rate(500, .units, per: .minute)
        let rules = Rules(requests: [], units: [rate])
        let table = AccountTable(RuleBook([.instance: rules, .address: rules, .tenant: rules]))
        var random = SeededGenerator()
        var now: UInt64 = 1_000_000_000_000
        var log = NaiveLog()
        let rounds = Repetition.rounds(60, full: 10_000)
        var charged = 0
        for round in 0..<rounds {
            now += Self.step(&random)
            let time = Instant(nanoseconds: now)
            let count = try Self.race { number, _ in
                let pair = table.pair(KeyID("key_\(number)"), of: TenantID("ten_model"), at: time)
                guard let pair else { return 0 }
                let payers = AccountTable.Payers(pair: pair, address: AddressBlock(.v4(7)))
                guard case .charged(let hold?, _) = table.charge(5, payers, at: time) else { return 0 }
                return hold.settle(units: 3) ? 3 : 0
            }
            let place = "seed \(SeededGenerator.seed), round \(round)"
            let room = rate.limit - log.total(at: now, length: Self.length(rate))
            let least = rate.limit - log.total(at: now, length: Self.length(rate) + Self.granule(rate))
            // Each asks for five and uses three; four may hold five at once where there is room for fewer.
            #expect(count <= room && count >= min(least - 20, 480), "\(count) of \(least) to \(room): \(place)")
            log.admit(count, at: now)
            charged += count
        }
        Self.tell("units on four threads", rounds * 160, "\(charged) charged")
    }
}
