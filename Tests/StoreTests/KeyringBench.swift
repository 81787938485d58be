// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import Support
import Testing

@testable import Store

/// Figures, not tests: they run where `GATEHOUSE_BENCH` is set, on a build with optimisation.
@Suite(.serialized, .enabled(if: Environment.variable("GATEHOUSE_BENCH") != nil)) struct KeyringBench {
    private func measure(_ what: String, _ body: () throws -> Void) throws {
        let start = Instant.now()
        try body()
        print("bench: \(what): \((Instant.now() - start) / .milliseconds(1)) ms")
    }

    @Test func `a million object keys are made, and wrapped anew`() throws {
        let house = try KeyringHouse()
        let keyring = try house.open()
        try keyring.createTenant(.red)
        let count = 1_000_000
        try measure("\(count) object keys made, in groups") {
            for start in stride(from: 0, to: count, by: GroupCommit.groupMax) {
                try keyring.finish(
                    try (start..<min(start + GroupCommit.groupMax, count)).map { number in
                        try keyring.beginObjectKey(.red, ObjectID(number: number))
                    })
            }
        }
        try keyring.erase(.red, [ObjectID(number: 1)])
        try measure("a roll that wraps them anew") { try #require(try keyring.roll().objects == count - 1) }
        try measure("a roll without erasures") { _ = try keyring.roll() }
        try measure("another master key") { _ = try keyring.rotateMaster(UnlockSecret.atHand([.file(house.keyFile)])) }
        keyring.forget()
        try measure("10,000 object keys opened, none of them cached") {
            for number in 2..<10_002 { _ = try #require(try keyring.objectKey(.red, ObjectID(number: number * 97))) }
        }
        keyring.close()
        try measure("a start") { try house.open().close() }
    }

    @Test func `single object keys, each durable before the next, and eight threads at once`() throws {
        let house = try KeyringHouse()
        let keyring = try house.open()
        defer { keyring.close() }
        try keyring.createTenant(.red)
        try measure("1,000 object keys, one after the other") {
            for number in 0..<1000 { try keyring.createObjectKey(.red, ObjectID(number: number)) }
        }
        try measure("8,000 object keys by eight threads, each durable before the thread's next") {
            try withThreads(8) { thread in
                for number in 0..<1000 {
                    _ = try? keyring.createObjectKey(.red, ObjectID(number: 10_000 * (thread + 1) + number))
                }
            }
        }
    }
}
