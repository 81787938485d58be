// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform
import Synchronization

/// Credentials for `gatehouse routes --audit`, which tries every route of the running server with each of them: keys of two
/// tenants that exist for that alone. The keys live in memory and end by themselves; the tenants go when the audit is over.
final class GuardProbes: Sendable {
    private let keys: @Sendable () throws(Failure) -> Keys
    private let directory: any TenantDirectory
    /// Tenants that this process has made for it, and nobody else's.
    private let tenants = Mutex<[TenantID]>([])

    private static let lifetime = Duration.seconds(600)
    /// Audits at once.
    private static let tenantsMax = 8

    init(keys: @escaping @Sendable () throws(Failure) -> Keys, directory: any TenantDirectory) {
        (self.keys, self.directory) = (keys, directory)
    }

    var routes: [Route] {
        [
            Route(
                .post, "/admin/v1/guard-probes", guard: .socket,
                summary: "Make short-lived credentials of two empty tenants, to try every guard with"
            ) { [self] _ async throws(Failure) in .json(.object(try await make()), status: 201) },
            Route(
                .delete, "/admin/v1/guard-probes", guard: .socket, summary: "Delete the tenants that were made for that"
            ) { [self] _ async throws(Failure) in
                let made = tenants.withLock { tenants in
                    defer { tenants = [] }
                    return tenants
                }
                for tenant in made where directory.status(of: tenant) != nil { try await directory.delete(tenant) }
                return .json(["object": "guard_probes.deleted", "deleted": true])
            },
        ]
    }

    private func make() async throws(Failure) -> JSONObject {
        let (keys, own, other) = (try keys(), try await tenant(), try await tenant())
        let end = WallTime.now() + Self.lifetime
        func mint(_ name: String, _ scopes: Scopes, of tenant: TenantID, until end: WallTime) -> KeyRecordText {
            keys.mintInMemory("guard probe: \(name)", of: tenant, scopes, expiresAt: end)
        }
        func text(_ name: String, _ scopes: Scopes) -> JSONValue {
            .string(mint(name, scopes, of: own, until: end).text)
        }
        let all = Scopes(Scope.allCases)
        let revoked = mint("revoked", all, of: own, until: end)
        _ = try await keys.revoke(revoked.record.id, of: own)
        var only = JSONObject()
        var without = JSONObject()
        for scope in Scope.allCases {
            only[scope.rawValue] = text("only \(scope.rawValue)", Scopes([scope]))
            without[scope.rawValue] = text(
                "without \(scope.rawValue)", Scopes(Scope.allCases.filter { $0 != scope }))
        }
        return [
            "object": "guard_probes", "tenants": [.string(own.text), .string(other.text)],
            "expires_at": .string(end.rfc3339), "all": text("all", all),
            "foreign": .string(mint("foreign", all, of: other, until: end).text),
            "expired": .string(mint("expired", all, of: own, until: .now()).text),
            "revoked": .string(revoked.text), "only": .object(only), "without": .object(without),
        ]
    }

    private typealias KeyRecordText = (text: String, record: KeyRecord)

    private func tenant() async throws(Failure) -> TenantID {
        guard tenants.withLock({ $0.count < Self.tenantsMax }) else {
            throw Failure(.conflict, "an audit of the guards is under way; DELETE ends it")
        }
        let name = ULID.make(prefix: "guard-probe-", at: .now())
        let tenant = try await directory.create(name: name, plan: nil).id
        tenants.withLock { $0.append(tenant) }
        return tenant
    }
}
