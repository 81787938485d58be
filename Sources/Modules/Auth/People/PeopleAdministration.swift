// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite

/// Who administers: an operator, who may everything, or somebody of the tenant, who may nothing above their own role.
enum Authority: Sendable {
    case appliance
    case role(Role)

    /// Whether somebody of this standing may be made, changed or removed.
    func covers(_ standing: Standing) -> Bool {
        switch (self, standing) {
        case (.appliance, _): true
        case (.role(let own), .role(let other)): own >= other
        case (.role, .operator): false
        }
    }
}

/// Invites, changes and removes people.
struct PeopleAdministration: Sendable {
    let context: PeopleContext

    /// What is to be changed of somebody; `nil` where it stays.
    struct Change: Sendable {
        var name: String?
        var standing: Standing?
        var isDisabled: Bool?
        /// True where the second factor is to be taken away: the phone is lost, and the recovery codes too.
        var dropsFactor = false
    }

    func list(_ page: Page, in home: Home) async throws(Failure) -> Slice<PersonRecord> {
        try await context.store.look(in: home) { connection throws(SQLiteError) in
            .success(Slice(try PeopleTables.people(page, of: home, in: connection), of: page))
        }
    }

    func person(_ id: UserID, in home: Home) async throws(Failure) -> PersonRecord {
        guard let person = try await context.store.person(Login(user: id, home: home)) else { throw Failure.absent }
        return person
    }

    /// Makes somebody who has no password yet, and the link by which one is set.
    func invite(
        _ email: EmailAddress, _ name: String?, as standing: Standing, in home: Home, by authority: Authority,
        at now: WallTime
    ) async throws(Failure) -> (person: PersonRecord, token: TicketToken, ticket: Ticket) {
        guard authority.covers(standing) else { throw Self.above }
        let person = PersonRecord(
            id: UserID(ULID.make(prefix: "usr_", at: now)), home: home, email: email, name: name, standing: standing,
            createdAt: now)
        try await add(person)
        let (token, ticket) = try await context.ticket(
            .invitation, for: Login(user: person.id, home: home), at: now)
        return (person, token, ticket)
    }

    /// Writes somebody new down. The index comes first: of two at once with one address, one is refused.
    func add(_ person: PersonRecord) async throws(Failure) {
        let login = Login(user: person.id, home: person.home)
        let digest = context.logins.digest(of: person.email)
        guard context.logins.add(login, digest) else {
            throw Failure(.conflict, "there is somebody of that address already", param: "email")
        }
        do throws(Failure) {
            try await context.store.database.perform { connection throws(SQLiteError) in
                try LoginTables.insert(login, digest: digest, in: connection)
            }
            try await context.store.change(in: person.home) { connection throws(SQLiteError) -> Verdict<Void> in
                guard try PeopleTables.count(in: connection) < Self.perHomeMax else {
                    return .failure(Failure(.conflict, "there are \(Self.perHomeMax) people: remove one first"))
                }
                return .success(try PeopleTables.insert(person, in: connection))
            }
        } catch {
            await forget(login)
            throw error
        }
    }

    /// People in one tenant, and operators of one appliance.
    static let perHomeMax = 10_000

    /// Changes somebody. Whoever is given another role, disabled, or loses the second factor, logs in again.
    func change(
        _ id: UserID, in home: Home, _ change: Change, by authority: Authority
    ) async throws(Failure) -> PersonRecord {
        let login = Login(user: id, home: home)
        let (person, hasToLogIn) = try await context.store.alter(login) {
            person, connection throws(SQLiteError) -> Verdict<Bool> in
            guard authority.covers(person.standing), change.standing.map(authority.covers) ?? true else {
                return .failure(Self.above)
            }
            let isLeaving = change.isDisabled == true || (change.standing ?? person.standing) != person.standing
            if isLeaving, try Self.isLast(person, authority, in: connection) { return .failure(Self.last) }
            var hasToLogIn = change.dropsFactor
            if let name = change.name { person.name = name }
            if let standing = change.standing, standing != person.standing {
                person.standing = standing
                hasToLogIn = true
            }
            if let isDisabled = change.isDisabled {
                person.status = isDisabled ? .disabled : person.password == nil ? .invited : .active
                hasToLogIn = hasToLogIn || isDisabled
            }
            if change.dropsFactor {
                (person.secret, person.offeredSecret, person.enrolledAt) = (nil, nil, nil)
                try PeopleTables.replaceCodes([], of: person.id, in: connection)
            }
            return .success(hasToLogIn)
        }
        if hasToLogIn { try await context.sessions.end(of: id) }
        return person
    }

    func remove(_ id: UserID, in home: Home, by authority: Authority) async throws(Failure) {
        try await context.store.change(in: home) { connection throws(SQLiteError) -> Verdict<Void> in
            guard let person = try PeopleTables.person(id, of: home, in: connection) else { return .failure(.absent) }
            guard authority.covers(person.standing) else { return .failure(Self.above) }
            guard try !Self.isLast(person, authority, in: connection) else { return .failure(Self.last) }
            return .success(try PeopleTables.delete(id, in: connection))
        }
        try await context.sessions.end(of: id)
        await forget(Login(user: id, home: home))
    }

    /// The link by which somebody sets another password; one who was invited and lost the first gets that again.
    func reset(
        _ id: UserID, in home: Home, by authority: Authority, at now: WallTime
    ) async throws(Failure) -> (token: TicketToken, ticket: Ticket) {
        let person = try await person(id, in: home)
        guard authority.covers(person.standing) else { throw Self.above }
        return try await context.ticket(
            person.status == .invited ? .invitation : .reset, for: Login(user: id, home: home), at: now)
    }

    private func forget(_ login: Login) async {
        context.logins.remove(login.user)
        // What stays after a crash here leads to nobody.
        try? await context.store.database.perform { connection throws(SQLiteError) in
            try LoginTables.delete(login: login.user, in: connection)
        }
    }

    /// Whether a tenant would be left to nobody. An operator may do that: it can make another owner, and operators have the
    /// admin socket.
    private static func isLast(
        _ person: PersonRecord, _ authority: Authority, in database: SQLiteConnection
    ) throws(SQLiteError) -> Bool {
        guard case .role = authority, person.status == .active, person.standing == .role(.owner) else { return false }
        return try PeopleTables.count(active: person.standing, in: database) == 1
    }

    private static var above: Failure {
        Failure(.insufficientScope, "nobody changes, or makes, somebody of a higher role than their own")
    }
    private static var last: Failure {
        Failure(.conflict, "nobody would be left who can administer: give somebody else this role first")
    }
}
