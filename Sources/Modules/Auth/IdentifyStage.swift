// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import Platform

/// Credential → principal. A request at the admin socket has its principal from the kernel already.
final class IdentifyStage: ImmediateStage {
    /// The keys; `nil` before the start and after the stop, when nobody is let in.
    private let index: @Sendable () -> KeyIndex?
    /// The sessions, likewise.
    private let gate: @Sendable () -> SessionGate?
    private let directory: any TenantDirectory

    init(
        index: @escaping @Sendable () -> KeyIndex?, gate: @escaping @Sendable () -> SessionGate?,
        directory: any TenantDirectory
    ) {
        self.index = index
        self.gate = gate
        self.directory = directory
    }

    var position: StagePosition { .identify }

    func enter(_ exchange: Exchange) throws(Failure) {
        guard exchange.principal == nil else { return }
        // Absent is left to the guard, which knows whether one is needed.
        let index = index()
        var caller: Authentication?
        var person: Result<Principal?, Failure> = .success(nil)
        let isPresent = try Credential.read(in: exchange.request.head.fields) { text in
            caller = index?.authenticate(text, at: exchange.time)
            // What has not the shape of a key may be the token of a session.
            if case .unknown(isKey: false) = caller { person = session(text, at: exchange.time) }
        }
        guard isPresent else {
            return try admit(gate()?.authenticate(cookiesOf: exchange.request.head, at: exchange.time), exchange)
        }
        if let principal = try person.get() { return try admit(principal, exchange) }
        switch caller {
        case nil: throw Failure(.disabled, "auth is not started")
        case .valid(let principal):
            if let places = principal.places { try places.admit(exchange) }
            try admit(principal, exchange)
        case .expired: throw Failure(.expired, "this key has expired")
        case .revoked: throw Failure(.revoked, "this key has been revoked")
        case .blocked: throw Failure(.blocked, "this key is blocked")
        case .unknown: throw Failure(.invalidAPIKey, "this key is not valid")
        }
    }

    private func session(_ text: Span<UInt8>, at now: WallTime) -> Result<Principal?, Failure> {
        do throws(Failure) {
            return .success(try gate()?.authenticate(text, at: now))
        } catch {
            return .failure(error)
        }
    }

    private func admit(_ principal: Principal?, _ exchange: Exchange) throws(Failure) {
        if let tenant = principal?.tenant { try requireActive(tenant) }
        exchange.principal = principal
    }

    /// A key, or a session, is worth as much as its tenant; asked with each request, so that a suspension is in force at once.
    private func requireActive(_ tenant: TenantID) throws(Failure) {
        switch directory.status(of: tenant) {
        case .active: return
        case .suspended: throw Failure(.blocked, "this tenant is suspended")
        // Its tenant is being deleted.
        case nil: throw Failure(.revoked, "this key has been revoked")
        }
    }
}
