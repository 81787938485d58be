// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Platform
import Synchronization

/// The breaker of one model at one provider, shared by all loops.
final class SharedBreaker: Sendable {
    // Guards the breaker.
    let state = Mutex(Breaker())
}

/// The breakers of all models. They outlive a reload: a provider that is down stays down.
final class Breakers: Sendable {
    private struct Name: Hashable {
        let provider: String
        let model: String
    }

    // Guards the table; there are as many as the configuration has had models.
    private let breakers = Mutex<[Name: SharedBreaker]>([:])

    /// A call that was let through. ``Breakers/report(_:of:_:at:)`` must follow.
    struct Pass: Sendable {
        let decision: Breaker.Decision
    }

    /// - Throws: `circuit_open`, with when to come back.
    func enter(_ model: Model, at now: Instant) throws(Fault) -> Pass {
        guard model.provider.settings.breaker.failurePercent > 0 else { return Pass(decision: .pass) }
        let decision = model.breaker.state.withLock { $0.admit(at: now) }
        guard case .refuse(let wait) = decision else { return Pass(decision: decision) }
        let milliseconds = max(1, wait.milliseconds)
        throw Fault(
            .circuitOpen, "The model's provider has been failing, and is not asked for a while.",
            retryAfterMilliseconds: milliseconds)
    }

    func report(_ outcome: Breaker.Outcome, of pass: Pass, _ model: Model, at now: Instant) {
        let rules = model.provider.settings.breaker
        guard rules.failurePercent > 0 else { return }
        model.breaker.state.withLock {
            $0.report(outcome, of: pass.decision, at: now, rules, chance: .random(in: 0...1))
        }
    }

    /// The one breaker of all models of this name at this provider.
    func breaker(for model: Model) -> SharedBreaker {
        let name = Name(provider: model.provider.name, model: model.settings.upstream)
        return breakers.withLock { table in
            let breaker = table[name] ?? SharedBreaker()
            table[name] = breaker
            return breaker
        }
    }

    /// Whether a call would be refused.
    func isOpen(_ model: Model, at now: Instant) -> Bool {
        guard case .open(let until) = model.breaker.state.withLock({ $0.state }) else { return false }
        return now < until
    }

    /// How a model is doing, as the operator sees it.
    func json(of model: Model, at now: Instant) -> JSONObject {
        let breaker = model.breaker.state.withLock { $0 }
        let (calls, failures) = breaker.counted(at: now)
        var json: JSONObject = [
            "name": .string(model.name), "state": "closed", "calls": .int(calls), "failures": .int(failures),
        ]
        switch breaker.state {
        case .closed: break
        case .halfOpen: json["state"] = "half_open"
        case .open(let until):
            json["state"] = "open"
            json["asked_again_in_ms"] = .int(max(0, (until - now).milliseconds))
        }
        return json
    }
}

extension Breaker.Outcome {
    /// Of an answer that was whole, and began after so long.
    init(beganAfter time: Duration, _ rules: BreakerRules) {
        self = rules.latency > .zero && time > rules.latency ? .failed : .succeeded
    }

    /// What a fault says about the provider. What a client asked wrongly, or gave up, trips nothing for others.
    init(_ fault: Fault, isUnwanted: Bool) {
        guard !isUnwanted else {
            self = .neither
            return
        }
        if let status = fault.upstreamStatus {
            self = status >= 500 || status == 408 ? .failed : .neither
            return
        }
        switch fault.code {
        case .upstreamError, .upstreamTimeout, .upstreamInterrupted: self = .failed
        default: self = .neither
        }
    }
}
