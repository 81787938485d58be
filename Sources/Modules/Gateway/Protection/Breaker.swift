// SPDX-License-Identifier: Apache-2.0
//
// A circuit breaker for one model at one provider. A value without a clock and without chance: both are arguments.
//
//      closed ── enough calls of the window failed ──→ open ── its time is over ──→ half open
//        ↑                                              ↑                              │
//        └───────── as many probes succeed ─────────────┼──────────────────────────────┤
//                                                       └────── a probe fails ─────────┘
//
// While it is open nothing is sent, and who asks is told at once when to come back. Half open lets one call through at a time;
// each time that fails it stays open twice as long, up to a bound.

import Platform

/// When a breaker opens, and for how long.
struct BreakerRules: Equatable, Sendable {
    /// `breaker_failures`: the share of calls, in per cent; 0 for never.
    var failurePercent = 50
    /// `breaker_calls`: with fewer in the window nothing is said about a provider.
    var callsMin = 20
    /// `breaker_pause`: the first time; each further time in a row is twice as long.
    var pause = Duration.seconds(5)
    /// `breaker_latency`: a call whose answer began later than this has failed; zero for any time.
    var latency = Duration.zero

    /// The stretch of time that is looked at. A number, since each answer is divided by it.
    static let windowNanoseconds: UInt64 = 30_000_000_000
    /// Probes that must succeed, one after the other.
    static let probes = 3
    static let pauseMax = Duration.seconds(300)
    /// A probe that never comes back is given up after this: the longest that a call may take is a day.
    static let probeMax = Duration.seconds(120)
}

struct Breaker: Sendable {
    enum State: Equatable, Sendable {
        case closed
        case open(until: Instant)
        case halfOpen(succeeded: Int)
    }

    /// What came of a call.
    enum Outcome: Sendable {
        case succeeded
        /// The provider failed: it could not be reached, was late or slow, broke off, or said that the fault is its own.
        case failed
        /// It says nothing about the provider: what was asked was wrong, or nobody wanted the answer any more.
        case neither
    }

    enum Decision: Equatable, Sendable {
        case pass
        /// The one call that finds out whether the provider is back.
        case probe
        /// When to come back.
        case refuse(Duration)
    }

    /// Slots of a window, each a tenth of it.
    private static let slotCount: UInt64 = 10

    private struct Slot: Sendable {
        var number: UInt64 = 0
        var calls = 0
        var failures = 0
    }

    private(set) var state = State.closed
    private var slots: [10 of Slot] = .init(repeating: Slot())
    /// How often it has opened without having closed.
    private var openings = 0
    /// When the probe that is under way was let through.
    private var probeSince: Instant?

    init() {}

    mutating func admit(at now: Instant) -> Decision {
        switch state {
        case .closed: return .pass
        case .open(let until):
            guard now >= until else { return .refuse(until - now) }
            state = .halfOpen(succeeded: 0)
        case .halfOpen: break
        }
        if let since = probeSince, now < since + BreakerRules.probeMax { return .refuse(.seconds(1)) }
        probeSince = now
        return .probe
    }

    /// - Parameter chance: from 0 to 1: of several gateways that were shut out together not all come back at one moment.
    mutating func report(
        _ outcome: Outcome, of decision: Decision, at now: Instant, _ rules: BreakerRules,
        chance: @autoclosure () -> Double
    ) {
        if decision == .probe { probeSince = nil }
        guard outcome != .neither else { return }
        switch (state, decision) {
        case (.closed, _):
            count(outcome, at: now)
            let (calls, failures) = counted(at: now)
            guard rules.failurePercent > 0, calls >= rules.callsMin, failures * 100 >= calls * rules.failurePercent
            else { return }
            open(at: now, rules, chance())
        case (.halfOpen, .probe) where outcome == .failed: open(at: now, rules, chance())
        case (.halfOpen(let succeeded), .probe):
            guard succeeded + 1 < BreakerRules.probes else { return close() }
            state = .halfOpen(succeeded: succeeded + 1)
        // A call from before it opened says nothing new.
        default: return
        }
    }

    private mutating func open(at now: Instant, _ rules: BreakerRules, _ chance: Double) {
        let doubled = rules.pause * (1 << min(openings, 10))
        let pause = min(doubled, BreakerRules.pauseMax)
        openings += 1
        state = .open(until: now + pause + .milliseconds(Int64(Double(pause.clampedMilliseconds) * chance / 5)))
        slots = .init(repeating: Slot())
    }

    private mutating func close() {
        (state, openings) = (.closed, 0)
        slots = .init(repeating: Slot())
    }

    private static func slot(at now: Instant) -> UInt64 {
        now.nanoseconds / (BreakerRules.windowNanoseconds / slotCount)
    }

    private mutating func count(_ outcome: Outcome, at now: Instant) {
        let number = Self.slot(at: now)
        let index = Int(number % Self.slotCount)
        if slots[index].number != number { slots[index] = Slot(number: number) }
        slots[index].calls += 1
        if outcome == .failed { slots[index].failures += 1 }
    }

    /// Calls and failures of the window.
    func counted(at now: Instant) -> (calls: Int, failures: Int) {
        let newest = Self.slot(at: now)
        var (calls, failures) = (0, 0)
        // In place: each access to the list itself copies all of it.
        let slots = slots.span
        for index in slots.indices where slots[index].number + Self.slotCount > newest {
            calls += slots[index].calls
            failures += slots[index].failures
        }
        return (calls, failures)
    }
}
