// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import SQLite

/// What `control.db` has of people: which keyed digest of an address leads to whom, one-time links, and sessions. No name, no
/// address, nothing that opens anything without the keyring.
///
/// Every function is one step of a transaction that its caller has begun.
enum LoginTables {
    static let migrations = SQLiteMigrations(
        module: "auth-logins",
        steps: [
            """
            CREATE TABLE auth_logins (
                user_id TEXT NOT NULL PRIMARY KEY,
                tenant_id TEXT REFERENCES store_tenants (id) ON DELETE CASCADE,
                email_digest BLOB NOT NULL CHECK (length(email_digest) = 32)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE auth_tickets (
                digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
                kind TEXT NOT NULL,
                user_id TEXT,
                tenant_id TEXT REFERENCES store_tenants (id) ON DELETE CASCADE,
                created_at INTEGER NOT NULL,
                expires_at INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE auth_sessions (
                id TEXT NOT NULL PRIMARY KEY,
                user_id TEXT NOT NULL,
                tenant_id TEXT REFERENCES store_tenants (id) ON DELETE CASCADE,
                role TEXT NOT NULL,
                must_enroll INTEGER NOT NULL,
                seed BLOB NOT NULL CHECK (length(seed) = 32),
                generation INTEGER NOT NULL,
                created_at INTEGER NOT NULL,
                refreshed_at INTEGER NOT NULL,
                ends_at INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX auth_sessions_user ON auth_sessions (user_id);
            """,
            "CREATE TABLE auth_restores (restored_at INTEGER NOT NULL) STRICT",
        ])

    /// After a restore nobody knows what was ended since the backup: every session and every one-time link ends, and what
    /// operators' codes were used counts as unknown. Once for each restore, of which Store's table tells.
    ///
    /// - Returns: whether that was done now.
    static func distrustRestored(at now: WallTime, in database: SQLiteConnection) throws(SQLiteError) -> Bool {
        let isNew = try database.first(
            """
            SELECT coalesce((SELECT max(restored_at) FROM store_restores), 0)
                > coalesce((SELECT max(restored_at) FROM auth_restores), 0)
            """
        ) { row throws(SQLiteError) in try row.bool(0) }
        guard isNew == true else { return false }
        try database.execute("DELETE FROM auth_sessions")
        try database.execute("DELETE FROM auth_tickets")
        try PeopleTables.distrustCodes(at: now, in: database)
        try database.execute("INSERT INTO auth_restores SELECT max(restored_at) FROM store_restores")
        return true
    }

    // MARK: Log-ins

    static func insert(_ login: Login, digest: Digest, in database: SQLiteConnection) throws(SQLiteError) {
        try database.execute(
            "INSERT INTO auth_logins VALUES (?, ?, ?)", login.user.text, login.home.tenant?.text, digest.bytes)
    }

    static func delete(login user: UserID, in database: SQLiteConnection) throws(SQLiteError) {
        try database.execute("DELETE FROM auth_logins WHERE user_id = ?", user.text)
        try database.execute("DELETE FROM auth_tickets WHERE user_id = ?", user.text)
        try database.execute("DELETE FROM auth_sessions WHERE user_id = ?", user.text)
    }

    static func logins(in database: SQLiteConnection) throws(SQLiteError) -> [(login: Login, digest: Digest)] {
        try database.query("SELECT user_id, tenant_id, email_digest FROM auth_logins ORDER BY user_id") {
            row throws(SQLiteError) in
            let bytes = try row.blob(2)
            guard let digest = Digest(bytes.span) else {
                throw SQLiteError(.type, message: "a digest is not 32 bytes", subject: "auth_logins")
            }
            let tenant = try row.optionalText(1).map(TenantID.init)
            return (Login(user: UserID(try row.text(0)), home: Home(tenant)), digest)
        }
    }

    // MARK: Tickets

    static func insert(_ ticket: Ticket, digest: Digest, in database: SQLiteConnection) throws(SQLiteError) {
        try database.execute("DELETE FROM auth_tickets WHERE expires_at <= ?", ticket.createdAt)
        // A new link ends those before it: of what was handed over twice the first is in somebody's mailbox.
        if let user = ticket.user {
            try database.execute("DELETE FROM auth_tickets WHERE user_id = ?", user.text)
        }
        try database.execute(
            "INSERT INTO auth_tickets VALUES (?, ?, ?, ?, ?, ?)", digest.bytes, ticket.kind.rawValue,
            ticket.user?.text, ticket.home.tenant?.text, ticket.createdAt, ticket.expiresAt)
    }

