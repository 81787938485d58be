// SPDX-License-Identifier: Apache-2.0

/// Who may call a route. Every route has exactly one; there is no default, so that a forgotten guard does not compile.
package enum RouteGuard: Sendable, Equatable {
    /// Anyone. The reason is published with the route.
    case `public`(why: String)
    /// An API key with this scope.
    case key(Scope)
    /// Any valid API key, whatever its scopes, or somebody with this role or a higher one: for what every caller may know
    /// about itself.
    case anyKeyOrSession(Role)
    /// Somebody of a tenant with this role or a higher one, in a session. Never a key: what a person has to answer for.
    case session(Role)
    /// Either: a key with this scope, or somebody with this role or a higher one.
    case keyOrSession(Scope, Role)
    /// Any session, an operator's too, and also of somebody who has still to set up a second factor: one's own account.
    case anySession
    /// An operator of the appliance: in a session, or a peer of the admin socket.
    case `operator`
    /// A peer of the admin socket alone: what must not be reachable from the network, whoever asks.
    case socket

    /// The value of `x-guard` in `/openapi.json`.
    package var name: String {
        switch self {
        case .public: "public"
        case .key(let scope): "key(\(scope.rawValue))"
        case .anyKeyOrSession(let role): "keyOrSession(any, \(role.rawValue))"
        case .session(let role): "session(\(role.rawValue))"
        case .keyOrSession(let scope, let role): "keyOrSession(\(scope.rawValue), \(role.rawValue))"
        case .anySession: "session"
        case .operator: "operator"
        case .socket: "socket"
        }
    }

    /// Whether a program's key can open it.
    package var takesKeys: Bool {
        switch self {
        case .key, .anyKeyOrSession, .keyOrSession: true
        case .public, .session, .anySession, .operator, .socket: false
        }
    }

    /// Whether a session can open it, of some person.
    package var takesSessions: Bool {
        switch self {
        case .session, .keyOrSession, .anyKeyOrSession, .anySession, .operator: true
        case .public, .key, .socket: false
        }
    }

    /// Whether what it guards is administration, of a tenant or of the appliance.
    package var isAdministration: Bool {
        switch self {
        case .operator, .socket, .session: true
        case .public, .key, .anyKeyOrSession, .keyOrSession, .anySession: false
        }
    }
}

/// What an API key may do.
package enum Scope: String, CaseIterable, Sendable {
    case chat
    case embeddings
    case files
    case executions
    case nodesRead = "nodes.read"
    case nodesWrite = "nodes.write"
    case threadsRead = "threads.read"
    case threadsWrite = "threads.write"
    case memory
    case usageRead = "usage.read"
    case keysRead = "keys.read"
    case keysWrite = "keys.write"
    case auditRead = "audit.read"
    case account
}

/// A set of scopes, one bit each.
package struct Scopes: Sendable, Equatable {
    private var bits: UInt32 = 0

    package init(_ scopes: some Sequence<Scope> = []) {
        for scope in scopes { insert(scope) }
    }

    package mutating func insert(_ scope: Scope) {
        bits |= scope.bit
    }

    package func contains(_ scope: Scope) -> Bool {
        bits & scope.bit != 0
    }

    /// The scopes in the order of their declaration.
    package var list: [Scope] {
        Scope.allCases.filter(contains)
    }
}

extension Scope {
    fileprivate var bit: UInt32 {
        switch self {
        case .chat: 1 << 0
        case .embeddings: 1 << 1
        case .files: 1 << 2
        case .executions: 1 << 3
        case .nodesRead: 1 << 4
        case .nodesWrite: 1 << 5
        case .threadsRead: 1 << 6
        case .threadsWrite: 1 << 7
        case .memory: 1 << 8
        case .usageRead: 1 << 9
        case .keysRead: 1 << 10
        case .keysWrite: 1 << 11
        case .auditRead: 1 << 12
        case .account: 1 << 13
        }
    }
}
