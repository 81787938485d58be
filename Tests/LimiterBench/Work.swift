// SPDX-License-Identifier: Apache-2.0

import Core
import Limiter
import Platform

/// One kind of decision, on a table with many accounts.
protocol Work: AnyObject {
    var table: AccountTable { get }
    /// For how many a decision can be asked.
    var callers: Int { get }
    /// Makes an account for everybody, and counts something in each.
    func fill() throws
    /// Makes what a server has at hand when it asks, and what is no part of the table.
    func prepare() throws
    func decide(_ caller: Int) throws
    /// Settles what was decided and is not settled.
    func settle()
}

/// Who calls: keys, people and addresses by number, a hundred of each to a tenant with one node. The ids are as long as real ones.
struct Crowd {
    let callers: Int
    let tenants: Int

    init(callers: Int) { (self.callers, tenants) = (max(callers, 1), max(callers / 100, 1)) }

    func tenant(_ caller: Int) -> TenantID { TenantID(Self.id("ten_", caller % tenants)) }
    func node(_ caller: Int) -> NodeID { NodeID(Self.id("node_", caller % tenants)) }
    func key(_ caller: Int) -> KeyID { KeyID(Self.id("key_", caller)) }
    func address(_ caller: Int) -> AddressBlock { AddressBlock(.v4(0x0A00_0000 + UInt32(caller / 2))) }

    func user(_ caller: Int) -> EndUser {
        // As a digest: numbers one behind the other would have one half of it the same for all.
        let word = UInt64(caller + 1) &* 0x9E37_79B9_7F4A_7C15
        return EndUser(digest: (0..<16).map { UInt8(truncatingIfNeeded: word >> UInt64($0 % 8 * 8)) })
    }

    private static func id(_ prefix: String, _ number: Int) -> String {
        let digits = String(UInt64(number + 1) &* 0x9E37_79B9_7F4A_7C15, radix: 32, uppercase: true)
        return prefix + String(repeating: "0", count: 26 - digits.utf8.count) + digits
    }
}

/// The clock of the table: 150 µs from decision to decision, so that all rounds together are longer than a window of a minute
/// and granules are begun and forgotten as they are in a server.
struct BenchClock {
    private var nanoseconds: UInt64 = 1_000_000_000_000

    mutating func next() -> Instant {
        nanoseconds += 150_000
        return Instant(nanoseconds: nanoseconds)
    }

    mutating func skip(_ duration: UInt64) { nanoseconds += duration }
}

/// Limits that nobody reaches.
private let far = ["1000000000 requests/minute", "1000000000 requests/hour", "1000000 concurrent"]

extension AccountTable {
    /// With room for as many as are asked for, wherever they fall: what is measured is no table that is full.
    fileprivate convenience init(_ rules: [SubjectKind: [String]]) throws {
        self.init(RuleBook(try rules.mapValues { try Rules(narrowing: $0) }), accountsPerShardMax: 4_000_000)
    }
}

/// Requests of keys whose principals are at hand, as those of a server are.
final class RequestWork: Work {
    let table: AccountTable
    private let crowd: Crowd
    private let isRefused: Bool
    private let granules: Int
    private var clock = BenchClock()
    private var principals: [Principal] = []
    private var underWay: [AccountTable.Pair] = []

    /// - Parameter granules: in how many of a minute's everybody has asked when the memory is measured.
    init(_ buckets: Int, isRefused: Bool = false, granules: Int = 1) throws {
        crowd = Crowd(callers: buckets)
        (self.isRefused, self.granules) = (isRefused, granules)
        table = try AccountTable([
            .key: isRefused ? ["1 requests/day", "1000000000 requests/hour"] : far, .tenant: far,
        ])
        underWay.reserveCapacity(BenchProgram.batch)
    }

    var callers: Int { crowd.callers }

    private func principal(_ caller: Int) -> Principal {
        Principal(
            kind: .key(crowd.key(caller), prefix: "ghk_0123"), tenant: crowd.tenant(caller), scopes: Scopes())
    }

    func fill() throws {
        for _ in 0..<granules {
            for caller in 0..<callers {
                try admit(principal(caller), mayBeRefused: false)
                settle()
            }
            clock.skip(500_000_000)
        }
    }

    func prepare() throws {
        principals = (0..<callers).map(principal)
        for principal in principals { try admit(principal, mayBeRefused: isRefused) }
        settle()
    }

