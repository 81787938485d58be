// SPDX-License-Identifier: Apache-2.0
//
// What the limiter keeps in control.db, so that it knows it before the first request:
//
//     limiter_spent      what a tenant, a key, a node or an end user has spent
//     limiter_position   up to which record of the audit log those rows tell; both change in one transaction
//     limiter_windows    what was admitted lately
//     limiter_instance   the same of the whole server
//     limiter_rules      what the operator has set for one tenant, key or node
//     limiter_strikes    who has done what nobody does by mistake so often, and until when they are blocked

import Core
import Platform
import SQLite

enum LimiterTables {
    static let migrations = SQLiteMigrations(
        module: "limiter",
        steps: [
            """
            CREATE TABLE limiter_spent (
                tenant_id TEXT NOT NULL REFERENCES store_tenants (id) ON DELETE CASCADE,
                kind TEXT NOT NULL,
                subject BLOB NOT NULL,
                day INTEGER NOT NULL,
                month INTEGER NOT NULL,
                day_cost INTEGER NOT NULL,
                day_tokens INTEGER NOT NULL,
                month_cost INTEGER NOT NULL,
                month_tokens INTEGER NOT NULL,
                total_cost INTEGER NOT NULL,
                total_tokens INTEGER NOT NULL,
                PRIMARY KEY (tenant_id, kind, subject)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE limiter_position (
                id INTEGER PRIMARY KEY CHECK (id = 0),
                log INTEGER NOT NULL,
                sequence INTEGER NOT NULL
            ) STRICT;
            INSERT INTO limiter_position VALUES (0, 0, 0);
            CREATE TABLE limiter_windows (
                tenant_id TEXT NOT NULL REFERENCES store_tenants (id) ON DELETE CASCADE,
                kind TEXT NOT NULL,
                subject BLOB NOT NULL,
                saved_at INTEGER NOT NULL,
                counts BLOB NOT NULL,
                PRIMARY KEY (tenant_id, kind, subject)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE limiter_rules (
                tenant_id TEXT NOT NULL REFERENCES store_tenants (id) ON DELETE CASCADE,
                kind TEXT NOT NULL,
                subject BLOB NOT NULL,
                limits TEXT,
                budgets TEXT,
                PRIMARY KEY (tenant_id, kind, subject)
            ) STRICT, WITHOUT ROWID;
            """,
            """
            CREATE TABLE limiter_strikes (
                kind TEXT NOT NULL,
                subject BLOB NOT NULL,
                tenant_id TEXT REFERENCES store_tenants (id) ON DELETE CASCADE,
                points INTEGER NOT NULL,
                at INTEGER NOT NULL,
                blocks INTEGER NOT NULL,
                blocked_until INTEGER,
                offence TEXT NOT NULL,
                PRIMARY KEY (kind, subject)
            ) STRICT, WITHOUT ROWID;
            """,
            """
            CREATE TABLE limiter_instance (
                id INTEGER PRIMARY KEY CHECK (id = 0),
                saved_at INTEGER NOT NULL,
                counts BLOB NOT NULL
            ) STRICT;
            """,
        ])

    static let schema = Schema(
        .control, migrations,
        notes: [
            TableNote(
                "limiter_spent",
                kept: "as long as the tenant; of an end user until the next month, unless a budget is for all time",
                whose + [
                    ColumnNote("day", "which day"), ColumnNote("month", "which month"),
                    ColumnNote("day_cost", "nano-dollars of that day"), ColumnNote("day_tokens", "its tokens"),
                    ColumnNote("month_cost", "nano-dollars of that month"), ColumnNote("month_tokens", "its tokens"),
                    ColumnNote("total_cost", "nano-dollars in all"), ColumnNote("total_tokens", "tokens in all"),
                ]),
            TableNote(
                "limiter_position", kept: "as long as the data directory",
                [
                    ColumnNote("id", "0"), ColumnNote("log", "which log: a number that a new log begins"),
                    ColumnNote("sequence", "the record of that log behind the last one counted"),
                ]),
            TableNote(
                "limiter_windows", kept: "until the next is written, or the tenant is deleted",
                whose + [
                    ColumnNote("saved_at", "when it was written"),
                    ColumnNote("counts", "how many requests and tokens were admitted, and when"),
                ]),
            TableNote(
                "limiter_instance", kept: "until the next is written",
                [
                    ColumnNote("id", "0"), ColumnNote("saved_at", "when it was written"),
                    ColumnNote("counts", "how many units of work the whole server has charged, and when"),
                ]),
            TableNote(
                "limiter_rules", kept: "until it is changed, or the tenant is deleted",
                whose + [
                    ColumnNote("limits", "its limits, one a line", .configuration),
                    ColumnNote("budgets", "its budgets, one a line", .configuration),
                ]),
            TableNote(
                "limiter_strikes", kept: "until the points have faded and a block has been over for a day",
                [
                    ColumnNote("kind", "key, user or address"),
                    ColumnNote(
                        "subject", "the key's id, an end user's digest, or an address (of IPv6 its network of 64 bits)"
                    ),
                    ColumnNote("tenant_id", "whose it is; none for an address"),
                    ColumnNote("points", "of misbehaviour, in thousandths"), ColumnNote("at", "when that was so"),
                    ColumnNote("blocks", "how often in a row it was blocked"),
                    ColumnNote("blocked_until", "until when it is blocked"), ColumnNote("offence", "the last one"),
                ]),
        ])

