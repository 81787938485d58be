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
        var person: Principal?
        var refusal: Failure?
        let isPresent = try Credential.read(in: exchange.request) { text in
            caller = index?.authenticate(text, at: exchange.time)
            // What has not the shape of a key may be the token of a session.
            guard case .unknown(isKey: false) = caller else { return }
            do throws(Failure) {
                person = try gate()?.authenticate(text, at: exchange.time)
            } catch {
                refusal = error
            }
        }
        guard isPresent else {
            return try admit(gate()?.authenticate(cookiesOf: exchange.request.head, at: exchange.time), exchange)
        }
        if case .valid(let principal) = caller {
            caller = nil
            if let places = principal.places { try places.admit(exchange) }
            return try admit(consume principal, exchange)
        }
        if let refusal { throw refusal }
        if let person { return try admit(person, exchange) }
        switch caller {
        case nil, .valid: throw Failure(.disabled, "auth is not started")
        case .expired: throw Failure(.expired, "this key has expired")
        case .revoked: throw Failure(.revoked, "this key has been revoked")
        case .blocked: throw Failure(.blocked, "this key is blocked")
        case .unknown: throw Failure(.invalidAPIKey, "this key is not valid")
        }
    }

    @inline(__always)
    private func admit(_ principal: consuming Principal?, _ exchange: Exchange) throws(Failure) {
        try principal?.requireActiveTenant(in: directory)
        exchange.principal = principal
    }
}

extension Principal {
    /// A key, or a session, is worth as much as its tenant; asked with each request, so that a suspension is in force at once.
    // Not in line: the text of the id would be counted as held while it is looked up.
    @inline(never)
    fileprivate func requireActiveTenant(in directory: any TenantDirectory) throws(Failure) {
        guard let tenant else { return }
        switch directory.status(of: tenant) {
        case .active: return
        case .suspended: throw Failure(.blocked, "this tenant is suspended")
        // Its tenant is being deleted.
        case nil: throw Failure(.revoked, "this key has been revoked")
        }
    }
}
