// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import Platform

/// Counts each request of a key, and refuses those above the limit. The operator at the admin socket is not counted.
struct AdmitStage: ImmediateStage {
    let table: WindowTable
    let now: @Sendable () -> Instant

    var position: StagePosition { .admit }

    func enter(_ exchange: Exchange) throws(Failure) {
        guard let principal = exchange.principal, let key = principal.keyID, let tenant = principal.tenant else {
            return
        }
        switch table.admit(key, of: tenant, at: now()) {
        case .admitted(let tightest):
            announce(tightest, on: exchange)
        case .refused(let state):
            announce(state, on: exchange)
            var failure = Failure(.rateLimitExceeded, "the limit of \(state.limit) requests an hour is reached")
            failure.limit = state
            failure.retryAfter = state.nextAfter
            throw failure
        case .full:
            // More live keys than the table holds: refusing costs a request, forgetting would cost the limit.
            throw Failure(.overloaded, "too many keys are in use at once; try again").retrying(after: .seconds(15))
        }
    }

    /// Tells the client what is left, in the names its SDK knows.
    private func announce(_ state: LimitState, on exchange: Exchange) {
        exchange.answerFields.append("x-ratelimit-limit-requests", state.limit)
        exchange.answerFields.append("x-ratelimit-remaining-requests", state.remaining)
        exchange.answerFields.append("x-ratelimit-reset-requests", DurationText.of(state.resetAfter))
        guard exchange.route.shape == .anthropic else { return }
        exchange.answerFields.append("anthropic-ratelimit-requests-limit", state.limit)
        exchange.answerFields.append("anthropic-ratelimit-requests-remaining", state.remaining)
        exchange.answerFields.append(
            "anthropic-ratelimit-requests-reset", (WallTime.now() + state.resetAfter).rfc3339)
    }
}
