// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import Synchronization

/// Identification that remembers whom it has let in, as a cache that lives on does: it misses whatever becomes of a credential
/// afterwards, and never asks again from where it comes. Proofs that a change is in force at once fail on a server with it.
final class RememberingStage: Stage {
    private let inner: any Stage
    // Guards the table: by the text of the credential.
    private let known = Mutex<[String: Principal]>([:])

    init(_ inner: any Stage) { self.inner = inner }

    var position: StagePosition { inner.position }

    func enter(_ exchange: Exchange) async throws(Failure) {
        let text = exchange.request.head.fields["authorization"] ?? ""
        if let principal = known.withLock({ $0[text] }) {
            exchange.principal = principal
            return
        }
        try await inner.enter(exchange)
        guard let principal = exchange.principal, !text.isEmpty else { return }
        known.withLock { $0[text] = principal }
    }
}

/// Identification whose callers' answers hang on nothing: a stream goes on when its credential has ended.
final class UnhungStage: Stage {
    private let inner: any Stage

    init(_ inner: any Stage) { self.inner = inner }

    var position: StagePosition { inner.position }

    func enter(_ exchange: Exchange) async throws(Failure) {
        try await inner.enter(exchange)
        guard let caller = exchange.principal else { return }
        exchange.principal = Principal(
            kind: caller.kind, tenant: caller.tenant, scopes: caller.scopes, models: caller.models, nodes: caller.nodes,
            places: caller.places, lifeline: nil, mustEnroll: caller.mustEnroll, session: caller.session)
    }
}

extension House {
    /// A server whose identification is wrapped in another stage.
    static func careless(
        _ text: String = configuration, _ wrap: @escaping (any Stage) -> any Stage
    ) throws -> House {
        try House(text, staging: { section, stages in section == "auth" ? stages.map(wrap) : stages })
    }
}
