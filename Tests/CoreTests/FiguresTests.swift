// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Core

@Suite struct FiguresTests {
    private typealias WorstCase = ExchangeFigures.WorstCase

    @Test func `together with what has no price nothing has one, and sums stop at the end of the type`() {
        let priced = WorstCase(input: 1, output: 2, cost: 3)
        let unpriced = WorstCase(input: 10, output: 20, cost: nil)
        #expect(priced + priced == WorstCase(input: 2, output: 4, cost: 6))
        #expect(priced + unpriced == WorstCase(input: 11, output: 22, cost: nil))
        #expect(unpriced + priced == WorstCase(input: 11, output: 22, cost: nil))
        #expect(priced + nil == priced)
        let most = WorstCase(input: .max, output: .max, cost: .max)
        #expect(most + priced == most)
    }

    @Test func `what is settled is what was counted, else the worst case, and always what was lost before it`() {
        var figures = ExchangeFigures()
        figures.worstCase = WorstCase(input: 100, output: 50, cost: 1000)
        figures.alternatives = WorstCase(input: 100, output: 40, cost: 500)
        #expect(figures.heldBack == WorstCase(input: 200, output: 90, cost: 1500))
        // Nobody was asked.
        #expect(figures.settled == nil)
        figures.mayHaveUsed = true
        #expect(
            figures.settled == .init(tokens: .init(input: 100, output: 50, isEstimated: true), cost: 1000))
        figures.asked = WorstCase(input: 100, output: 40, cost: 500)
        #expect(figures.settled == .init(tokens: .init(input: 100, output: 40, isEstimated: true), cost: 500))
        figures.tokens = .init(input: 7, output: 3, cached: 2)
        figures.cost = 60
        #expect(figures.settled == .init(tokens: .init(input: 7, output: 3, cached: 2), cost: 60))
        figures.lost = figures.worstCase
        #expect(
            figures.settled
                == .init(tokens: .init(input: 107, output: 53, cached: 2, isEstimated: true), cost: 1060))
        // All of them were refused: nobody counted but the one that was lost.
        figures.tokens = nil
        figures.mayHaveUsed = false
        #expect(figures.settled == .init(tokens: .init(input: 100, output: 50, isEstimated: true), cost: 1000))
    }
}