    func decide(_ caller: Int) throws { try admit(principals[caller], mayBeRefused: isRefused) }

    private func admit(_ principal: Principal, mayBeRefused: Bool) throws {
        var pair: AccountTable.Pair?
        switch table.admit(principal, at: clock.next(), &pair) {
        case .admitted? where !mayBeRefused: if let pair { underWay.append(pair) }
        case .refused? where mayBeRefused: break
        case let decision: throw BenchError("\(String(describing: decision))")
        }
    }

    func settle() {
        for pair in underWay { table.leave(pair) }
        underWay.removeAll(keepingCapacity: true)
    }
}

/// Calls that money and tokens are held back for.
final class BudgetWork: Work {
    let table: AccountTable
    private let crowd: Crowd
    private let used: ExchangeFigures.Settlement?
    private let time = WallTime.now()
    private var clock = BenchClock()
    private var known: [(pair: AccountTable.Pair, node: NodeID, user: EndUser)] = []
    private var holds: [AccountTable.CallHold] = []

    init(_ buckets: Int) throws {
        // Each has a key and a person.
        crowd = Crowd(callers: buckets / 2)
        table = try AccountTable([
            .key: ["$1000000/day", "$10000000/month"], .tenant: ["$100000000/month", "$900000000 total"],
            .node: ["$100000000/month"], .user: ["900000000000 tokens/month"],
        ])
        var figures = ExchangeFigures()
        figures.tokens = ExchangeFigures.Tokens(input: 131, output: 120)
        figures.cost = 2_510_000
        used = figures.settled
        holds.reserveCapacity(BenchProgram.batch)
    }

    var callers: Int { crowd.callers }

    private func caller(_ number: Int) throws -> (pair: AccountTable.Pair, node: NodeID, user: EndUser) {
        guard let pair = table.pair(crowd.key(number), of: crowd.tenant(number), at: clock.next()) else {
            throw BenchError("no room for \(number)")
        }
        return (pair, crowd.node(number), crowd.user(number))
    }

    func fill() throws {
        for number in 0..<callers {
            try admit(try caller(number))
            settle()
        }
    }

    func prepare() throws { known = try (0..<callers).map(caller) }

    func decide(_ caller: Int) throws { try admit(known[caller]) }

    private func admit(_ caller: (pair: AccountTable.Pair, node: NodeID, user: EndUser)) throws {
        let call = AccountTable.Call(
            node: caller.node, user: caller.user, tokens: 4500, cost: 45_000_000, time: time)
        guard case .admitted(let hold?, _, _) = table.admit(call, of: caller.pair, at: clock.next()) else {
            throw BenchError("a call was refused, or nothing held back for it")
        }
        holds.append(hold)
    }

    func settle() {
        for hold in holds { hold.settle(used) }
        holds.removeAll(keepingCapacity: true)
    }
}

/// Work that is charged in units.
final class UnitWork: Work {
    let table: AccountTable
    private let crowd: Crowd
    private var clock = BenchClock()
    private var payers: [AccountTable.Payers] = []
    private var holds: [UnitHold] = []

    init(_ buckets: Int) throws {
        // Each has a key, a person and half an address.
        crowd = Crowd(callers: buckets * 2 / 5)
        let far = ["1000000000000 units/hour"]
        table = try AccountTable([.key: far, .tenant: far, .user: far, .address: far, .instance: far])
        holds.reserveCapacity(BenchProgram.batch)
    }

    var callers: Int { crowd.callers }

    private func payers(_ number: Int) throws -> AccountTable.Payers {
        guard let pair = table.pair(crowd.key(number), of: crowd.tenant(number), at: clock.next()) else {
            throw BenchError("no room for \(number)")
        }
        return AccountTable.Payers(pair: pair, user: crowd.user(number), address: crowd.address(number))
    }

    func fill() throws {
        for number in 0..<callers {
            try charge(try payers(number))
            settle()
        }
    }

    func prepare() throws { payers = try (0..<callers).map(payers) }

    func decide(_ caller: Int) throws { try charge(payers[caller]) }

    private func charge(_ payers: AccountTable.Payers) throws {
        guard case .charged(let hold?, _) = table.charge(15, payers, at: clock.next()) else {
            throw BenchError("a charge was refused, or nothing held for it")
        }
        holds.append(hold)
    }

    func settle() {
        for hold in holds { _ = hold.settle(units: 11) }
        holds.removeAll(keepingCapacity: true)
    }
}
