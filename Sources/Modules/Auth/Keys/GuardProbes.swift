// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform
import SQLite
import Synchronization

/// Credentials for `gatehouse routes --audit`, which tries every route of the running server with each of them: keys and
/// sessions of two tenants that exist for that alone. Keys and sessions live in memory and end by themselves; the tenants,
/// and their people with them, go when the audit is over.
final class GuardProbes: Sendable {
    private let keys: @Sendable () throws(Failure) -> Keys
    private let people: @Sendable () throws(Failure) -> PeopleContext
    private let directory: any TenantDirectory
    /// Tenants that this process has made for it, and nobody else's.
    private let tenants = Mutex<[TenantID]>([])

    private static let lifetime = Duration.seconds(600)
    /// Audits at once.
    private static let tenantsMax = 8
    /// Sessions to be used once each: some routes end the one that asks.
    private static let sparesCount = 32

    init(
        keys: @escaping @Sendable () throws(Failure) -> Keys,
        people: @escaping @Sendable () throws(Failure) -> PeopleContext, directory: any TenantDirectory
    ) {
        (self.keys, self.people, self.directory) = (keys, people, directory)
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
        let every = mint("all", all, of: own, until: end)
        let (tokens, objects) = try await sessions(own, other)
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
            "expires_at": .string(end.rfc3339), "all": .string(every.text),
            // What the first tenant has and the second must not reach.
            "objects": .array(([every.record.id.text] + objects).map(JSONValue.string)),
            "foreign": .string(mint("foreign", all, of: other, until: end).text),
            "expired": .string(mint("expired", all, of: own, until: .now()).text),
            "revoked": .string(revoked.text), "only": .object(only), "without": .object(without),
            "sessions": .object(tokens),
        ]
    }

    /// Access tokens by what they are good for, and the ids of a person and of its session.
    private func sessions(
        _ own: TenantID, _ other: TenantID
    ) async throws(Failure) -> (tokens: JSONObject, objects: [String]) {
        let (context, now) = (try people(), WallTime.now())
        var tokens = JSONObject()
        for role in Role.allCases {
            tokens[role.rawValue] = .string(try await sessions(1, role, of: own, context, at: now)[0].access)
        }
        tokens["foreign"] = .string(try await sessions(1, .owner, of: other, context, at: now)[0].access)
        tokens["spare"] = .array(
            try await sessions(Self.sparesCount, .member, of: own, context, at: now).map { .string($0.access) })
        let late = try await sessions(1, .owner, of: own, context, at: now)[0].record
        let before = now - context.sessions.keys.lifetime - .seconds(1)
        tokens["expired"] = .string(try context.sessions.keys.issue(late, at: before).text)
        let ended = try await sessions(1, .owner, of: own, context, at: now)[0]
        _ = context.sessions.index.end(ended.record.id, of: ended.record.user)
        tokens["ended"] = .string(ended.access)
        return (tokens, [late.user.text, late.id.text])
    }

    /// Sessions of as many people, who are written down in their tenant and can log in nowhere: they have no password.
    private func sessions(
        _ count: Int, _ role: Role, of tenant: TenantID, _ context: PeopleContext, at now: WallTime
    ) async throws(Failure) -> [(record: SessionRecord, access: String)] {
        let home = Home.tenant(tenant)
        var made: [PersonRecord] = []
        for _ in 0..<count {
            let id = ULID.make(prefix: "usr_", at: now)
            guard let email = EmailAddress("\(id)@guard-probe.invalid") else { throw Failure(.internal, "no address") }
            made.append(
                PersonRecord(
                    id: UserID(id), home: home, email: email, name: nil, standing: .role(role), createdAt: now))
        }
        let people = made
        try await context.store.change(in: home) { connection throws(SQLiteError) in
            for person in people { try PeopleTables.insert(person, in: connection) }
            return .success(())
        }
        var sessions: [(record: SessionRecord, access: String)] = []
        for person in people {
            let record = context.sessions.draft(of: person, mustEnroll: false, at: now, lifetime: Self.lifetime)
            guard context.sessions.index.add(record) != nil else {
                throw Failure(.overloaded, "there is no room for another session")
            }
            sessions.append((record, try context.sessions.keys.issue(record, at: now).text))
        }
        return sessions
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
