// SPDX-License-Identifier: Apache-2.0

package import HTTP
import JSON

/// A request refused or failed, in the form in which it travels to the one place that renders it (`Failure+Answer.swift`).
///
/// `message`, `param` and `limit` are for the client and carry no secret, no raw text of an upstream, and no hint that
/// another tenant's object exists. `cause` is for the operator's log alone.
///
/// It is one pointer: whoever may throw it keeps room for it in each call on the way, and it is thrown rarely.
package struct Failure: Error, Sendable {
    private struct Parts: Sendable {
        let code: ErrorCode
        let message: String
        var param: String?
        var retryAfter: Duration?
        var limit: LimitState?
        var fields = Fields()
        var cause: String?
        var statusOverride: Int?
    }

    private final class Box: Sendable {
        let parts: Parts
        init(_ parts: Parts) { self.parts = parts }
    }

    private var box: Box

    private var parts: Parts {
        get { box.parts }
        set { box = Box(newValue) }
    }

    /// Which of the closed list of refusals this is.
    package var code: ErrorCode { parts.code }

    /// One short sentence for the client.
    package var message: String { parts.message }

    /// The field of the request that is wrong (`messages[2].content`), if one is.
    package var param: String? {
        get { parts.param }
        set { parts.param = newValue }
    }

    /// How long the client should wait before trying again.
    package var retryAfter: Duration? {
        get { parts.retryAfter }
        set { parts.retryAfter = newValue }
    }

    /// The limit that was reached, for 429.
    package var limit: LimitState? {
        get { parts.limit }
        set { parts.limit = newValue }
    }

    /// Fields the answer needs beside the usual ones (`allow` for 405).
    package var fields: Fields {
        get { parts.fields }
        set { parts.fields = newValue }
    }

    /// What happened, for the operator's log; never sent.
    package var cause: String? {
        get { parts.cause }
        set { parts.cause = newValue }
    }

    /// Another HTTP status than the code's own, where an upstream's status means more to the client (529).
    package var statusOverride: Int? {
        get { parts.statusOverride }
        set { parts.statusOverride = newValue }
    }

    package init(_ code: ErrorCode, _ message: String, param: String? = nil, cause: String? = nil) {
        box = Box(Parts(code: code, message: message, param: param, cause: cause))
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
    /// Whether limit and remainder are nano-dollars.
    package var isMoney = false
    /// Whether it is never free again by itself.
    package var isFinal = false

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
