// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import HTTP
import Platform
import Support
import Testing

@testable import Gateway

@Suite struct RetryTests {
    @Test func `all retries together are a tenth of the calls, and a few at the beginning`() {
        var budget = RetryBudget()
        var retries = 0
        for _ in 0..<10_000 {
            budget.earn()
            if budget.spend() { retries += 1 }
        }
        #expect(retries == 1003)
        // A quiet time saves up no more than ten.
        for _ in 0..<10_000 { budget.earn() }
        #expect((0..<20).count { _ in budget.spend() } == 10)
    }

    @Test func `the pause doubles up to a bound, is any part of that, and keeps to what the provider wants`() {
        let most = (0..<6).map { RetryBudget.pause(before: $0, wish: nil, chance: 1) }
        #expect(most == [200, 400, 800, 1600, 2000, 2000].map { .milliseconds($0) })
        #expect(RetryBudget.pause(before: 5, wish: nil, chance: 0) == .zero)
        #expect(RetryBudget.pause(before: 0, wish: .seconds(1), chance: 0.5) == .milliseconds(1100))
        #expect(RetryBudget.pause(before: 0, wish: .milliseconds(2001), chance: 0) == nil)
    }

    private func fault(_ status: Int) -> Fault { Fault.upstream(status: status, body: []) }

    @Test func `only what is safe is sent again`() {
        for status in [429, 500, 502, 503, 529] { #expect(fault(status).permitsRetry, "\(status)") }
        for status in [400, 401, 402, 403, 404, 408, 413, 422, 501, 504] {
            #expect(!fault(status).permitsRetry, "\(status)")
        }
        // Out of funds is no question of time.
        let broke = Fault.upstream(status: 429, body: Array(#"{"error":{"code":"insufficient_quota"}}"#.utf8))
        #expect(!broke.permitsRetry)
        for failure in [ClientFailure.connect(.reset), .timedOut(.connect)] {
            #expect(Fault(failure).permitsRetry && !Fault(failure).mayHaveCounted, "\(failure)")
        }
        let doubtful: [ClientFailure] = [
            .interrupted, .malformed("x"), .busy, .timedOut(.firstByte), .tls("x"), .cancelled,
        ]
        for failure in doubtful {
            #expect(!Fault(failure).permitsRetry, "\(failure)")
        }
        #expect(!Fault(.circuitOpen, "").permitsRetry)
    }

    @Test func `an answer that begins late has failed, where that is asked for`() {
        var rules = BreakerRules()
        #expect(Breaker.Outcome(beganAfter: .seconds(100), rules) == .succeeded)
        rules.latency = .seconds(2)
        #expect(Breaker.Outcome(beganAfter: .seconds(2), rules) == .succeeded)
        #expect(Breaker.Outcome(beganAfter: .milliseconds(2001), rules) == .failed)
    }
}
