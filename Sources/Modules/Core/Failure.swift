// SPDX-License-Identifier: Apache-2.0

package import HTTP
import JSON

/// A request refused or failed, in the form in which it travels to the one place that renders it (`Failure+Answer.swift`).
///
/// `message`, `param` and `limit` are for the client and carry no secret, no raw text of an upstream, and no hint that
/// another tenant's object exists. `cause` is for the operator's log alone.
package struct Failure: Error, Sendable {
    /// Which of the closed list of refusals this is.
    package let code: ErrorCode
    /// One short sentence for the client.
    package let message: String
    /// The field of the request that is wrong (`messages[2].content`), if one is.
    package var param: String?
    /// How long the client should wait before trying again.
    package var retryAfter: Duration?
    /// The limit that was reached, for 429.
    package var limit: LimitState?
    /// Fields the answer needs beside the usual ones (`allow` for 405).
    package var fields = Fields()
    /// What happened, for the operator's log; never sent.
    package var cause: String?
    /// Another HTTP status than the code's own, where an upstream's status means more to the client (529).
    package var statusOverride: Int?

    package init(_ code: ErrorCode, _ message: String, param: String? = nil, cause: String? = nil) {
        self.code = code
        self.message = message
        self.param = param
        self.cause = cause
    }

    /// The same failure with a time to wait.
    package func retrying(after duration: Duration?) -> Failure {
        var failure = self
        failure.retryAfter = duration
        return failure
    }
}

/// The state of one limit, as `error.limit` and the `x-ratelimit-*` fields show it.
package struct LimitState: Sendable, Equatable {
    /// The limit's name in the configuration (`requests_per_hour`).
    package var name: String
    /// What it counts for: `key`, `tenant`, `address`.
    package var scope: String
    /// The most that is admitted in one window.
    package var limit: Int
    /// What is left of it now.
    package var remaining: Int
    /// When the whole limit is free again, from now.
    package var resetAfter: Duration
    /// When the next unit is free, from now; zero while some is left.
    package var nextAfter: Duration

    package init(
        name: String, scope: String, limit: Int, remaining: Int, resetAfter: Duration, nextAfter: Duration
    ) {
        self.name = name
        self.scope = scope
        self.limit = limit
        self.remaining = remaining
        self.resetAfter = resetAfter
        self.nextAfter = nextAfter
    }
}
