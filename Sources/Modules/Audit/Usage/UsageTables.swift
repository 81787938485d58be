// SPDX-License-Identifier: Apache-2.0
//
// Usage in a tenant's database: the projection of the log, without what is still in memory.
//
//     audit_usage           one row a cell: an hour (or, later, a day) of one key, node, model, provider and end user
//     audit_usage_position  the sequence of the log up to which the rows tell everything of this tenant
//
// Both change in one transaction, so that no record is counted twice and none is left out, whenever the process dies.

import Core
import Platform
import SQLite

enum UsageTables {
    static let migrations = SQLiteMigrations(
        module: "usage",
        steps: [
            """
            CREATE TABLE audit_usage (
                start INTEGER NOT NULL,
                span INTEGER NOT NULL,
                key TEXT NOT NULL,
                node TEXT NOT NULL,
                model TEXT NOT NULL,
                provider TEXT NOT NULL,
                user BLOB NOT NULL,
                requests INTEGER NOT NULL,
                refusals INTEGER NOT NULL,
                errors INTEGER NOT NULL,
                abandoned INTEGER NOT NULL,
                input_tokens INTEGER NOT NULL,
                output_tokens INTEGER NOT NULL,
                cached_tokens INTEGER NOT NULL,
                cost INTEGER NOT NULL,
                unpriced INTEGER NOT NULL,
                estimated INTEGER NOT NULL,
                latency BLOB NOT NULL,
                first_byte BLOB NOT NULL,
                PRIMARY KEY (start, span, key, node, model, provider, user)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE audit_usage_position (
                id INTEGER PRIMARY KEY CHECK (id = 0),
                log INTEGER NOT NULL,
                sequence INTEGER NOT NULL
            ) STRICT;
            """
        ])

    static let schema = Schema(
        .tenant, migrations,
        notes: [
            TableNote(
                "audit_usage", kept: "hours for usage_detail (90 days), then sums of days without end users",
                [
                    ColumnNote("start", "the hour or day"), ColumnNote("span", "its length in seconds"),
                    ColumnNote("key", "the API key's id"), ColumnNote("node", "the node's id"),
                    ColumnNote("model", "the model's name in the configuration"),
                    ColumnNote("provider", "the provider's name in the configuration"),
                    ColumnNote("user", "of the end user", .metadata, .digest),
                    ColumnNote("requests", "how many"), ColumnNote("refusals", "how many were refused"),
                    ColumnNote("errors", "how many failed"), ColumnNote("abandoned", "how many clients went away"),
                    ColumnNote("input_tokens", "sum"), ColumnNote("output_tokens", "sum"),
                    ColumnNote("cached_tokens", "sum"), ColumnNote("cost", "sum in nano-dollars"),
                    ColumnNote("unpriced", "how many had no price"),
                    ColumnNote("estimated", "how many stand at their reservation"),
                    ColumnNote("latency", "how often each duration was met"),
                    ColumnNote("first_byte", "how often each time to the first byte was met"),
                ]),
            TableNote(
                "audit_usage_position", kept: "as long as the tenant",
                [
                    ColumnNote("id", "0"), ColumnNote("log", "which log: a number that a new log begins"),
                    ColumnNote("sequence", "the record of that log behind the last one counted"),
                ]),
        ])

    private static let columns = """
        start, span, key, node, model, provider, user, requests, refusals, errors, abandoned, input_tokens,
        output_tokens, cached_tokens, cost, unpriced, estimated, latency, first_byte
        """

    /// The sequence of the first record of a log that the rows do not tell of. Of a log that was begun since they were
    /// written they tell nothing.
    static func position(of log: Int, in transaction: any TenantTransaction) throws(SQLiteError) -> Int {
        try transaction.connection.first("SELECT sequence FROM audit_usage_position WHERE log = ?", log) {
            row throws(SQLiteError) in try row.int(0)
        } ?? 0
    }

    static func setPosition(
        _ sequence: Int, of log: Int, in transaction: any TenantTransaction
    ) throws(SQLiteError) {
        try transaction.connection.execute(
            "INSERT OR REPLACE INTO audit_usage_position VALUES (0, ?, ?)", log, sequence)
    }

