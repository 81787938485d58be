// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import Platform

/// Credential → principal. A request at the admin socket has its principal from the kernel already.
final class IdentifyStage: ImmediateStage {
    /// The keys; `nil` before the start and after the stop, when nobody is let in.
    private let index: @Sendable () -> KeyIndex?
    private let directory: any TenantDirectory

    init(index: @escaping @Sendable () -> KeyIndex?, directory: any TenantDirectory) {
        self.index = index
        self.directory = directory
    }

    var position: StagePosition { .identify }

    func enter(_ exchange: Exchange) throws(Failure) {
        guard exchange.principal == nil else { return }
        // Absent is left to the guard, which knows whether one is needed.
        let index = index()
        var caller: Authentication?
        guard
            try Credential.read(
                in: exchange.request.head.fields, { caller = index?.authenticate($0, at: exchange.time) })
        else { return }
        switch caller {
        case nil: throw Failure(.disabled, "auth is not started")
        case .valid(let principal):
            if let tenant = principal.tenant { try requireActive(tenant) }
            if let places = principal.places { try places.admit(exchange) }
            exchange.principal = principal
        case .expired: throw Failure(.expired, "this key has expired")
        case .revoked: throw Failure(.revoked, "this key has been revoked")
        case .blocked: throw Failure(.blocked, "this key is blocked")
        case .unknown: throw Failure(.invalidAPIKey, "this key is not valid")
        }
    }

    /// A key is worth as much as its tenant; asked with each request, so that a suspension is in force at once.
    private func requireActive(_ tenant: TenantID) throws(Failure) {
        switch directory.status(of: tenant) {
        case .active: return
        case .suspended: throw Failure(.blocked, "this tenant is suspended")
        // Its tenant is being deleted.
        case nil: throw Failure(.revoked, "this key has been revoked")
        }
    }
}
