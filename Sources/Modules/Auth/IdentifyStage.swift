// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import Platform

/// Credential → principal. A request at the admin socket has its principal from the kernel already.
struct IdentifyStage: ImmediateStage {
    /// The keys; `nil` before the start and after the stop, when nobody is let in.
    let index: @Sendable () -> KeyIndex?
    let directory: any TenantDirectory

    var position: StagePosition { .identify }

    func enter(_ exchange: Exchange) throws(Failure) {
        guard exchange.principal == nil else { return }
        // Absent is left to the guard, which knows whether one is needed.
        guard let credential = try Credential.find(in: exchange.request.head.fields) else { return }
        guard let index = index() else { throw Failure(.disabled, "auth is not started") }
        switch index.authenticate(credential.text, at: .now()) {
        case .valid(let record):
            try requireActive(record.tenant)
            exchange.principal = record.principal
        case .expired: throw Failure(.expired, "this key has expired")
        case .revoked: throw Failure(.revoked, "this key has been revoked")
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