    static func ticket(_ digest: Digest, in database: SQLiteConnection) throws(SQLiteError) -> Ticket? {
        try database.first(
            "SELECT kind, user_id, tenant_id, created_at, expires_at FROM auth_tickets WHERE digest = ?", digest.bytes
        ) { row throws(SQLiteError) in
            let kind = try row.text(0)
            guard let kind = Ticket.Kind(rawValue: kind) else {
                throw SQLiteError(.type, message: "a ticket of the kind \(kind)", subject: "auth_tickets")
            }
            let tenant = try row.optionalText(2).map(TenantID.init)
            return Ticket(
                kind: kind, user: try row.optionalText(1).map(UserID.init), home: Home(tenant),
                createdAt: try row.time(3), expiresAt: try row.time(4))
        }
    }

    /// Uses a ticket up. False where somebody else was first.
    static func spend(ticket digest: Digest, in database: SQLiteConnection) throws(SQLiteError) -> Bool {
        try database.execute("DELETE FROM auth_tickets WHERE digest = ?", digest.bytes)
        return database.changes == 1
    }

    // MARK: Sessions

    static func insert(_ session: SessionRecord, in database: SQLiteConnection) throws(SQLiteError) {
        try database.execute(
            "INSERT INTO auth_sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", session.id.text, session.user.text,
            session.home.tenant?.text, session.standing.name, session.mustEnroll, session.seed, session.generation,
            session.createdAt, session.refreshedAt, session.endsAt)
    }

    /// Of two at the same moment the later step stays.
    static func refresh(_ session: SessionRecord, in database: SQLiteConnection) throws(SQLiteError) {
        try database.execute(
            "UPDATE auth_sessions SET generation = ?2, refreshed_at = ?3 WHERE id = ?1 AND generation < ?2",
            session.id.text, session.generation, session.refreshedAt)
    }

    static func enrolled(_ id: SessionID, in database: SQLiteConnection) throws(SQLiteError) {
        try database.execute("UPDATE auth_sessions SET must_enroll = 0 WHERE id = ?", id.text)
    }

    static func delete(sessions ids: [SessionID], in database: SQLiteConnection) throws(SQLiteError) {
        for id in ids { try database.execute("DELETE FROM auth_sessions WHERE id = ?", id.text) }
    }

    static func sessions(in database: SQLiteConnection) throws(SQLiteError) -> [SessionRecord] {
        try database.query(
            """
            SELECT id, user_id, tenant_id, role, must_enroll, seed, generation, created_at, refreshed_at, ends_at
            FROM auth_sessions ORDER BY id
            """
        ) { row throws(SQLiteError) in
            let id = try row.text(0)
            guard let standing = Standing(name: try row.text(3)) else {
                throw SQLiteError(.type, message: "the row of \(id) cannot be read", subject: "auth_sessions")
            }
            let tenant = try row.optionalText(2).map(TenantID.init)
            return SessionRecord(
                id: SessionID(id), user: UserID(try row.text(1)), home: Home(tenant), standing: standing,
                mustEnroll: try row.bool(4), seed: try row.blob(5), generation: try row.int(6),
                createdAt: try row.time(7), refreshedAt: try row.time(8), endsAt: try row.time(9))
        }
    }

    static let notes = [
        TableNote(
            "auth_logins", kept: "until the person or the tenant is deleted",
            [
                ColumnNote("user_id", "whose"), ColumnNote("tenant_id", "of which tenant; none for an operator"),
                ColumnNote("email_digest", "HMAC-SHA-256 of the address", .metadata, .digest),
            ]),
        TableNote(
            "auth_restores", kept: "as long as the file",
            [ColumnNote("restored_at", "the restore after which every session was ended")]),
        TableNote(
            "auth_tickets", kept: "until they are used or have expired",
            [
                ColumnNote("digest", "HMAC-SHA-256 of the link's secret", .key, .digest),
                ColumnNote("kind", "what it is for"), ColumnNote("user_id", "for whom"),
                ColumnNote("tenant_id", "of which tenant; none for an operator"),
                ColumnNote("created_at", "when it was made"), ColumnNote("expires_at", "when it ends"),
            ]),
        TableNote(
            "auth_sessions", kept: "until they end",
            [
                ColumnNote("id", "the session's id"), ColumnNote("user_id", "whose"),
                ColumnNote("tenant_id", "of which tenant; none for an operator"),
                ColumnNote("role", "what it may do", .configuration),
                ColumnNote("must_enroll", "whether a second factor has to be set up first"),
                ColumnNote("seed", "random; its refresh tokens are made of it and of a key in the keyring", .key),
                ColumnNote("generation", "which of its refresh tokens is the valid one"),
                ColumnNote("created_at", "when it began"), ColumnNote("refreshed_at", "when it was used last"),
                ColumnNote("ends_at", "when it ends in any case"),
            ]),
    ]
}
