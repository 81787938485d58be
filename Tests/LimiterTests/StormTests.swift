// SPDX-License-Identifier: Apache-2.0

import JSON
import Limiter
import Support
import Testing

/// A storm of addresses and keys, in a process of its own: so what it takes of memory is measured and not reckoned.
@Suite struct StormTests {
    private struct Report {
        let accounts: Int
        let bytes: Int
        let full: Int
        let neighbourRefused: Int
    }

    private func storm(addresses: Int, keys: Int, isBounded: Bool = true) throws -> Report {
        let program = try Conversation(
            BuiltProgram.path("LimiterBench"),
            ["storm", "\(addresses)", "\(keys)", isBounded ? "bounded" : "unbounded"])
        let said = program.readAll()
        let json = try JSONValue(parsing: Array(said.utf8), strictness: .rfc8259)
        func int(_ name: String) throws -> Int { try #require(json[name]?.int, "\(said)") }
        return Report(
            accounts: try int("accounts"), bytes: try int("bytes"), full: try int("full"),
            neighbourRefused: try int("neighbour_refused"))
    }

    @Test func `a minute of addresses and keys takes no more than each may, and turns nobody away`() throws {
        let (addresses, keys) = Repetition.isFull ? (50_000, 10_000) : (10_000, 2000)
        let found = try storm(addresses: addresses, keys: keys)
        // And the neighbour's address, key and tenant, and the tenant of the keys.
        #expect(found.accounts == addresses + keys + 4)
        #expect(found.bytes <= found.accounts * AccountTable.newcomerBytesMax, "\(found)")
        #expect(found.full == 0 && found.neighbourRefused == 0)
        if Repetition.isFull { print("storm: \(found)") }
    }

    /// The control is a table that takes whoever comes.
    @Test func `more addresses than there is room for take no more memory, and a table without a bound would`() throws {
        let most = AccountTable.addressesMax
        let bytesMax = most * AccountTable.newcomerBytesMax
        let found = try storm(addresses: most + Repetition.rounds(30_000, full: 2_000_000), keys: 0)
        #expect(found.accounts > most * 9 / 10 && found.accounts <= most + 3 && found.full > 0, "\(found)")
        #expect(found.bytes <= bytesMax, "\(found)")
        // Who was there before it is served all along.
        #expect(found.neighbourRefused == 0)
        if Repetition.isFull { print("storm: \(found)") }
        let boundless = try storm(addresses: most * 5 / 2, keys: 0, isBounded: false)
        #expect(boundless.accounts > most + 3 && boundless.bytes > bytesMax, "\(boundless)")
    }
}
