// SPDX-License-Identifier: Apache-2.0
//
// How much somebody has done that nobody does by mistake so often. Each offence adds its points; points fade by half in each
// half-life, in 64 steps, so that the k-th of a quick series is the k-th; whoever comes to the most is blocked for a while, and
// begins at nothing behind it. Whoever is blocked again within a day of that is blocked four times as long.

import Glibc
import Platform

/// When somebody is blocked, and for how long.
struct StrikeRules: Equatable, Sendable {
    /// `block_points`; 0 for never.
    var pointsMax = 100
    /// `block_half_life`
    var halfLife = Duration.seconds(600)
    /// `block_time`: the first time.
    var pause = Duration.seconds(600)

    static let pauseMax = Duration.seconds(86_400)
    /// How long a block is remembered behind its end.
    static let memory = Duration.seconds(86_400)

    /// One step of fading.
    var step: Duration { max(halfLife / 64, .milliseconds(1)) }
}

/// What somebody may be blocked for.
enum Offence: String, CaseIterable, Sendable {
    /// A credential that is none, or not any more.
    case badCredential = "bad_credential"
    /// A request that no client writes by mistake: two lengths, a line that goes on, a broken chunk.
    case malformedRequest = "malformed_request"
    /// A path that does not exist.
    case probe
    /// An input that a policy refused.
    case refusedInput = "refused_input"
    /// Going on although a limit is reached.
    case flood
    /// The operator has said so.
    case `operator`

    /// In thousandths.
    var points: Int {
        switch self {
        case .badCredential, .malformedRequest: 5000
        case .probe: 1000
        case .refusedInput: 10_000
        case .flood: 200
        case .operator: 0
        }
    }
}

/// The score of one subject. A value without a clock; times that go back count as the latest seen.
struct StrikeScore: Equatable, Sendable {
    /// In thousandths, at ``at``.
    private(set) var points = 0
    private(set) var at: WallTime
    /// Blocks in a row.
    private(set) var blocks = 0
    private(set) var blockedUntil: WallTime?
    /// The last one.
    private(set) var offence = Offence.operator

    init(at now: WallTime) { at = now }

    /// What was written down of it.
    init(points: Int, at: WallTime, blocks: Int, blockedUntil: WallTime?, offence: Offence) {
        (self.points, self.at, self.blocks, self.blockedUntil) = (points, at, blocks, blockedUntil)
        self.offence = offence
    }

    /// Adds an offence. Nothing is added while it is blocked: a block ends when it ends.
    ///
    /// - Returns: how long it is blocked from now on, where this was one too many.
    mutating func strike(_ offence: Offence, at now: WallTime, _ rules: StrikeRules) -> Duration? {
        guard rules.pointsMax > 0, wait(at: now) == nil else { return nil }
        fade(to: now, rules)
        self.offence = offence
        points += offence.points
        guard points >= rules.pointsMax * 1000 else { return nil }
        let pause = min(rules.pause * (1 << min(2 * blocks, 20)), StrikeRules.pauseMax)
        block(for: pause, at: now)
        return pause
    }

    /// Blocks it, also as the operator says so.
    mutating func block(for pause: Duration, at now: WallTime) {
        at = max(at, now)
        (points, blocks, blockedUntil) = (0, blocks + 1, at + pause)
    }

    /// As the operator blocks: what was done before plays no part.
    mutating func blockByOperator(for pause: Duration, at now: WallTime) {
        offence = .operator
        block(for: pause, at: now)
    }

    /// How long it is still blocked; `nil` where it is not.
    func wait(at now: WallTime) -> Duration? {
        guard let blockedUntil, blockedUntil > max(now, at) else { return nil }
        return blockedUntil - max(now, at)
    }

    /// Points as they have faded.
    func points(at now: WallTime, _ rules: StrikeRules) -> Int {
        Int(Double(points) * exp2(-Double(steps(to: now, rules)) / 64))
    }

    /// Whole steps of fading since ``at``.
    private func steps(to now: WallTime, _ rules: StrikeRules) -> Int64 {
        now > at ? (now - at).clampedMilliseconds / max(rules.step.clampedMilliseconds, 1) : 0
    }

    private mutating func fade(to now: WallTime, _ rules: StrikeRules) {
        let steps = steps(to: now, rules)
        points = points(at: now, rules)
        // What is not a whole step goes on counting.
        at = at + .milliseconds(steps * rules.step.clampedMilliseconds)
        if let end = blockedUntil, now >= end + StrikeRules.memory { (blocks, blockedUntil) = (0, nil) }
    }

    /// Whether nothing of it matters any more.
    func isForgettable(at now: WallTime, _ rules: StrikeRules) -> Bool {
        guard points(at: now, rules) < 500 else { return false }
        return blockedUntil.map { now >= $0 + StrikeRules.memory } ?? true
    }
}
