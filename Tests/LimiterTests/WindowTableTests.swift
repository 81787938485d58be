// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import Synchronization
import Testing

@testable import Limiter

@Suite struct WindowTableTests {
    private let start = Instant(nanoseconds: 10_000_000_000_000)
    private let tenant = TenantID("ten_a")

    private func table(_ limit: Int) -> WindowTable {
        WindowTable(name: "requests_per_hour", rate: Rate(limit: limit, per: .seconds(3600)))
    }

    private func isAdmitted(_ decision: WindowTable.Decision) -> Bool {
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
        #expect(table.states(of: KeyID("key_b"), of: tenant, at: start)[0].remaining == 10)
        #expect(table.states(of: KeyID("key_b"), of: tenant, at: start)[1].remaining == 0)
        #expect(isAdmitted(table.admit(KeyID("key_b"), of: tenant, at: start + .seconds(3616))))
    }

    @Test func `a flood of names forgets nobody and stays within its bound`() {
        let table = table(1)
        let victim = KeyID("key_victim")
        #expect(isAdmitted(table.admit(victim, of: tenant, at: start)))
        let bound = WindowTable.shardCount * WindowTable.windowsPerShardMax
        var refused = 0
        for number in 0..<(bound / 2 + 20_000) {
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
        let victim = KeyID("key_victim")
        let principal = Principal(kind: .key(victim, prefix: "ghk_victim"), tenant: tenant, scopes: Scopes())
        #expect(table.admit(principal, at: start).map(isAdmitted) == true)
        for number in 0..<WindowTable.windowsPerShardMax {
            _ = table.admit(KeyID("key_\(number)"), of: tenant, at: start)
        }
        #expect(table.admit(KeyID("key_late"), of: tenant, at: start) == .full)
        // Everything is idle by then, and gives way to a new name.
        let later = start + .seconds(3700)
        #expect(isAdmitted(table.admit(KeyID("key_new"), of: tenant, at: later)))
        for _ in 0..<3 { #expect(table.admit(principal, at: later).map(isAdmitted) == true) }
        #expect(table.states(of: victim, of: tenant, at: later).map(\.remaining) == [10_000 - 3, 10_000 - 4])
    }

    @Test func `the operator is not counted`() {
        let socket = Principal(kind: .socketPeer(userID: 0), tenant: nil, scopes: Scopes())
        #expect(table(1).admit(socket, at: start) == nil)
    }

    @Test func `a new limit counts what was counted before`() {
        let table = table(5)
        for _ in 0..<5 { _ = table.admit(KeyID("key_a"), of: tenant, at: start) }
        table.setLimit(7)
        let admitted = (0..<10).count { _ in isAdmitted(table.admit(KeyID("key_a"), of: tenant, at: start)) }
        #expect(admitted == 2)
        table.setLimit(3)
        #expect(!isAdmitted(table.admit(KeyID("key_a"), of: tenant, at: start)))
    }
}
