// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Limiter
import Platform

/// Many who come once each within a minute: addresses, and keys of one tenant among them. Says how many accounts there are behind
/// it, how much memory it took, how many were turned away for want of room, and how often a neighbour was who comes all along.
struct Storm {
    let addresses: Int
    let keys: Int
    /// Without, the table takes whoever comes: what a test must notice.
    let isBounded: Bool

    private static let limit = ["1000000 requests/hour"]

    func run() throws -> JSONObject {
        let rules = RuleBook(
            try [
                SubjectKind.key: Rules(narrowing: Self.limit), .tenant: Rules(narrowing: Self.limit),
                .address: Rules(narrowing: Self.limit),
            ])
        let table =
            isBounded ? AccountTable(rules) : AccountTable(rules, accountsPerShardMax: .max, addressesPerShardMax: .max)
        let crowd = Crowd(callers: keys)
        let mine = principal(KeyID("key_neighbour"), TenantID("ten_neighbour"))
        let home = AddressBlock(.v4(0xC000_0201))
        var (full, refused) = (0, 0)
        let before = try residentBytes()
        for number in 0..<(addresses + keys) {
            let now = Instant(
                nanoseconds: 1_000_000_000_000 + UInt64(number) * 60_000_000_000 / UInt64(addresses + keys))
            // Keys are mixed in evenly.
            if number * keys / (addresses + keys) != (number + 1) * keys / (addresses + keys) {
                let key = principal(crowd.key(number), crowd.tenant(0))
                full += admit(key, table, at: now) ? 0 : 1
            } else {
                full += isAdmitted(table.admit(AddressBlock(.v4(0x0A00_0000 + UInt32(number))), at: now)) ? 0 : 1
            }
            guard number.isMultiple(of: 100) else { continue }
            let isServed = isAdmitted(table.admit(home, at: now)) && admit(mine, table, at: now)
            refused += isServed ? 0 : 1
        }
        let bytes = try residentBytes() - before
        return [
            "accounts": .int(table.count), "bytes": .int(bytes), "full": .int(full), "neighbour_refused": .int(refused),
        ]
    }

    private func principal(_ key: KeyID, _ tenant: TenantID) -> Principal {
        Principal(kind: .key(key, prefix: "ghk_0123"), tenant: tenant, scopes: Scopes())
    }

    private func isAdmitted(_ decision: AccountTable.Decision?) -> Bool {
        if case .admitted? = decision { true } else { false }
    }

    private func admit(_ principal: Principal, _ table: AccountTable, at now: Instant) -> Bool {
        var pair: AccountTable.Pair?
        let decision = table.admit(principal, at: now, &pair)
        if let pair { table.leave(pair) }
        return isAdmitted(decision)
    }
}
