// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite

/// People: the same two tables in each tenant's file, for its people, and in `control.db`, for the operators.
///
/// Every function is one step of a transaction that its caller has begun.
enum PeopleTables {
    static let migrations = SQLiteMigrations(
        module: "auth-people",
        steps: [
            """
            CREATE TABLE auth_people (
                id TEXT NOT NULL PRIMARY KEY,
                email TEXT NOT NULL UNIQUE,
                name TEXT,
                role TEXT NOT NULL,
                status TEXT NOT NULL,
                password TEXT,
                totp_secret BLOB,
                totp_offered BLOB,
                totp_step INTEGER NOT NULL,
                created_at INTEGER NOT NULL,
                password_at INTEGER,
                totp_at INTEGER,
                last_login_at INTEGER
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE auth_recovery_codes (
                person_id TEXT NOT NULL REFERENCES auth_people (id) ON DELETE CASCADE,
                digest BLOB NOT NULL CHECK (length(digest) = 32),
                PRIMARY KEY (person_id, digest)
            ) STRICT, WITHOUT ROWID;
            """
        ])

    private static let columns = """
        id, email, name, role, status, password, totp_secret, totp_offered, totp_step, created_at, password_at, totp_at, \
        last_login_at
        """

    /// Throws `constraint` where there is somebody of this address.
    static func insert(_ person: PersonRecord, in database: SQLiteConnection) throws(SQLiteError) {
        try database.execute(
            "INSERT INTO auth_people (\(columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            person.id.text, person.email.text, person.name, person.standing.name, person.status.rawValue,
            person.password, person.secret, person.offeredSecret, person.spentStep, person.createdAt,
            person.passwordAt, person.enrolledAt, person.lastLoginAt)
    }

    /// Writes everything down that can change.
    static func update(_ person: PersonRecord, in database: SQLiteConnection) throws(SQLiteError) {
        try database.execute(
            """
            UPDATE auth_people SET name = ?2, role = ?3, status = ?4, password = ?5, totp_secret = ?6, totp_offered = ?7,
                totp_step = ?8, password_at = ?9, totp_at = ?10, last_login_at = ?11 WHERE id = ?1
            """,
            person.id.text, person.name, person.standing.name, person.status.rawValue, person.password, person.secret,
            person.offeredSecret, person.spentStep, person.passwordAt, person.enrolledAt, person.lastLoginAt)
    }

    static func person(
        _ id: UserID, of home: Home, in database: SQLiteConnection
    ) throws(SQLiteError) -> PersonRecord? {
        try database.first("SELECT \(columns) FROM auth_people WHERE id = ?", id.text) {
            row throws(SQLiteError) in try record(row, home)
        }
    }

    static func person(
        at email: EmailAddress, of home: Home, in database: SQLiteConnection
    ) throws(SQLiteError) -> PersonRecord? {
        try database.first("SELECT \(columns) FROM auth_people WHERE email = ?", email.text) {
            row throws(SQLiteError) in try record(row, home)
        }
    }

    /// One more than the page wants, if there are more.
    static func people(
        _ page: Page, of home: Home, in database: SQLiteConnection
    ) throws(SQLiteError) -> [PersonRecord] {
        let (condition, order) = page.sql("id")
        return try database.query(
            "SELECT \(columns) FROM auth_people WHERE \(condition) \(order) LIMIT ?2", page.idBound, page.limit + 1
        ) { row throws(SQLiteError) in try record(row, home) }
    }

    static func count(in database: SQLiteConnection) throws(SQLiteError) -> Int {
        try database.first("SELECT count(*) FROM auth_people") { row throws(SQLiteError) in try row.int(0) } ?? 0
    }

    /// How many may log in with this role; without its last owner a tenant belongs to nobody.
    static func count(
        active role: Standing, in database: SQLiteConnection
    ) throws(SQLiteError) -> Int {
        try database.first(
            "SELECT count(*) FROM auth_people WHERE role = ? AND status = 'active'", role.name
        ) { row throws(SQLiteError) in try row.int(0) } ?? 0
    }

