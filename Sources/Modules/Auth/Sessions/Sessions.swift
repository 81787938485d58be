// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import SQLite

/// The sessions of a started server: the index that every request asks, and the table that outlives it. What begins or changes
/// is written before it is answered; what ends, ends in memory first.
struct Sessions: Sendable {
    let index: SessionIndex
    let keys: SigningKeys
    let gate: SessionGate
    private let database: any Database
    private let refreshKey: HMACSHA256
    /// How long a session lives however often it is refreshed.
    private let lifetime: Duration
    /// How long without.
    let idle: Duration

    init(
        database: any Database, keys: SigningKeys, refreshKey: HMACSHA256, proofs: HMACSHA256, idle: Duration,
        lifetime: Duration, step: @escaping LoginRules.RefreshStep
    ) {
        (self.database, self.keys, self.refreshKey) = (database, keys, refreshKey)
        (self.idle, self.lifetime) = (idle, lifetime)
        index = SessionIndex(idle: idle, step: step)
        gate = SessionGate(keys: keys, index: index, proofs: proofs)
    }

    /// What a person gets for a log-in or a refresh.
    struct Grant: Sendable {
        let record: SessionRecord
        let access: String
        let accessExpiresAt: WallTime
        let refresh: String
    }

    /// A session that somebody may begin; nothing of it is in force.
    ///
    /// - Parameter lifetime: how long it may live; `nil` for as long as any.
    func draft(
        of person: PersonRecord, mustEnroll: Bool, at now: WallTime, lifetime: Duration? = nil
    ) -> SessionRecord {
        SessionRecord(
            id: SessionID(ULID.make(prefix: "ses_", at: now)), user: person.id, home: person.home,
            standing: person.standing, mustEnroll: mustEnroll, seed: Random.bytes(32), generation: 0, createdAt: now,
            refreshedAt: now, endsAt: now + (lifetime ?? self.lifetime))
    }

    func begin(_ record: SessionRecord, at now: WallTime) async throws(Failure) -> Grant {
        guard let ended = index.add(record) else { throw Failure(.overloaded, "there is no room for another session") }
        do throws(Failure) {
            try await database.perform { connection throws(SQLiteError) in
                try LoginTables.delete(sessions: ended, in: connection)
                try LoginTables.insert(record, in: connection)
            }
        } catch {
            _ = index.end(record.id, of: record.user)
            throw error
        }
        return try grant(record, at: now)
    }

    /// - Parameter isOpen: whether who it belongs to may come in now.
    /// - Throws: `invalid_session`; also for a token that was used before, and then the whole session has ended. `blocked`
    ///   while its tenant is suspended.
    func refresh(
        _ token: RefreshToken, isOpen: (Home) -> Bool, at now: WallTime
    ) async throws(Failure) -> Grant {
        // Asked before the step: what is refused must not use a token up, or who waits for the end of a suspension would
        // come back with a used one, and be taken for a thief.
        guard let current = index.session(token.session) else { throw Self.over }
        let step = index.refresh(
            token.session, isGenuine: { token.isGenuine(of: $0, under: refreshKey) }, generation: token.generation,
            isOpen: isOpen(current.home), at: now)
        guard let (verdict, record) = step else { throw Self.over }
        switch verdict {
        case .advance:
            try await database.perform { connection throws(SQLiteError) in
                try LoginTables.refresh(record, in: connection)
            }
            return try grant(record, at: now)
        case .again:
            return try grant(record, at: now)
        case .reuse:
            try await forget([record.id])
            throw Failure(
                .invalidSession, "this session has ended: its refresh token was used twice",
                cause: "a used refresh token of \(record.id.text) came back; the session was ended")
        case .waiting:
            throw Failure(.blocked, "this tenant is suspended")
        case .ended:
            try await forget([record.id])
            throw Self.over
        case .unknown:
            throw Self.over
        }
    }

    /// Ends sessions of a person. They open nothing when this returns; that they are gone from the disk too is what is waited
    /// for, so that no restart brings one back.
    func end(of user: UserID, keeping: SessionID? = nil) async throws(Failure) {
        try await forget(index.end(of: user, keeping: keeping))
    }

    /// - Throws: `not_found` for another person's session.
    func end(_ id: SessionID, of user: UserID) async throws(Failure) {
        guard index.end(id, of: user) else { throw Failure.absent }
        try await forget([id])
    }

    /// A second factor was set up in this session: it may do everything from now on.
    func enrolled(_ id: SessionID) async throws(Failure) {
        index.enrolled(id)
        try await database.perform { connection throws(SQLiteError) in
            try LoginTables.enrolled(id, in: connection)
        }
    }

    /// Blocks: on the thread for upkeep.
    func sweep(at now: WallTime) throws(DatabaseFailure) {
        let ended = index.sweep(at: now)
        guard !ended.isEmpty else { return }
        try database.writeBlocking { connection throws(SQLiteError) in
            try LoginTables.delete(sessions: ended, in: connection)
        }
    }

    private func grant(_ record: SessionRecord, at now: WallTime) throws(Failure) -> Grant {
        let (access, expiresAt) = try keys.issue(record, at: now)
        let refresh = RefreshToken(record, generation: record.generation, under: refreshKey)
        return Grant(record: record, access: access, accessExpiresAt: expiresAt, refresh: refresh.text)
    }

    private func forget(_ ids: [SessionID]) async throws(Failure) {
        guard !ids.isEmpty else { return }
        try await database.perform { connection throws(SQLiteError) in
            try LoginTables.delete(sessions: ids, in: connection)
        }
    }

    private static var over: Failure { Failure(.invalidSession, "this session has ended: log in again") }
}

extension Database {
    /// A write, whose failure is an answer.
    func perform<Result: Sendable>(
        _ body: @escaping @Sendable (SQLiteConnection) throws(SQLiteError) -> Result
    ) async throws(Failure) -> Result {
        do throws(DatabaseFailure) {
            return try await write(body)
        } catch {
            throw Failure(error)
        }
    }
}
