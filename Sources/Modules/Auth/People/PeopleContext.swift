// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import HTTP
import Platform
import SQLite

/// What the routes of a started server share.
struct PeopleContext: Sendable {
    let store: PeopleStore
    let logins: LoginIndex
    let sessions: Sessions
    let hasher: PasswordHasher
    let leaked: LeakedPasswords
    let rule: PasswordRule
    let limits: LoginLimits
    let factors: SecondFactorVault
    /// Digests one-time links and recovery codes.
    let codes: HMACSHA256
    let directory: any TenantDirectory
    /// Who has to have a second factor.
    let requiresFactor: @Sendable (Standing) -> Bool

    /// - Throws: `leaked_password`, `invalid_parameter`, `concurrency_exceeded`.
    func hash(new password: String, of email: EmailAddress?, _ exchange: Exchange) async throws(Failure) -> String {
        guard password.utf8.count <= PasswordRule.bytesMax else {
            throw Failure(
                .invalidParameter, "must have at most \(PasswordRule.bytesMax) bytes", param: "password")
        }
        try await leaked.check(password, on: exchange.request.loop)
        try rule.check(password, of: email)
        return try await hasher.hash(password).text
    }

    /// Makes a one-time link; its secret is in the answer alone.
    func ticket(
        _ kind: Ticket.Kind, for login: Login?, at now: WallTime
    ) async throws(Failure) -> (token: TicketToken, ticket: Ticket) {
        let token = TicketToken.random()
        let ticket = Ticket(
            kind: kind, user: login?.user, home: login?.home ?? .appliance, createdAt: now,
            expiresAt: now + Ticket.lifetime(kind))
        let digest = token.digest(under: codes)
        try await store.database.perform { connection throws(SQLiteError) in
            try LoginTables.insert(ticket, digest: digest, in: connection)
        }
        return (token, ticket)
    }

    /// Who calls, as it stands in its row.
    func caller(_ exchange: Exchange) async throws(Failure) -> (login: Login, person: PersonRecord) {
        guard let principal = exchange.principal, let user = principal.userID else { throw Failure.absent }
        let login = Login(user: user, home: Home(principal.tenant))
        guard let person = try await store.person(login) else {
            throw Failure(.invalidSession, "this session has ended: log in again")
        }
        return (login, person)
    }
}