    private static let whose = [
        ColumnNote("tenant_id", "whose it is"), ColumnNote("kind", "tenant, key, node or user"),
        ColumnNote("subject", "the id, or of an end user the digest", .metadata, .digest),
    ]

    /// What stands in `kind` and `subject`.
    static func key(of subject: Subject) -> (kind: String, subject: [UInt8])? {
        switch subject {
        case .tenant(let id): ("tenant", Array(id.text.utf8))
        case .key(let id): ("key", Array(id.text.utf8))
        case .node(let id): ("node", Array(id.text.utf8))
        case .user(let user): ("user", user.digest)
        // Only of those that misbehave.
        case .address(let block): ("address", block.bytes)
        // Has a table of its own.
        case .instance: nil
        }
    }

    static func subject(kind: String, _ bytes: [UInt8]) -> Subject? {
        let text = String(decoding: bytes, as: UTF8.self)
        return switch kind {
        case "tenant": .tenant(TenantID(text))
        case "key": .key(KeyID(text))
        case "node": .node(NodeID(text))
        case "user": .user(EndUser(digest: bytes))
        case "address": AddressBlock(bytes: bytes).map(Subject.address)
        default: nil
        }
    }

    // MARK: What was spent

    static func position(in connection: SQLiteConnection) throws(SQLiteError) -> (log: Int, sequence: Int) {
        try connection.first("SELECT log, sequence FROM limiter_position") { row throws(SQLiteError) in
            (try row.int(0), try row.int(1))
        } ?? (0, 0)
    }

    /// One row, as memory has it.
    struct Spent: Sendable {
        let subject: Subject
        let tenant: TenantID
        let meter: Meter
    }

    static func spent(in connection: SQLiteConnection) throws(SQLiteError) -> [Spent] {
        let sql = """
            SELECT tenant_id, kind, subject, day, month, day_cost, day_tokens, month_cost, month_tokens, total_cost,
                total_tokens FROM limiter_spent
            """
        let rows = try connection.query(sql) { row throws(SQLiteError) -> Spent? in
            guard let subject = subject(kind: try row.text(1), try row.blob(2)) else { return nil }
            return Spent(
                subject: subject, tenant: TenantID(try row.text(0)),
                meter: Meter(
                    day: try row.int(3), month: try row.int(4),
                    today: .init(cost: try row.int(5), tokens: try row.int(6)),
                    thisMonth: .init(cost: try row.int(7), tokens: try row.int(8)),
                    total: .init(cost: try row.int(9), tokens: try row.int(10))))
        }
        return rows.compactMap(\.self)
    }

    /// Writes rows and the place in the log up to which they tell, in the caller's transaction. Rows of tenants that are gone
    /// meanwhile are left out.
    static func write(
        _ rows: [Spent], through sequence: Int, of log: Int, in connection: SQLiteConnection
    ) throws(SQLiteError) {
        for row in rows {
            guard let key = key(of: row.subject) else { continue }
            try connection.execute(
                """
                INSERT OR REPLACE INTO limiter_spent
                    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 WHERE EXISTS
                        (SELECT 1 FROM store_tenants WHERE id = ?1)
                """, row.tenant.text, key.kind, key.subject, row.meter.day, row.meter.month, row.meter.today.cost,
                row.meter.today.tokens, row.meter.thisMonth.cost, row.meter.thisMonth.tokens, row.meter.total.cost,
                row.meter.total.tokens)
        }
        try connection.execute("UPDATE limiter_position SET log = ?, sequence = ?", log, sequence)
    }

    /// Forgets people who have spent nothing since a month began.
    static func forgetPeople(before month: Int, in connection: SQLiteConnection) throws(SQLiteError) {
        try connection.execute("DELETE FROM limiter_spent WHERE kind = 'user' AND month < ?", month)
    }

    // MARK: What was admitted lately

    struct Windows: Sendable {
        let subject: Subject
        let tenant: TenantID
        let savedAt: WallTime
        let counts: [UInt8]
    }

