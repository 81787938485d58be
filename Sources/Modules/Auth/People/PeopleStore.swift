// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite

/// Reaches a person's row, wherever its home is.
struct PeopleStore: Sendable {
    let database: any Database
    let tenants: any TenantStore

    func look<R: Sendable>(
        in home: Home, _ body: @escaping @Sendable (SQLiteConnection) throws(SQLiteError) -> Verdict<R>
    ) async throws(Failure) -> R {
        switch home {
        case .tenant(let tenant):
            return try await tenants.database(of: tenant, actor: "auth").look { transaction throws(SQLiteError) in
                try body(transaction.connection)
            }
        case .appliance: return try await change(in: home, body)
        }
    }

    func change<R: Sendable>(
        in home: Home, _ body: @escaping @Sendable (SQLiteConnection) throws(SQLiteError) -> Verdict<R>
    ) async throws(Failure) -> R {
        switch home {
        case .tenant(let tenant):
            return try await tenants.database(of: tenant, actor: "auth").change { transaction throws(SQLiteError) in
                try body(transaction.connection)
            }
        case .appliance: return try await database.perform(body).get()
        }
    }

    func person(_ login: Login) async throws(Failure) -> PersonRecord? {
        try await look(in: login.home) { connection throws(SQLiteError) in
            .success(try PeopleTables.person(login.user, of: login.home, in: connection))
        }
    }

    /// Changes somebody's row as it is at that moment: two changes at once are one after the other.
    ///
    /// - Throws: what `body` refuses, and `not_found`; then nothing has changed.
    func alter<R: Sendable>(
        _ login: Login,
        _ body: @escaping @Sendable (inout PersonRecord, SQLiteConnection) throws(SQLiteError) -> Verdict<R>
    ) async throws(Failure) -> (person: PersonRecord, result: R) {
        try await change(in: login.home) { connection throws(SQLiteError) in
            guard var person = try PeopleTables.person(login.user, of: login.home, in: connection) else {
                return .failure(.absent)
            }
            switch try body(&person, connection) {
            case .failure(let failure): return .failure(failure)
            case .success(let result):
                try PeopleTables.update(person, in: connection)
                return .success((person, result))
            }
        }
    }
}
