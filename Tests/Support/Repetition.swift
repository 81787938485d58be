// SPDX-License-Identifier: Apache-2.0

/// How long the random tests run: short by default, `GATEHOUSE_PROVE=1` for their full length (`make prove`).
package enum Repetition {
    package static let isFull = Environment.variable("GATEHOUSE_PROVE") == "1"

    /// Rounds of a test.
    package static func rounds(_ short: Int, full: Int) -> Int { isFull ? full : short }
}
