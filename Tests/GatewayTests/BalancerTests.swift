// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

@testable import Gateway

@Suite struct BalancerTests {
    private func counts(_ weights: [Int], _ milliseconds: [Double?], of total: Int = 10_000) -> [Int] {
        let shares = Balancer.shares(weights: weights, milliseconds: milliseconds)
        var counts = weights.map { _ in 0 }
        // Every part of the whole, evenly.
        for number in 0..<total { counts[Balancer.pick(shares, chance: Double(number) / Double(total))] += 1 }
        return counts
    }

    @Test func `calls are shared by weight where nothing else is known`() {
        #expect(counts([1, 3], [nil, nil]) == [2500, 7500])
        #expect(counts([1, 3], [50, 50]) == [2500, 7500])
        #expect(counts([1], [nil]) == [10_000])
    }

    @Test func `who begins later is asked less often, and never not at all`() {
        #expect(counts([1, 1], [100, 300]) == [7500, 2500])
        #expect(counts([1, 1], [100, 60_000]) == [9091, 909])
        // Below a millisecond it says nothing, and who has not answered yet is tried.
        #expect(counts([1, 1], [0.01, 0.9]) == [5000, 5000])
        #expect(counts([1, 1], [500, nil]) == [5000, 5000])
    }

    @Test func `every chance picks one`() {
        for chance in [0, 0.5, 1, 1.5, -1] { #expect((0..<3).contains(Balancer.pick([1, 1, 1], chance: chance))) }
        #expect(Balancer.pick([], chance: 0.5) == 0)
    }
}
