// SPDX-License-Identifier: Apache-2.0

package import Core

/// Why the gateway does not answer: a code of the house's closed list, a sentence that is safe to show to the caller, the
/// member of the request it is about, and when to come back. Never holds text of a provider.
///
/// It is one pointer: whoever may throw it keeps room for it in each call on the way, and it is thrown rarely.
package struct Fault: Error, Equatable, Sendable {
    private struct Parts: Equatable, Sendable {
        var code: ErrorCode
        var message: String
        var param: String?
        var retryAfterMilliseconds: Int?
        var upstreamStatus: Int?
        var cause: String?
        var mayHaveCounted = false
        var wasUnreached = false
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

    package var code: ErrorCode {
        get { parts.code }
        set { parts.code = newValue }
    }

    /// One short sentence for the caller.
    package var message: String {
        get { parts.message }
        set { parts.message = newValue }
    }

    /// Path of the member concerned, as in `messages[2].content`; nil when none is.
    package var param: String? {
        get { parts.param }
        set { parts.param = newValue }
    }

    /// Milliseconds after which a repetition makes sense.
    package var retryAfterMilliseconds: Int? {
        get { parts.retryAfterMilliseconds }
        set { parts.retryAfterMilliseconds = newValue }
    }

    /// The HTTP status the provider answered with, for the operator's log and the breaker; never shown to the caller.
    package var upstreamStatus: Int? {
        get { parts.upstreamStatus }
        set { parts.upstreamStatus = newValue }
    }

    /// Whether the provider may have counted tokens of the call that failed: it had the request, and gave no answer with a
    /// status that says otherwise.
    package var mayHaveCounted: Bool {
        get { parts.mayHaveCounted }
        set { parts.mayHaveCounted = newValue }
    }

    /// Whether there was no connection to the provider, so that it never had the request.
    package var wasUnreached: Bool {
        get { parts.wasUnreached }
        set { parts.wasUnreached = newValue }
    }

    /// What went wrong on the way to the provider, for the operator's log; never shown to the caller.
    package var cause: String? {
        get { parts.cause }
        set { parts.cause = newValue }
    }

    package init(
        _ code: ErrorCode, _ message: String, param: String? = nil, retryAfterMilliseconds: Int? = nil,
        upstreamStatus: Int? = nil
    ) {
        box = Box(
            Parts(
                code: code, message: message, param: param, retryAfterMilliseconds: retryAfterMilliseconds,
                upstreamStatus: upstreamStatus))
    }

    package static func == (left: Fault, right: Fault) -> Bool { left.parts == right.parts }

    /// A request that says something it may not: 400 `invalid_parameter` at `param`.
    package static func invalid(_ param: String?, _ message: String) -> Fault {
        Fault(.invalidParameter, message, param: param)
    }

    /// The same fault, said of a member one level further out: `content` inside `messages[2]`.
    func within(_ outer: String) -> Fault {
        var fault = self
        fault.param =
            switch param {
            case nil, "": outer
            case let inner? where inner.hasPrefix("["): outer + inner
            case let inner?: "\(outer).\(inner)"
            }
        return fault
    }
}
