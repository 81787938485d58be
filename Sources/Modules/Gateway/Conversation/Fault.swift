// SPDX-License-Identifier: Apache-2.0

package import Core

/// Why the gateway does not answer: a code of the house's closed list, a sentence that is safe to show to the caller, the
/// member of the request it is about, and when to come back. Never holds text of a provider.
package struct Fault: Error, Equatable, Sendable {
    package var code: ErrorCode
    /// One short sentence for the caller.
    package var message: String
    /// Path of the member concerned, as in `messages[2].content`; nil when none is.
    package var param: String?
    /// Milliseconds after which a repetition makes sense.
    package var retryAfterMilliseconds: Int?
    /// The HTTP status the provider answered with, for the operator's log and the breaker; never shown to the caller.
    package var upstreamStatus: Int?
    /// What went wrong on the way to the provider, for the operator's log; never shown to the caller.
    package var cause: String?

    package init(
        _ code: ErrorCode, _ message: String, param: String? = nil, retryAfterMilliseconds: Int? = nil,
        upstreamStatus: Int? = nil
    ) {
        self.code = code
        self.message = message
        self.param = param
        self.retryAfterMilliseconds = retryAfterMilliseconds
        self.upstreamStatus = upstreamStatus
    }

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
