// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import Platform

// What is left, on every answer, in the names that the SDKs know.

extension Exchange {
    func announce(requests standing: Standing) { announce(standing, .openAIRequests, .anthropicRequests) }

    func announce(tokens standing: Standing) { announce(standing, .openAITokens, .anthropicTokens) }

    private func announce(_ standing: Standing, _ labels: Labels, _ other: @autoclosure () -> Labels) {
        DurationText(standing.resetAfter).withSpan { reset in
            _ = answerFields.append(
                labels.limit, standing.limit, labels.remaining, standing.remaining, labels.reset, reset)
        }
        guard case .anthropic = route.shape else { return }
        let anthropic = other()
        answerFields.append(anthropic.limit, standing.limit)
        answerFields.append(anthropic.remaining, standing.remaining)
        answerFields.append(anthropic.reset, (time + standing.resetAfter).rfc3339)
    }
}

/// The three fields about one limit.
private struct Labels {
    let limit: FieldLabel
    let remaining: FieldLabel
    let reset: FieldLabel

    static let openAIRequests = Labels(
        limit: FieldLabel("x-ratelimit-limit-requests: "), remaining: FieldLabel("x-ratelimit-remaining-requests: "),
        reset: FieldLabel("x-ratelimit-reset-requests: "))
    static let openAITokens = Labels(
        limit: FieldLabel("x-ratelimit-limit-tokens: "), remaining: FieldLabel("x-ratelimit-remaining-tokens: "),
        reset: FieldLabel("x-ratelimit-reset-tokens: "))
    static let anthropicRequests = Labels(
        limit: FieldLabel("anthropic-ratelimit-requests-limit: "),
        remaining: FieldLabel("anthropic-ratelimit-requests-remaining: "),
        reset: FieldLabel("anthropic-ratelimit-requests-reset: "))
    static let anthropicTokens = Labels(
        limit: FieldLabel("anthropic-ratelimit-tokens-limit: "),
        remaining: FieldLabel("anthropic-ratelimit-tokens-remaining: "),
        reset: FieldLabel("anthropic-ratelimit-tokens-reset: "))
}
