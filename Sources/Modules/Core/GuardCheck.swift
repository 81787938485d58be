// SPDX-License-Identifier: Apache-2.0

/// The one place in which a route's guard is enforced.
package enum GuardCheck {
    /// - Throws: 401 if nobody was identified, 403 if the principal is of another kind, lacks the scope or the role, or has
    ///   to set up a second factor first.
    package static func enforce(_ guard: RouteGuard, on principal: Principal?) throws(Failure) {
        if case .public = `guard` { return }
        guard let principal else {
            throw Failure(
                .missingCredential, "no credential was sent; use the field authorization: Bearer, a space, your key")
        }
        switch (`guard`, principal.kind) {
        case (.key(let scope), .key), (.keyOrSession(let scope, _), .key):
            guard principal.scopes.contains(scope) else {
                throw Failure(.insufficientScope, "this key lacks the scope \(scope.rawValue)")
            }
        case (.session(let least), .person(_, let role)), (.keyOrSession(_, let least), .person(_, let role)),
            (.anyKeyOrSession(let least), .person(_, let role)):
            try requireEnrollment(principal)
            guard role >= least else {
                throw Failure(.insufficientScope, "this needs the role \(least.rawValue)")
            }
        case (.operator, .operator):
            try requireEnrollment(principal)
        case (.anyKeyOrSession, .key), (.anySession, .person), (.anySession, .operator), (.operator, .socketPeer),
            (.socket, .socketPeer):
            return
        default:
            throw Failure(.insufficientScope, "this kind of credential does not open this route")
        }
    }

    private static func requireEnrollment(_ principal: Principal) throws(Failure) {
        guard principal.mustEnroll else { return }
        throw Failure(.totpRequired, "a second factor is required here: set one up at /auth/totp/enroll first")
    }
}
