// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform
import SQLite

/// The end of an account, and what a tenant takes away of its keys and people.
struct AccountRoutes: Sendable {
    let keys: @Sendable () throws(Failure) -> Keys
    let people: @Sendable () throws(Failure) -> PeopleContext
    let directory: any TenantDirectory
    let tenants: any TenantStore

    var all: [Route] { [delete] }

    /// Nothing brings an account back. So it takes an owner in a session, who shows password and second factor in this very
    /// request, and writes the tenant's name: an open screen, a stolen token or a slip is not enough. Never a key.
    private var delete: Route {
        Route(
            .delete, "/v1/account", guard: .session(.owner),
            summary: "Delete this account for good: people, keys, and everything stored; the answer is a receipt",
            requestBody: Self.schema
        ) { exchange async throws(Failure) in
            let body = try await JSONBody(exchange, bytesMax: 16 << 10, known: Proof.names + ["confirm"])
            let proof = try Proof(body)
            guard let id = exchange.principal?.tenant, let tenant = directory.find(id.text) else {
                throw Failure.absent
            }
            guard try body.string("confirm", bytes: 1...NameRule.bytesMax) == tenant.name else {
                throw body.refusal("confirm", "to confirm, give the account's name")
            }
            let (login, _) = try await people().confirm(exchange, proof, mustHaveFactor: true)
            let (keyCount, peopleCount) = (try keys().index.count(of: id), try await count(of: id))
            try await directory.delete(id)
            return .json([
                "object": "account.deleted", "id": .string(id.text), "name": .string(tenant.name), "deleted": true,
                "created_at": .string(tenant.createdAt.rfc3339), "deleted_at": .string(WallTime.now().rfc3339),
                "deleted_by": .string(login.user.text), "keys": .int(keyCount), "people": .int(peopleCount),
                // The record of this act, which outlives the account without its content.
                "request_id": .string(exchange.id),
            ])
        }
    }

    private func count(of tenant: TenantID) async throws(Failure) -> Int {
        try await tenants.database(of: tenant, actor: "account").look { transaction throws(SQLiteError) in
            .success(try PeopleTables.count(in: transaction.connection))
        }
    }

    private static let schema: JSONValue = [
        "type": "object", "required": ["password", "confirm"], "additionalProperties": false,
        "properties": [
            "password": ["type": "string"], "totp": ["type": "string"], "recovery_code": ["type": "string"],
            "confirm": ["type": "string"],
        ],
    ]

    // MARK: The archive

    var archiveParts: [ArchivePart] {
        [
            ArchivePart("keys", "API keys: everything but the keys", tables: []) {
                tenant, archive async throws(Failure) in
                let keys = try keys()
                try await archive.pages(
                    { page async throws(Failure) in try await keys.list(of: tenant, page) }, cursor: \.id.text, \.json)
            },
            ArchivePart(
                "people", "people: addresses, names and roles, without their secrets",
                tables: ["auth_people", "auth_recovery_codes"]
            ) { tenant, archive async throws(Failure) in
                let database = try tenants.database(of: tenant, actor: "export")
                try await archive.pages(
                    { page async throws(Failure) in
                        try await database.look { transaction throws(SQLiteError) in
                            .success(
                                Slice(
                                    try PeopleTables.people(page, of: Home(tenant), in: transaction.connection),
                                    of: page))
                        }
                    }, cursor: \.id.text, \.json)
            },
        ]
    }
}
