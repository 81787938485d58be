// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import Synchronization
import Testing

@testable import Limiter

@Suite struct AccountTableTests {
    private let start = Instant(nanoseconds: 10_000_000_000_000)
    private let tenant = TenantID("ten_a")

    private func rules(_ limit: Int) -> [SubjectKind: Rules] {
        let rules = Rules(requests: [Rate(limit, .requests, per: .hour)])
        return [.key: rules, .tenant: rules]
    }

    private func table(_ limit: Int) -> AccountTable {
        AccountTable(RuleBook(rules(limit)), accountsPerShardMax: perShardMax)
    }

    private let perShardMax = 1024

    private func isAdmitted(_ decision: AccountTable.Decision) -> Bool {
        if case .admitted = decision { true } else { false }
    }

    @Test func `threads that race admit exactly the limit`() throws {
        let table = table(1000)
        let admitted = Atomic<Int>(0)
        let threads = try (0..<4).map { number in
            try NamedThread.start(name: "racer-\(number)") { [start, tenant] in
                for _ in 0..<500 {
                    let decision = table.admit(KeyID("key_\(number)"), of: tenant, at: start)
                    if case .admitted = decision { admitted.add(1, ordering: .relaxed) }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(admitted.load(ordering: .relaxed) == 1000)
    }

    @Test func `minting keys evades nothing`() {
        let table = table(10)
        let admitted = (0..<100).count { isAdmitted(table.admit(KeyID("key_\($0)"), of: tenant, at: start)) }
        #expect(admitted == 10)
        #expect(isAdmitted(table.admit(KeyID("key_0"), of: TenantID("ten_b"), at: start)))
    }

    @Test func `what the tenant's limit refuses uses up nothing of the key's`() {
        let table = table(10)
        for _ in 0..<10 { _ = table.admit(KeyID("key_a"), of: tenant, at: start) }
        for _ in 0..<50 { _ = table.admit(KeyID("key_b"), of: tenant, at: start) }
        #expect(table.standings(of: KeyID("key_b"), of: tenant, at: start).map(\.remaining) == [10, 0])
        #expect(isAdmitted(table.admit(KeyID("key_b"), of: tenant, at: start + .seconds(3630))))
    }

    @Test func `a flood of names forgets nobody and stays within its bound`() {
        let table = table(1)
        let victim = KeyID("key_victim")
        #expect(isAdmitted(table.admit(victim, of: tenant, at: start)))
        let bound = AccountTable.shardCount * perShardMax
        var refused = 0
        for number in 0..<(bound / 2 + 10_000) {
            let decision = table.admit(KeyID("key_\(number)"), of: TenantID("ten_\(number)"), at: start)
            if decision == .full { refused += 1 }
        }
        #expect(refused > 0)
        #expect(table.count <= bound)
        #expect(!isAdmitted(table.admit(victim, of: tenant, at: start)))
        // An hour later the idle ones give way.
        #expect(isAdmitted(table.admit(KeyID("key_new"), of: TenantID("ten_new"), at: start + .seconds(3700))))
    }

    @Test func `a principal that holds windows which were forgotten counts in those that replaced them`() {
        let table = table(10_000)
        var pair: AccountTable.Pair?
        let victim = KeyID("key_victim")
        let principal = Principal(kind: .key(victim, prefix: "ghk_victim"), tenant: tenant, scopes: Scopes())
        #expect(table.admit(principal, at: start, &pair).map(isAdmitted) == true)
        if let pair { table.leave(pair) }
        for number in 0..<perShardMax {
            _ = table.admit(KeyID("key_\(number)"), of: tenant, at: start)
        }
        #expect(table.admit(KeyID("key_late"), of: tenant, at: start) == .full)
        // Everything is idle by then, and gives way to a new name.
        let later = start + .seconds(3700)
        #expect(isAdmitted(table.admit(KeyID("key_new"), of: tenant, at: later)))
        for _ in 0..<3 { #expect(table.admit(principal, at: later, &pair).map(isAdmitted) == true) }
        #expect(table.standings(of: victim, of: tenant, at: later).map(\.remaining) == [10_000 - 3, 10_000 - 4])
    }

    @Test func `the operator is not counted`() {
        let socket = Principal(kind: .socketPeer(userID: 0), tenant: nil, scopes: Scopes())
        var pair: AccountTable.Pair?
        #expect(table(1).admit(socket, at: start, &pair) == nil)
    }

    @Test func `a new limit counts what was counted before`() {
        let table = table(5)
        for _ in 0..<5 { _ = table.admit(KeyID("key_a"), of: tenant, at: start) }
        table.book.setStandard(rules(7))
        let admitted = (0..<10).count { _ in isAdmitted(table.admit(KeyID("key_a"), of: tenant, at: start)) }
        #expect(admitted == 2)
        table.book.setStandard(rules(3))
        #expect(!isAdmitted(table.admit(KeyID("key_a"), of: tenant, at: start)))
    }

    @Test func `a storm of addresses and keys stays within its bound, and a client that behaves is let in all along`() {
        let rules = Rules(requests: [Rate(100_000, .requests, per: .hour)])
        let table = AccountTable(RuleBook([.key: rules, .tenant: rules, .address: rules]))
        let (good, home) = (KeyID("key_good"), AddressBlock(.v4(0x0A00_0001)))
        var storm = 0
        for number in 0..<60_000 {
            let now = start + .milliseconds(number)
            storm += isAdmitted(table.admit(AddressBlock(.v4(0x2000_0000 + UInt32(number))), at: now)) ? 1 : 0
            if number < 10_000 {
                _ = table.admit(KeyID("key_\(number)"), of: TenantID("ten_\(number % 100)"), at: now)
            }
            guard number.isMultiple(of: 100) else { continue }
            #expect(isAdmitted(table.admit(home, at: now)) && isAdmitted(table.admit(good, of: tenant, at: now)))
        }
        #expect(storm == 60_000)
        for number in 0..<300_000 { _ = table.admit(AddressBlock(.v4(0x4000_0000 + UInt32(number))), at: start) }
        let addressesMax = AccountTable.shardCount * AccountTable.addressesPerShardMax
        #expect(table.count > addressesMax * 9 / 10 && table.count <= addressesMax + 10_200)
        // The addresses have filled their own shards, and nothing of those who are known.
        #expect(isAdmitted(table.admit(KeyID("key_late"), of: TenantID("ten_late"), at: start)))
    }

    @Test func `a tenant may have ten thousand keys at once, and what somebody forgotten has spent is kept`() throws {
        let rules = Rules(requests: [Rate(5, .requests, per: .second)], budgets: [try Budget("$1 total")])
        let table = AccountTable(RuleBook([.key: rules]))
        for number in 0..<10_000 {
            #expect(isAdmitted(table.admit(KeyID("key_\(number)"), of: tenant, at: start)))
        }
        let spent = Spending(
            sequence: 1, time: .now(), tenant: tenant, key: KeyID("key_3"), node: nil, endUser: nil, tokens: 1,
            cost: 400_000_000)
        table.tell(spent, isNew: true)
        // Room is needed, and all of these have been idle for a minute.
        for number in 10_000..<2 * AccountTable.accountsPerShardMax {
            _ = table.admit(KeyID("key_\(number)"), of: tenant, at: start + .seconds(60))
        }
        #expect(table.count <= AccountTable.accountsPerShardMax)
        let left = { table.budgetStandings(of: [.key(KeyID("key_3"))], of: self.tenant, at: .now())[0].remaining }
        #expect(left() == 600_000_000)
        // Told while it has no account, and after it has one again.
        table.tell(spent, isNew: true)
        #expect(left() == 200_000_000)
        _ = table.pair(KeyID("key_3"), of: tenant, at: start + .seconds(120))
        table.tell(spent, isNew: true)
        #expect(left() == 0)
        #expect(table.takeSpent().first { $0.subject == .key(KeyID("key_3")) }?.meter.total.cost == 1_200_000_000)
        #expect(table.takeSpent().isEmpty)
    }

    // MARK: Under way

    @Test func `no more are under way at once than may be, and who leaves makes room`() {
        let table = AccountTable(
            RuleBook([.key: Rules(requests: [], concurrentMax: 3), .tenant: .none]), accountsPerShardMax: perShardMax)
        let pairs = (0..<3).map { _ in table.pair(KeyID("key_a"), of: tenant, at: start) }
        for pair in pairs.compactMap(\.self) { #expect(table.admit(pair, at: start) == .admitted(tightest: nil)) }
        guard let pair = pairs[0], case .refused(let standing) = table.admit(pair, at: start) else {
            Issue.record("the fourth was let in")
            return
        }
        #expect(standing.state.name == "concurrent_requests" && standing.remaining == 0)
        table.leave(pair)
        #expect(table.admit(pair, at: start) == .admitted(tightest: nil))
    }

    @Test func `what is under way is not forgotten`() {
        let table = table(10)
        guard let pair = table.pair(KeyID("key_long"), of: tenant, at: start) else { return }
        _ = table.admit(pair, at: start)
        for number in 0..<2 * perShardMax {
            _ = table.pair(KeyID("key_\(number)"), of: tenant, at: start + .seconds(7200 + number))
        }
        #expect(!pair.key.isForgotten && pair.key.underWay == 1)
    }

    // MARK: Calls

    private func admit(_ call: AccountTable.Call, _ table: AccountTable, key: String = "key_a") -> String {
        guard let pair = table.pair(KeyID(key), of: tenant, at: start) else { return "full" }
        switch table.admit(call, of: pair, at: start) {
        case .admitted(let hold, _, _):
            hold?.settle(settlement(call.tokens / 10))
            return "admitted"
        case .refused(let standing): return "\(standing.state.scope) \(standing.state.name)"
        case .unpriced: return "unpriced"
        case .full: return "full"
        }
    }

    @Test func `a node and an end user have limits of their own, whatever key asks`() {
        let table = AccountTable(
            RuleBook([
                .node: Rules(requests: [Rate(3, .requests, per: .minute)]),
                .user: Rules(requests: [Rate(2, .requests, per: .minute)]),
            ]))
        let ana = EndUser(digest: [1]), ben = EndUser(digest: [2])
        #expect(admit(.init(node: NodeID("node_1"), user: ana), table) == "admitted")
        #expect(admit(.init(node: NodeID("node_2"), user: ana), table, key: "key_b") == "admitted")
        #expect(admit(.init(node: NodeID("node_2"), user: ana), table) == "user requests_per_minute")
        #expect(admit(.init(node: NodeID("node_1"), user: ben), table) == "admitted")
        #expect(admit(.init(node: NodeID("node_1"), user: nil), table) == "admitted")
        #expect(admit(.init(node: NodeID("node_1"), user: ben), table) == "node requests_per_minute")
        // What the node's limit refused has used up nothing of the user's.
        #expect(admit(.init(node: NodeID("node_3"), user: ben), table) == "admitted")
    }

    @Test func `tokens are held at the worst case and given back when it is known better`() {
        let table = AccountTable(RuleBook([.key: Rules(requests: [], tokens: [Rate(1000, .tokens, per: .minute)])]))
        #expect(admit(.init(tokens: 1001), table) == "key tokens_per_minute")
        // Each uses a tenth of what is held for it.
        for _ in 0..<5 { #expect(admit(.init(tokens: 600), table) == "admitted") }
        #expect(table.standings(of: KeyID("key_a"), of: tenant, at: start)[0].remaining == 700)
        #expect(admit(.init(tokens: 701), table) == "key tokens_per_minute")
    }

    @Test func `a hold that is dropped stands at its worst case, and settling twice changes nothing`() {
        let table = AccountTable(RuleBook([.tenant: Rules(requests: [], tokens: [Rate(1000, .tokens, per: .hour)])]))
        guard let pair = table.pair(KeyID("key_a"), of: tenant, at: start) else { return }
        func left() -> Int { table.standings(of: KeyID("key_a"), of: tenant, at: start).last?.remaining ?? -1 }
        func reserve(_ tokens: Int) -> AccountTable.CallHold? {
            guard case .admitted(let hold, _, _) = table.admit(.init(tokens: tokens), of: pair, at: start) else {
                return nil
            }
            return hold
        }
        do {
            guard let hold = reserve(400) else { return }
            let reservation = Reservation(hold)
            _ = consume reservation
        }
        #expect(left() == 600)
        guard let hold = reserve(400) else { return }
        Reservation(hold).settle(settlement(150))
        #expect(left() == 450)
        hold.settle(nil)
        #expect(left() == 450)
    }

    // MARK: Rules that change

    @Test func `an override holds at once for whoever has its account at hand, and goes again`() {
        let table = table(10)
        guard let pair = table.pair(KeyID("key_a"), of: tenant, at: start) else { return }
        _ = table.admit(pair, at: start)
        table.book.set(.init(limits: Rules(requests: [Rate(2, .requests, per: .hour)])), for: .key(KeyID("key_a")))
        #expect(isAdmitted(table.admit(pair, at: start) ?? .full))
        #expect(!isAdmitted(table.admit(pair, at: start) ?? .full))
        table.book.set(.init(), for: .key(KeyID("key_a")))
        #expect(isAdmitted(table.admit(pair, at: start) ?? .full))
    }

    @Test func `an IPv6 network of 64 bits is one address, and a mapped address the one it stands for`() throws {
        let table = AccountTable(RuleBook([.address: Rules(requests: [Rate(2, .requests, per: .minute)])]))
        let same = ["2001:db9::1", "2001:db9::ffff:1", "2001:db9:0:0:abcd::"]
        let admitted = try same.map { isAdmitted(table.admit(AddressBlock(try #require(IPAddress($0))), at: start)) }
        #expect(admitted == [true, true, false])
        #expect(isAdmitted(table.admit(AddressBlock(try #require(IPAddress("2001:db9:0:1::1"))), at: start)))
        let mapped = ["192.0.2.7", "::ffff:192.0.2.7", "192.0.2.7"]
        let fromV4 = try mapped.map { isAdmitted(table.admit(AddressBlock(try #require(IPAddress($0))), at: start)) }
        #expect(fromV4 == [true, true, false])
    }
}

extension AccountTable {
    /// A request that is over at once.
    fileprivate func admit(_ key: KeyID, of tenant: TenantID, at now: Instant) -> Decision {
        guard let pair = pair(key, of: tenant, at: now) else { return .full }
        let decision = admit(pair, at: now) ?? .full
        if case .admitted = decision { leave(pair) }
        return decision
    }
}