    static func windows(in connection: SQLiteConnection) throws(SQLiteError) -> [Windows] {
        let rows = try connection.query("SELECT tenant_id, kind, subject, saved_at, counts FROM limiter_windows") {
            row throws(SQLiteError) -> Windows? in
            guard let subject = subject(kind: try row.text(1), try row.blob(2)) else { return nil }
            return Windows(
                subject: subject, tenant: TenantID(try row.text(0)), savedAt: try row.time(3), counts: try row.blob(4))
        }
        return rows.compactMap(\.self)
    }

    static func write(_ rows: [Windows], in connection: SQLiteConnection) throws(SQLiteError) {
        for row in rows {
            guard let key = key(of: row.subject) else { continue }
            try connection.execute(
                """
                INSERT OR REPLACE INTO limiter_windows
                    SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM store_tenants WHERE id = ?1)
                """, row.tenant.text, key.kind, key.subject, row.savedAt, row.counts)
        }
    }

    static func instance(in connection: SQLiteConnection) throws(SQLiteError) -> (savedAt: WallTime, counts: [UInt8])? {
        try connection.first("SELECT saved_at, counts FROM limiter_instance") { row throws(SQLiteError) in
            (try row.time(0), try row.blob(1))
        }
    }

    static func write(
        instance counts: [UInt8], at time: WallTime, in connection: SQLiteConnection
    ) throws(SQLiteError) {
        try connection.execute("INSERT OR REPLACE INTO limiter_instance VALUES (0, ?, ?)", time, counts)
    }

    // MARK: Who is blocked

    static func strikes(in connection: SQLiteConnection) throws(SQLiteError) -> [StrikeTable.Entry] {
        let sql = "SELECT kind, subject, tenant_id, points, at, blocks, blocked_until, offence FROM limiter_strikes"
        let rows = try connection.query(sql) { row throws(SQLiteError) -> StrikeTable.Entry? in
            guard let subject = subject(kind: try row.text(0), try row.blob(1)) else { return nil }
            return StrikeTable.Entry(
                subject: subject, tenant: try row.optionalText(2).map(TenantID.init),
                score: StrikeScore(
                    points: try row.int(3), at: try row.time(4), blocks: try row.int(5),
                    blockedUntil: try row.optionalTime(6), offence: Offence(rawValue: try row.text(7)) ?? .operator))
        }
        return rows.compactMap(\.self)
    }

    static func write(
        _ rows: [StrikeTable.Entry], gone: [Subject], in connection: SQLiteConnection
    ) throws(SQLiteError) {
        for row in rows {
            guard let key = key(of: row.subject) else { continue }
            try connection.execute(
                """
                INSERT OR REPLACE INTO limiter_strikes
                    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
                    WHERE ?3 IS NULL OR EXISTS (SELECT 1 FROM store_tenants WHERE id = ?3)
                """, key.kind, key.subject, row.tenant?.text, row.score.points, row.score.at, row.score.blocks,
                row.score.blockedUntil, row.score.offence.rawValue)
        }
        for subject in gone {
            guard let key = key(of: subject) else { continue }
            try connection.execute(
                "DELETE FROM limiter_strikes WHERE kind = ? AND subject = ?", key.kind, key.subject)
        }
    }

    // MARK: What the operator has set

    struct Rule: Sendable {
        let subject: Subject
        let tenant: TenantID
        /// `nil` for what the configuration says.
        var limits: [String]?
        var budgets: [String]?
    }

    static func rules(in connection: SQLiteConnection) throws(SQLiteError) -> [Rule] {
        let rows = try connection.query("SELECT tenant_id, kind, subject, limits, budgets FROM limiter_rules") {
            row throws(SQLiteError) -> Rule? in
            guard let subject = subject(kind: try row.text(1), try row.blob(2)) else { return nil }
            return Rule(
                subject: subject, tenant: TenantID(try row.text(0)), limits: lines(try row.optionalText(3)),
                budgets: lines(try row.optionalText(4)))
        }
        return rows.compactMap(\.self)
    }

    private static func lines(_ text: String?) -> [String]? { text?.split(separator: "\n").map(String.init) }

    static func write(_ rule: Rule, in connection: SQLiteConnection) throws(SQLiteError) {
        guard let key = key(of: rule.subject) else { return }
        guard rule.limits != nil || rule.budgets != nil else {
            return try connection.execute(
                "DELETE FROM limiter_rules WHERE tenant_id = ? AND kind = ? AND subject = ?", rule.tenant.text,
                key.kind,
                key.subject)
        }
        try connection.execute(
            """
            INSERT OR REPLACE INTO limiter_rules
                SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM store_tenants WHERE id = ?1)
            """, rule.tenant.text, key.kind, key.subject, rule.limits?.joined(separator: "\n"),
            rule.budgets?.joined(separator: "\n"))
    }
}