    static func add(
        _ sums: UsageSums, to cell: UsageCell, in transaction: any TenantTransaction
    ) throws(SQLiteError) {
        var all =
            try transaction.connection.first(
                """
                SELECT \(columns) FROM audit_usage WHERE start = ? AND span = ? AND key = ? AND node = ? AND model = ?
                    AND provider = ? AND user = ?
                """, cell.start, cell.span.rawValue, cell.key, cell.node, cell.model, cell.provider, cell.user
            ) { row throws(SQLiteError) in try read(row).sums } ?? UsageSums()
        all.add(sums)
        try transaction.connection.execute(
            "INSERT OR REPLACE INTO audit_usage (\(columns)) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            cell.start, cell.span.rawValue, cell.key, cell.node, cell.model, cell.provider, cell.user, all.requests,
            all.refusals, all.errors, all.abandoned, all.inputTokens, all.outputTokens, all.cachedTokens, all.cost,
            all.unpriced, all.estimated, all.latency.bytes, all.firstByte.bytes)
    }

    /// Rows of a stretch of time, in the order of the table, behind a cell.
    ///
    /// - Parameter times: starts of hours or days.
    static func rows(
        _ times: Range<Int64>, after last: UsageCell?, max: Int, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> [(cell: UsageCell, sums: UsageSums)] {
        let from = last ?? UsageCell(span: .hour, start: times.lowerBound - 1)
        return try transaction.connection.query(
            """
            SELECT \(columns) FROM audit_usage
            WHERE (start, span, key, node, model, provider, user) > (?, ?, ?, ?, ?, ?, ?) AND start >= ? AND start < ?
            ORDER BY start, span, key, node, model, provider, user LIMIT ?
            """, from.start, from.span.rawValue, from.key, from.node, from.model, from.provider, from.user,
            times.lowerBound, times.upperBound, max
        ) { row throws(SQLiteError) in try read(row) }
    }

    /// Turns hours that have had their time into sums of days, in which end users are not told apart any more.
    ///
    /// - Parameter cutoff: hours of days that ended before are turned.
    /// - Returns: whether there may be more.
    static func fold(before cutoff: WallTime, max: Int, in transaction: any TenantTransaction) throws(SQLiteError)
        -> Bool
    {
        let end = UsageCell.start(of: cutoff, .day)
        let rows = try transaction.connection.query(
            "SELECT \(columns) FROM audit_usage WHERE span = ? AND start < ? ORDER BY start LIMIT ?",
            UsageCell.Span.hour.rawValue, end, max
        ) { row throws(SQLiteError) in try read(row) }
        for (cell, sums) in rows {
            try transaction.connection.execute(
                """
                DELETE FROM audit_usage WHERE start = ? AND span = ? AND key = ? AND node = ? AND model = ?
                    AND provider = ? AND user = ?
                """, cell.start, cell.span.rawValue, cell.key, cell.node, cell.model, cell.provider, cell.user)
            var day = cell
            day.span = .day
            day.start = UsageCell.start(of: WallTime(seconds: cell.start), .day)
            day.user = []
            try add(sums, to: day, in: transaction)
        }
        return rows.count == max
    }

    private static func read(
        _ row: borrowing SQLiteRow
    ) throws(SQLiteError) -> (cell: UsageCell, sums: UsageSums) {
        guard let span = UsageCell.Span(rawValue: try row.int(1)) else {
            throw SQLiteError(.corrupt, message: "usage of an unknown span", subject: "audit_usage")
        }
        let cell = UsageCell(
            span: span, start: try row.integer(0), key: try row.text(2), node: try row.text(3), model: try row.text(4),
            provider: try row.text(5), user: try row.blob(6))
        var sums = UsageSums()
        sums.requests = try row.int(7)
        sums.refusals = try row.int(8)
        sums.errors = try row.int(9)
        sums.abandoned = try row.int(10)
        sums.inputTokens = try row.int(11)
        sums.outputTokens = try row.int(12)
        sums.cachedTokens = try row.int(13)
        sums.cost = try row.integer(14)
        sums.unpriced = try row.int(15)
        sums.estimated = try row.int(16)
        guard let latency = LatencyHistogram(try row.blob(17)), let firstByte = LatencyHistogram(try row.blob(18))
        else {
            throw SQLiteError(.corrupt, message: "durations that are none", subject: "audit_usage")
        }
        (sums.latency, sums.firstByte) = (latency, firstByte)
        return (cell, sums)
    }
}
