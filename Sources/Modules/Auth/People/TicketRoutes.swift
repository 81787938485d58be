// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform
import SQLite

/// What one-time links do: the first operator, the first password, another password.
struct TicketRoutes: Sendable {
    let context: @Sendable () throws(Failure) -> PeopleContext

    var all: [Route] { [invite, redeem] }

    /// At the admin socket and for operators only: there is no first password that anybody could know before.
    private var invite: Route {
        Route(
            .post, "/admin/v1/operators/setup", guard: .operator,
            summary: "A one-time token, good for an hour, that makes an operator of whoever redeems it"
        ) { exchange async throws(Failure) in
            let (token, ticket) = try await context().ticket(.setup, for: nil, at: exchange.time)
            return .json(.object(ticket.json(token)), status: 201)
        }
    }

    private var redeem: Route {
        Route(
            .post, "/auth/redeem", guard: .public(why: "its credential is the one-time token in the body"),
            summary: "Set a password with a one-time token",
            requestBody: [
                "type": "object", "required": ["token", "password"], "additionalProperties": false,
                "properties": [
                    "token": ["type": "string"], "password": ["type": "string"],
                    "email": ["type": "string", "description": "of a new operator, for a setup token"],
                    "name": ["type": "string"],
                ],
            ]
        ) { exchange async throws(Failure) in
            let context = try context()
            let body = try await JSONBody(
                exchange, bytesMax: LoginRoutes.bodyBytesMax, known: ["token", "password", "email", "name"])
            let text = try body.required("token", body.string("token", bytes: 1...256))
            let password = try body.required("password", body.string("password", bytes: 1...PasswordRule.bytesMax))
            let name = try body.line("name", bytesMax: NameRule.bytesMax)
            let email = try body.string("email", bytes: 1...EmailAddress.bytesMax)
            guard let token = TicketToken(text) else { throw Self.invalid }
            let digest = token.digest(under: context.codes)
            let found = try await context.store.database.perform { connection throws(SQLiteError) in
                try LoginTables.ticket(digest, in: connection)
            }
            guard let ticket = found, exchange.time < ticket.expiresAt else { throw Self.invalid }
            let person = try await self.person(of: ticket, email, name, exchange, context)
            let hash = try await context.hash(new: password, of: person.email, exchange)
            exchange.principal = context.sessions.draft(of: person, mustEnroll: false, at: exchange.time).principal()
            try await exchange.advance(through: .record)
            // Of two with one token, one gets behind here.
            let isFirst = try await context.store.database.perform { connection throws(SQLiteError) in
                try LoginTables.spend(ticket: digest, in: connection)
            }
            guard isFirst else { throw Self.invalid }
            let done = try await set(hash, person, ticket, name, exchange, context)
            return .json(.object(done.json))
        }
    }

    /// Whom a ticket is about; somebody new for one that sets up an operator.
    private func person(
        of ticket: Ticket, _ email: String?, _ name: String?, _ exchange: Exchange, _ context: PeopleContext
    ) async throws(Failure) -> PersonRecord {
        if let user = ticket.user {
            guard let person = try await context.store.person(Login(user: user, home: ticket.home)),
                person.status != .disabled
            else { throw Self.invalid }
            return person
        }
        guard let email, let address = EmailAddress(email) else {
            throw Failure(.invalidParameter, "a new operator needs an e-mail address", param: "email")
        }
        return PersonRecord(
            id: UserID(ULID.make(prefix: "usr_", at: exchange.time)), home: .appliance, email: address, name: name,
            standing: .operator, createdAt: exchange.time)
    }

    private func set(
        _ hash: String, _ person: PersonRecord, _ ticket: Ticket, _ name: String?, _ exchange: Exchange,
        _ context: PeopleContext
    ) async throws(Failure) -> PersonRecord {
        let now = exchange.time
        guard ticket.user != nil else {
            var person = person
            (person.password, person.passwordAt, person.status) = (hash, now, .active)
            try await PeopleAdministration(context: context).add(person)
            return person
        }
        let login = Login(user: person.id, home: person.home)
        let (changed, _) = try await context.store.alter(login) { person, _ -> Verdict<Bool> in
            guard person.status != .disabled else { return .failure(Self.invalid) }
            (person.password, person.passwordAt, person.status) = (hash, now, .active)
            if let name { person.name = name }
            return .success(true)
        }
        try await context.sessions.end(of: person.id)
        return changed
    }

    private static var invalid: Failure {
        Failure(.invalidLogin, "this token is not valid: it was used, has expired, or never was one")
    }
}

extension Ticket {
    func json(_ token: TicketToken) -> JSONObject {
        [
            "object": "ticket", "kind": .string(kind.rawValue), "token": .string(token.text),
            "expires_at": .string(expiresAt.rfc3339),
        ]
    }
}
