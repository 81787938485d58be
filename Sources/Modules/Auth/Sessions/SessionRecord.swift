// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Platform

/// One log-in of one person, which lasts as long as it is refreshed: a family of refresh tokens, of which one is valid.
struct SessionRecord: Sendable {
    let id: SessionID
    let user: UserID
    let home: Home
    var standing: Standing
    /// Whether a second factor has to be set up before anything else.
    var mustEnroll: Bool
    /// 32 random bytes, of which and of a key in the keyring its refresh tokens are made.
    let seed: [UInt8]
    /// Which refresh token is valid.
    var generation: Int
    let createdAt: WallTime
    var refreshedAt: WallTime
    /// When it ends however often it is refreshed.
    let endsAt: WallTime

    /// Who calls in this session.
    ///
    /// - Parameter lifeline: what its streamed answers hang on.
    func principal(_ lifeline: Lifeline? = nil) -> Principal {
        switch standing {
        case .role(let role):
            Principal(
                kind: .person(user, role: role), tenant: home.tenant, scopes: Scopes(Scope.allCases),
                lifeline: lifeline, mustEnroll: mustEnroll, session: id)
        case .operator:
            Principal(
                kind: .operator(user), tenant: nil, scopes: Scopes(), lifeline: lifeline, mustEnroll: mustEnroll,
                session: id)
        }
    }

    func json(isCurrent: Bool) -> JSONObject {
        [
            "id": .string(id.text),
            "object": "session",
            "current": .bool(isCurrent),
            "created_at": .string(createdAt.rfc3339),
            "last_refreshed_at": .string(refreshedAt.rfc3339),
            "ends_at": .string(endsAt.rfc3339),
        ]
    }

    // MARK: Refresh

    /// How long the token before the valid one is answered with the valid one again: two tabs, or a client whose answer was
    /// lost, ask twice.
    static let raceWindow: Duration = .seconds(10)

    enum RefreshVerdict: Equatable, Sendable {
        /// The valid token: from now on the next one is.
        case advance
        /// The one before it, a moment ago: the valid one is told again.
        case again
        /// One that was used up: somebody has a copy. The family ends.
        case reuse
        /// One that would do, of somebody whose tenant is suspended: nothing is used up, and it does when that is over.
        case waiting
        /// Over.
        case ended
        /// One that was never given out: of a database older than the token.
        case unknown
    }

    /// What a genuine token of this family comes to, and the step itself.
    mutating func refresh(_ presented: Int, idle: Duration, at now: WallTime) -> RefreshVerdict {
        guard now < endsAt, now - refreshedAt < idle else { return .ended }
        if presented > generation { return .unknown }
        if presented == generation {
            generation += 1
            refreshedAt = now
            return .advance
        }
        return presented == generation - 1 && now - refreshedAt <= Self.raceWindow ? .again : .reuse
    }
}
