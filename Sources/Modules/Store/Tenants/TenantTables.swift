// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite

/// Tenants and plans in `control.db`. Every function is one step of a transaction that its caller has begun.
enum TenantTables {
    static let migrations = SQLiteMigrations(
        module: "store",
        steps: [
            """
            CREATE TABLE store_plans (
                name TEXT NOT NULL PRIMARY KEY,
                bytes_max INTEGER
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE store_plan_retention (
                plan TEXT NOT NULL REFERENCES store_plans (name) ON DELETE CASCADE,
                class TEXT NOT NULL,
                seconds INTEGER NOT NULL,
                PRIMARY KEY (plan, class)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE store_tenants (
                id TEXT NOT NULL PRIMARY KEY,
                name TEXT NOT NULL UNIQUE,
                status TEXT NOT NULL CHECK (status IN ('making', 'active', 'suspended', 'deleting')),
                plan TEXT REFERENCES store_plans (name),
                created_at INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID;
            """,
            "CREATE TABLE store_restores (restored_at INTEGER NOT NULL) STRICT",
        ])

    /// Notes that this file was put back from a backup, so that modules end what may have been revoked since. Brings the
    /// tables up to date first: the file may be older than this program.
    static func noteRestore(at now: WallTime, in database: SQLiteConnection) throws(SQLiteError) {
        try database.migrate([migrations])
        try database.execute("INSERT INTO store_restores VALUES (?)", now)
    }

    // MARK: - Tenants

    /// A tenant as it stands in the table.
    struct Row {
        let tenant: Tenant
        /// Its making or its deletion was cut short: there is nothing of it that anybody was promised.
        let isPartial: Bool
    }

    static func tenants(in database: SQLiteConnection) throws(SQLiteError) -> [Row] {
        try database.query("SELECT id, name, status, plan, created_at FROM store_tenants ORDER BY id") {
            row throws(SQLiteError) in
            let status = TenantStatus(rawValue: try row.text(2))
            let tenant = Tenant(
                id: TenantID(try row.text(0)), name: try row.text(1), status: status ?? .suspended,
                plan: try row.optionalText(3), createdAt: try row.time(4))
            return Row(tenant: tenant, isPartial: status == nil)
        }
    }

    /// The first step of making a tenant; `update` is the last. Throws `constraint` where the name is taken.
    static func insertPartial(_ tenant: Tenant, in database: SQLiteConnection) throws(SQLiteError) {
        try database.execute(
            "INSERT INTO store_tenants VALUES (?, ?, 'making', ?, ?)", tenant.id.text, tenant.name, tenant.plan,
            tenant.createdAt)
    }

    static func update(_ tenant: Tenant, in database: SQLiteConnection) throws(SQLiteError) {
        try database.execute(
            "UPDATE store_tenants SET status = ?, plan = ? WHERE id = ?", tenant.status.rawValue, tenant.plan,
            tenant.id.text)
    }

    /// The first step of a deletion: from here on it can only be finished.
    static func markDeleting(_ id: TenantID, in database: SQLiteConnection) throws(SQLiteError) {
        try database.execute("UPDATE store_tenants SET status = 'deleting' WHERE id = ?", id.text)
    }

    /// The last. What refers to the tenant (its API keys) goes with it.
    static func delete(_ id: TenantID, in database: SQLiteConnection) throws(SQLiteError) {
        try database.execute("DELETE FROM store_tenants WHERE id = ?", id.text)
    }

    // MARK: - Plans

    static func plans(in database: SQLiteConnection) throws(SQLiteError) -> [Plan] {
        var plans: [String: Plan] = [:]
        let rows = try database.query("SELECT name, bytes_max FROM store_plans") { row throws(SQLiteError) in
            Plan(name: try row.text(0), bytesMax: try row.optionalInteger(1).map(Int.init))
        }
        for plan in rows { plans[plan.name] = plan }
        let caps = try database.query("SELECT plan, class, seconds FROM store_plan_retention") {
            row throws(SQLiteError) in
            (plan: try row.text(0), kind: DataClass(rawValue: try row.text(1)), seconds: try row.int(2))
        }
        for cap in caps {
            guard let kind = cap.kind else { continue }
            plans[cap.plan]?.retention[kind] = Retention(seconds: cap.seconds)
        }
        return plans.values.sorted { $0.name < $1.name }
    }

    /// Writes a plan down whole, in place of the one of that name.
    static func store(_ plan: Plan, in database: SQLiteConnection) throws(SQLiteError) {
        try database.execute(
            "INSERT INTO store_plans VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET bytes_max = ?2", plan.name,
            plan.bytesMax)
        try database.execute("DELETE FROM store_plan_retention WHERE plan = ?", plan.name)
        for kind in DataClass.allCases {
            guard let cap = plan.retention[kind] else { continue }
            try database.execute(
                "INSERT INTO store_plan_retention VALUES (?, ?, ?)", plan.name, kind.rawValue, cap.seconds)
        }
    }
}

/// How long a tenant wants its data kept, in its own file.
enum RetentionTable {
    static func wish(in connection: SQLiteConnection) throws(SQLiteError) -> RetentionRule {
        var wish = RetentionRule()
        let rows = try connection.query("SELECT class, seconds FROM store_retention") { row throws(SQLiteError) in
            (kind: DataClass(rawValue: try row.text(0)), seconds: try row.int(1))
        }
        for row in rows {
            guard let kind = row.kind else { continue }
            wish[kind] = Retention(seconds: row.seconds)
        }
        return wish
    }

    static func store(_ wish: RetentionRule, in connection: SQLiteConnection) throws(SQLiteError) {
        try connection.execute("DELETE FROM store_retention")
        for kind in DataClass.allCases {
            guard let period = wish[kind] else { continue }
            try connection.execute("INSERT INTO store_retention VALUES (?, ?)", kind.rawValue, period.seconds)
        }
    }
}
