// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import Platform

/// Counts each request of a key, and refuses those above the limit. The operator at the admin socket is not counted.
final class AdmitStage: ImmediateStage {
    private let table: WindowTable
    /// `nil` for the times at which requests arrived.
    private let now: (@Sendable () -> Instant)?

    init(table: WindowTable, now: (@Sendable () -> Instant)?) {
        self.table = table
        self.now = now
    }

    var position: StagePosition { .admit }

    func enter(_ exchange: Exchange) throws(Failure) {
        guard let principal = exchange.principal else { return }
        switch table.admit(principal, at: now?() ?? exchange.request.arrival) {
        case nil: return
        case .admitted(let tightest):
            announce(tightest, on: exchange)
        case .refused(let standing):
            announce(standing, on: exchange)
            var failure = Failure(.rateLimitExceeded, "the limit of \(standing.limit) requests an hour is reached")
            failure.limit = table.state(standing)
            failure.retryAfter = standing.nextAfter
            throw failure
        case .full:
            // More live keys than the table holds: refusing costs a request, forgetting would cost the limit.
            throw Failure(.overloaded, "too many keys are in use at once; try again").retrying(after: .seconds(15))
        }
    }

    /// Tells the client what is left, in the names its SDK knows.
    private func announce(_ standing: WindowTable.Standing, on exchange: Exchange) {
        exchange.answerFields.append(Labels.limit, standing.limit)
        exchange.answerFields.append(Labels.remaining, standing.remaining)
        DurationText(standing.resetAfter).withSpan { _ = exchange.answerFields.append(Labels.reset, $0) }
        guard exchange.route.shape == .anthropic else { return }
        exchange.answerFields.append(Labels.anthropicLimit, standing.limit)
        exchange.answerFields.append(Labels.anthropicRemaining, standing.remaining)
        exchange.answerFields.append(Labels.anthropicReset, (exchange.time + standing.resetAfter).rfc3339)
    }

    private enum Labels {
        static let limit = FieldLabel("x-ratelimit-limit-requests: ")
        static let remaining = FieldLabel("x-ratelimit-remaining-requests: ")
        static let reset = FieldLabel("x-ratelimit-reset-requests: ")
        static let anthropicLimit = FieldLabel("anthropic-ratelimit-requests-limit: ")
        static let anthropicRemaining = FieldLabel("anthropic-ratelimit-requests-remaining: ")
        static let anthropicReset = FieldLabel("anthropic-ratelimit-requests-reset: ")
    }
}
