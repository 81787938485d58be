// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import Log
import Platform
import SQLite

/// What the routes of this module work with: roles, settings, and the clock.
struct NodesContext: Sendable {
    let store: any TenantStore
    let directory: any TenantDirectory
    let consents: any Consents
    /// Nil without a gateway: then every well-formed name of a model is taken, and no node answers.
    let models: (any ModelCaller)?
    let settings: NodesSettings
    let mode: Mode
    /// Which threads, files and runs of its tenant a caller gets to.
    var ownership = OwnershipRule.standard
    let log: Logger
    let schedule: SweepSchedule
    let keyRounds = KeyRounds()
    let uploads: Uploads
    let chat = ChatMemory()
    let now: @Sendable () -> WallTime

    /// The database of whoever calls.
    func database(of exchange: Exchange) throws(Failure) -> any TenantDatabase {
        try store.database(of: exchange.principal)
    }

    /// Which threads, files and runs the caller gets to by their ids.
    func reached(by exchange: Exchange) -> Owners {
        // Nobody was identified: nothing is reached.
        exchange.principal.map(ownership.reached) ?? .one("")
    }

    /// A tenant that the operator names, by name or id.
    func tenant(_ nameOrID: String?) throws(Failure) -> Tenant {
        guard let nameOrID, let tenant = directory.find(nameOrID) else {
            throw Failure(.notFound, "there is no tenant of that name or id")
        }
        return tenant
    }

    /// How long something is kept now: the least of the plan's cap, the tenant's wish and the node's.
    ///
    /// - Parameter limits: other limits than those in force.
    func retention(
        _ kind: DataClass, node: RetentionRule = RetentionRule(), under limits: TenantLimits? = nil,
        in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Retention {
        let limits = limits ?? directory.limits(of: transaction.tenant)
        let wish = try directory.retentionWish(in: transaction)
        return RetentionRule.effective(
            kind, plan: limits.retention, tenant: wish, node: node, standard: limits.standardRetention)
    }

    /// Whether content may be kept, asked in the transaction that keeps it.
    ///
    /// A tenant that was suspended since the request came in keeps nothing more.
    ///
    /// - Returns: how long it is kept, or why it is not: `blocked`, `consent_required`.
    func capture(
        _ kind: DataClass, under scope: ConsentScope, node: RetentionRule = RetentionRule(),
        in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Verdict<Retention> {
        guard directory.status(of: transaction.tenant) == .active else {
            return .failure(Failure(.blocked, "this tenant is suspended"))
        }
        guard try consents.isGranted(scope, in: transaction) else {
            return .failure(
                Failure(.consentRequired, "this needs the tenant's consent for the scope \(scope.rawValue)"))
        }
        let retention = try retention(kind, node: node, in: transaction)
        guard retention > .none else {
            return .failure(Failure(.consentRequired, "the retention of \(kind.rawValue) is none: nothing is kept"))
        }
        return .success(retention)
    }

    /// Refuses a request to keep something that asks that nothing be kept, before anything of it is looked at.
    static func refuseZeroRetention(_ exchange: Exchange) throws(Failure) {
        if exchange.request.head.asksForZeroRetention { throw Failure.nothingMayBeKept }
    }
}

extension Failure {
    /// `store: false` or the header on a route that does nothing but store.
    static var nothingMayBeKept: Failure {
        Failure(.consentRequired, "this request asks that nothing be kept, and keeping is all that this route does")
    }
}

extension Principal {
    /// Who did something, as it is written beside what was done.
    var actor: String {
        switch kind {
        case .key(let id, _): id.text
        case .person(let id, _), .operator(let id): id.text
        case .socketPeer(let userID): "uid:\(userID)"
        }
    }
}
