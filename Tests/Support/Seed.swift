// SPDX-License-Identifier: Apache-2.0

/// Random numbers that can be had again: `GATEHOUSE_SEED` repeats a run, whose tests have printed the seed.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    /// The seed of this run.
    package static let seed: UInt64 =
        Environment.variable("GATEHOUSE_SEED").flatMap { UInt64($0) } ?? .random(in: 0 ... .max)

    private var state: UInt64

    package init(_ seed: UInt64 = SeededGenerator.seed) { state = seed }

    /// SplitMix64.
    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }

    /// A number from 0 to `bound - 1`. `bound` is positive.
    package mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
