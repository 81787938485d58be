// SPDX-License-Identifier: Apache-2.0

package import HTTP
package import JSON

/// The shape in which a route reports errors.
package enum ErrorShape: Sendable {
    /// The house's own, which is OpenAI's: `{"error":{"message","type","code","param","request_id"}}`.
    case house
    /// Anthropic's: `{"type":"error","error":{"type","message"},"request_id"}`.
    case anthropic
}

/// One operation of the server: what it is, who may call it, and what it does.
package final class Route: Sendable {
    /// Does the work of the route. What it returns is the answer; a handler that streams writes through
    /// ``Exchange/response`` and returns ``Reply/streamed``.
    package typealias Handler = @Sendable (Exchange) async throws(Failure) -> Reply

    package let method: Method
    /// The path with parameters in braces (`/v1/models/{id}`).
    package let pattern: String
    package let `guard`: RouteGuard
    package let shape: ErrorShape
    /// One line for `/openapi.json` and `gatehouse routes`.
    package let summary: String
    /// What a record calls it: the words of the pattern and a verb (`chat.completions.create`, `tenants.delete`,
    /// `nodes.chat`).
    package let action: String
    /// JSON Schema of the request's body for `/openapi.json`, if it has one.
    package let requestBody: JSONValue?
    package let handler: Handler

    /// - Parameters:
    ///   - guard: has no default, on purpose: a route cannot be registered without one.
    ///   - isAct: whether it is an act of administration, where its guard alone does not tell.
    package init(
        _ method: Method, _ pattern: String, guard: RouteGuard, shape: ErrorShape = .house, summary: String,
        requestBody: JSONValue? = nil, isAct: Bool? = nil, handler: @escaping Handler
    ) {
        self.method = method
        self.pattern = pattern
        self.guard = `guard`
        self.shape = shape
        self.summary = summary
        action = Self.action(method, pattern)
        self.isAct = isAct ?? (`guard`.isAdministration && method != .get && method != .head)
        self.requestBody = requestBody
        self.handler = handler
    }

    /// Whether it is an act of administration: it may change something, so it is recorded as such.
    package let isAct: Bool

    private static func action(_ method: Method, _ pattern: String) -> String {
        let parts = pattern.split(separator: "/").drop { $0 == "v1" || $0 == "admin" }
        var words = parts.filter { !$0.hasPrefix("{") && $0 != "v1" }.map(String.init)
        let verb: String? =
            switch method {
            case .get, .head: "read"
            case .put: "set"
            case .patch: "change"
            case .delete: "delete"
            // A word behind a parameter is the verb (`/v1/nodes/{id}/chat`).
            default: parts.count > words.count && parts.last?.hasPrefix("{") == false ? nil : "create"
            }
        if let verb { words.append(verb) }
        return words.joined(separator: ".")
    }
}

/// What a handler answers.
package enum Reply: Sendable {
    /// A whole answer.
    case whole(status: Int, contentType: String, body: [UInt8])
    /// The handler has written head and body itself; or nothing yet, where it could not any more.
    case streamed

    /// A JSON answer.
    package static func json(_ value: JSONValue, status: Int = 200) -> Reply {
        .whole(status: status, contentType: "application/json", body: value.serialized())
    }

    /// A JSON answer whose text is there already.
    package static func json(bytes: consuming [UInt8], status: Int = 200) -> Reply {
        .whole(status: status, contentType: "application/json", body: bytes)
    }
}
