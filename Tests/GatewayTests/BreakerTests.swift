// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import Support
import Testing

@testable import Gateway

@Suite struct BreakerTests {
    private let rules = BreakerRules(failurePercent: 50, callsMin: 10, pause: .seconds(5))
    private let start = Instant(nanoseconds: 1_000_000_000_000)

    private func run(_ breaker: inout Breaker, _ outcomes: [Breaker.Outcome], at now: Instant) -> [Breaker.Decision] {
        outcomes.map { outcome in
            let decision = breaker.admit(at: now)
            breaker.report(outcome, of: decision, at: now, rules, chance: 0)
            return decision
        }
    }

    private func opened() -> Breaker {
        var breaker = Breaker()
        _ = run(&breaker, Array(repeating: .failed, count: 10), at: start)
        return breaker
    }

    @Test func `opens at its share of failures, and not before there are enough calls`() {
        var breaker = Breaker()
        _ = run(&breaker, Array(repeating: .failed, count: 9), at: start)
        #expect(breaker.state == .closed)
        _ = run(&breaker, [.failed], at: start)
        #expect(breaker.state == .open(until: start + .seconds(5)))
        var half = Breaker()
        _ = run(&half, Array(repeating: .succeeded, count: 11) + Array(repeating: .failed, count: 10), at: start)
        #expect(half.state == .closed)
        _ = run(&half, [.failed], at: start)
        #expect(half.state != .closed)
    }

    @Test func `what says nothing about the provider trips nothing`() {
        var breaker = Breaker()
        _ = run(&breaker, Array(repeating: .neither, count: 1000), at: start)
        #expect(breaker.state == .closed && breaker.counted(at: start).calls == 0)
    }

    @Test func `failures of long ago are forgotten`() {
        var breaker = Breaker()
        for second in 0..<60 where second % 5 == 0 { _ = run(&breaker, [.failed], at: start + .seconds(second)) }
        #expect(breaker.state == .closed)
        #expect(breaker.counted(at: start + .seconds(120)).calls == 0)
    }

    @Test func `while it is open nothing passes, then one probe at a time, and three of them close it`() {
        var breaker = opened()
        #expect(breaker.admit(at: start + .seconds(4)) == .refuse(.seconds(1)))
        let later = start + .seconds(5)
        for _ in 0..<3 {
            #expect(breaker.admit(at: later) == .probe)
            #expect(breaker.admit(at: later) == .refuse(.seconds(1)))
            breaker.report(.succeeded, of: .probe, at: later, rules, chance: 0)
        }
        #expect(breaker.state == .closed && breaker.admit(at: later) == .pass)
    }

    @Test func `a probe that fails opens it for twice as long, up to a bound`() {
        var breaker = opened()
        var now = start
        var pauses: [Int] = []
        for _ in 0..<9 {
            guard case .open(let until) = breaker.state else { return }
            pauses.append((until - now).milliseconds / 1000)
            now = until
            #expect(breaker.admit(at: now) == .probe)
            breaker.report(.failed, of: .probe, at: now, rules, chance: 0)
        }
        #expect(pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300])
    }

    @Test func `a probe that says nothing or never comes back makes room for another`() {
        var breaker = opened()
        let later = start + .seconds(5)
        #expect(breaker.admit(at: later) == .probe)
        breaker.report(.neither, of: .probe, at: later, rules, chance: 0)
        #expect(breaker.admit(at: later) == .probe)
        #expect(breaker.admit(at: later + BreakerRules.probeMax) == .probe)
    }

    @Test func `calls from before it opened change nothing`() {
        var breaker = opened()
        breaker.report(.succeeded, of: .pass, at: start + .seconds(1), rules, chance: 0)
        #expect(breaker.state == .open(until: start + .seconds(5)))
    }

    @Test func `chance makes a pause longer by a fifth at most`() {
        var breaker = Breaker()
        for _ in 0..<10 { breaker.report(.failed, of: .pass, at: start, rules, chance: 1) }
        #expect(breaker.state == .open(until: start + .seconds(6)))
    }

    @Test(
        arguments: [
            (ErrorCode.upstreamError, 500, true), (.upstreamError, 401, false), (.upstreamTimeout, nil, true),
            (.upstreamInterrupted, nil, true), (.overloaded, 503, true), (.overloaded, nil, false),
            (.rateLimitExceeded, 429, false), (.invalidParameter, 400, false),
        ] as [(ErrorCode, Int?, Bool)])
    func `only what is the provider's own fault counts`(code: ErrorCode, status: Int?, counts: Bool) {
        var fault = Fault(code, "x")
        fault.upstreamStatus = status
        if case .failed = Breaker.Outcome(fault, isUnwanted: false) {
            #expect(counts)
        } else {
            #expect(!counts)
        }
        if case .neither = Breaker.Outcome(fault, isUnwanted: true) {
        } else {
            Issue.record("an unwanted answer counts")
        }
    }
}