    static func delete(_ id: UserID, in database: SQLiteConnection) throws(SQLiteError) {
        try database.execute("DELETE FROM auth_recovery_codes WHERE person_id = ?", id.text)
        try database.execute("DELETE FROM auth_people WHERE id = ?", id.text)
    }

    // MARK: Recovery codes

    /// Puts digests in the place of all that a person has.
    static func replaceCodes(
        _ digests: [[UInt8]], of id: UserID, in database: SQLiteConnection
    ) throws(SQLiteError) {
        try database.execute("DELETE FROM auth_recovery_codes WHERE person_id = ?", id.text)
        for digest in digests {
            try database.execute("INSERT INTO auth_recovery_codes VALUES (?, ?)", id.text, digest)
        }
    }

    /// Uses up a code. False where there is none such, or none any more.
    static func spendCode(
        _ digest: [UInt8], of id: UserID, in database: SQLiteConnection
    ) throws(SQLiteError) -> Bool {
        try database.execute("DELETE FROM auth_recovery_codes WHERE person_id = ? AND digest = ?", id.text, digest)
        return database.changes == 1
    }

    static func codes(of id: UserID, in database: SQLiteConnection) throws(SQLiteError) -> Int {
        try database.first("SELECT count(*) FROM auth_recovery_codes WHERE person_id = ?", id.text) {
            row throws(SQLiteError) in try row.int(0)
        } ?? 0
    }

    /// After a restore nobody knows which codes were used since: those of the next minute count as spent, and recovery codes
    /// have to be made anew.
    static func distrustCodes(at now: WallTime, in database: SQLiteConnection) throws(SQLiteError) {
        try database.execute("UPDATE auth_people SET totp_step = max(totp_step, ?)", OneTimeCode.step(at: now) + 1)
        try database.execute("DELETE FROM auth_recovery_codes")
    }

    private static func record(_ row: borrowing SQLiteRow, _ home: Home) throws(SQLiteError) -> PersonRecord {
        let id = try row.text(0)
        guard let email = EmailAddress(try row.text(1)), let standing = Standing(name: try row.text(3)),
            let status = PersonStatus(rawValue: try row.text(4)), (standing == .operator) == (home == .appliance)
        else { throw SQLiteError(.type, message: "the row of \(id) cannot be read", subject: "auth_people") }
        var person = PersonRecord(
            id: UserID(id), home: home, email: email, name: try row.optionalText(2), standing: standing,
            createdAt: try row.time(9))
        person.status = status
        person.password = try row.optionalText(5)
        person.secret = try row.optionalBlob(6)
        person.offeredSecret = try row.optionalBlob(7)
        person.spentStep = try row.int(8)
        person.passwordAt = try row.optionalTime(10)
        person.enrolledAt = try row.optionalTime(11)
        person.lastLoginAt = try row.optionalTime(12)
        return person
    }

    static let notes = [
        TableNote(
            "auth_people", kept: "until the person or the tenant is deleted",
            [
                ColumnNote("id", "the person's id"),
                ColumnNote("email", "the address with which it logs in", .configuration),
                ColumnNote("name", "what people call it", .configuration),
                ColumnNote("role", "what it may do", .configuration),
                ColumnNote("status", "whether it may log in", .configuration),
                ColumnNote("password", "scrypt of the password, with its salt and cost", .key, .digest),
                ColumnNote("totp_secret", "the secret of its one-time codes", .key, .wrapped),
                ColumnNote("totp_offered", "one that is not confirmed yet", .key, .wrapped),
                ColumnNote("totp_step", "the last step of time whose code was used"),
                ColumnNote("created_at", "when it was made"),
                ColumnNote("password_at", "when the password was set"),
                ColumnNote("totp_at", "when the second factor was set up"),
                ColumnNote("last_login_at", "when it logged in last"),
            ]),
        TableNote(
            "auth_recovery_codes", kept: "until they are used, or replaced",
            [
                ColumnNote("person_id", "whose"),
                ColumnNote("digest", "HMAC-SHA-256 of the code", .key, .digest),
            ]),
    ]
}
