// SPDX-License-Identifier: Apache-2.0

import Platform
import Support
import Testing

@testable import Gateway

/// The breaker beside a naive model: a list of all that happened, from which each decision is reckoned anew.
@Suite struct BreakerModelTests {
    private struct NaiveBreaker {
        var events: [(slot: UInt64, failed: Bool)] = []
        var openUntil: UInt64?
        var probeSince: UInt64?
        var succeeded = 0
        var openings = 0

        static let slot: UInt64 = 3_000_000_000

        mutating func decide(at now: UInt64) -> Breaker.Decision {
            guard let openUntil else { return .pass }
            if now < openUntil { return .refuse(.nanoseconds(Int64(openUntil - now))) }
            if let probeSince, now < probeSince + 120_000_000_000 { return .refuse(.seconds(1)) }
            probeSince = now
            return .probe
        }

        mutating func report(_ outcome: Breaker.Outcome, of decision: Breaker.Decision, at now: UInt64) {
            if decision == .probe { probeSince = nil }
            let failed: Bool
            switch outcome {
            case .neither: return
            case .failed: failed = true
            case .succeeded: failed = false
            }
            guard let until = openUntil else {
                events.append((now / Self.slot, failed))
                let lately = events.filter { $0.slot + 10 > now / Self.slot }
                if lately.count >= 6, lately.count(where: \.failed) * 2 >= lately.count { open(at: now) }
                return
            }
            guard decision == .probe, now >= until else { return }
            if failed { return open(at: now) }
            succeeded += 1
            if succeeded == 3 { self = NaiveBreaker() }
        }

        private mutating func open(at now: UInt64) {
            let pause = min(UInt64(2_000_000_000) << min(openings, 10), 300_000_000_000)
            (events, succeeded, openUntil) = ([], 0, now + pause)
            openings += 1
        }
    }

    @Test func `decides as a naive model does, whatever fails, hangs, drips and heals`() {
        let rules = BreakerRules(failurePercent: 50, callsMin: 6, pause: .seconds(2))
        var random = SeededGenerator()
        var (breaker, model) = (Breaker(), NaiveBreaker())
        var now: UInt64 = 1_000_000_000_000
        // Calls that are under way, and what their end will say.
        var open: [Breaker.Decision] = []
        var seen: [String: Int] = [:]
        let events = Repetition.rounds(200_000, full: 4_000_000)
        for event in 0..<events {
            now += UInt64(random.below(random.below(50) == 0 ? 40_000_000_000 : 900_000_000))
            let time = Instant(nanoseconds: now)
            let place = "seed \(SeededGenerator.seed), event \(event)"
            // Times of trouble and times of health.
            let failing = event / 60 % 3 == 0 ? 80 : 10
            if open.count > 8 || (!open.isEmpty && random.below(2) == 0) {
                let decision = open.remove(at: random.below(open.count))
                let outcome: Breaker.Outcome =
                    random.below(10) == 0 ? .neither : random.below(100) < failing ? .failed : .succeeded
                breaker.report(outcome, of: decision, at: time, rules, chance: 0)
                model.report(outcome, of: decision, at: now)
                continue
            }
            let decision = breaker.admit(at: time)
            let expected = model.decide(at: now)
            guard decision == expected else {
                Issue.record("\(decision), not \(expected): \(place)")
                return
            }
            switch decision {
            case .pass: seen["pass", default: 0] += 1
            case .probe: seen["probe", default: 0] += 1
            case .refuse: seen["refuse", default: 0] += 1
            }
            if case .refuse = decision { continue }
            // Some hang for good.
            if random.below(200) > 0 { open.append(decision) }
        }
        #expect(seen.values.allSatisfy { $0 > 100 } && seen.count == 3, "\(seen)")
        if Repetition.isFull { print("breaker: \(events) events, \(seen), seed \(SeededGenerator.seed)") }
    }
}
