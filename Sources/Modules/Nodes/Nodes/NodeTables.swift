// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Platform
import SQLite

/// Nodes and their versions in a tenant's database. Every function is one step of a transaction.
enum NodeTables {
    // MARK: Finding

    /// The node of this id or alias.
    static func find(_ idOrAlias: String, in transaction: any TenantTransaction) throws(SQLiteError) -> NodeRecord? {
        guard let row = try row(idOrAlias, in: transaction) else { return nil }
        return try record(row, in: transaction)
    }

    /// The id of the node of this id or alias, without opening it.
    static func id(of idOrAlias: String, in transaction: any TenantTransaction) throws(SQLiteError) -> String? {
        try row(idOrAlias, in: transaction)?.id
    }

    static func list(_ page: Page, in transaction: any TenantTransaction) throws(SQLiteError) -> Slice<NodeRecord> {
        let rows = try rows(page, in: transaction)
        var records: [NodeRecord] = []
        for row in rows.elements { records.append(try record(row, in: transaction)) }
        return Slice(records, hasMore: rows.hasMore)
    }

    /// Ids, sizes and times.
    static func outlines(
        _ page: Page, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Slice<NodeOutline> {
        let rows = try rows(page, in: transaction)
        let outlines = rows.elements.map { row in
            NodeOutline(
                id: row.id, version: row.version, bytes: row.bytes, createdAt: row.createdAt, updatedAt: row.updatedAt)
        }
        return Slice(outlines, hasMore: rows.hasMore)
    }

    static func versions(
        of id: String, _ page: Page, after version: Int, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Slice<NodeVersion> {
        let sql = page.sql("version")
        let found = try transaction.connection.query(
            """
            SELECT version, length(configuration), created_at, created_by FROM nodes_versions
            WHERE \(sql.condition) AND node_id = ?2 \(sql.order) LIMIT ?3
            """, version, id, page.limit + 1
        ) { row throws(SQLiteError) in
            (version: try row.int(0), bytes: try row.int(1), at: try row.time(2), by: try row.text(3))
        }
        let rows = Slice(found, of: page, bytes: \.bytes)
        var versions: [NodeVersion] = []
        for row in rows.elements {
            versions.append(
                NodeVersion(
                    nodeID: id, version: row.version,
                    configuration: try configuration(of: id, row.version, in: transaction), createdAt: row.at,
                    createdBy: row.by))
        }
        return Slice(versions, hasMore: rows.hasMore)
    }

    static func count(in transaction: any TenantTransaction) throws(SQLiteError) -> Int {
        try transaction.connection.first("SELECT count(*) FROM nodes_nodes") { row throws(SQLiteError) in
            try row.int(0)
        } ?? 0
    }

    /// Nodes that wish less than others for their threads: id and seconds.
    static func wishes(in transaction: any TenantTransaction) throws(SQLiteError) -> [(id: String, seconds: Int)] {
        try transaction.connection.query(
            "SELECT id, retention_seconds FROM nodes_nodes WHERE retention_seconds IS NOT NULL"
        ) { row throws(SQLiteError) in (id: try row.text(0), seconds: try row.int(1)) }
    }

    /// The wish of one node for its threads.
    static func wish(of id: String?, in transaction: any TenantTransaction) throws(SQLiteError) -> RetentionRule {
        guard let id else { return RetentionRule() }
        let seconds = try transaction.connection.first("SELECT retention_seconds FROM nodes_nodes WHERE id = ?", id) {
            row throws(SQLiteError) in try row.optionalInteger(0)
        }
        var configuration = NodeConfiguration()
        configuration.retentionSeconds = (seconds ?? nil).map(Int.init)
        return configuration.retention
    }

    // MARK: Changing

    /// Whether another node than `id` has this alias.
    static func isTaken(
        alias: String, byOtherThan id: String?, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Bool {
        let owner = try transaction.connection.first(
            "SELECT id FROM nodes_nodes WHERE alias = ?", transaction.digest("alias", alias)
        ) { row throws(SQLiteError) in try row.text(0) }
        return owner != nil && owner != id
    }

    static func insert(
        _ configuration: NodeConfiguration, by actor: String, at now: WallTime, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> NodeRecord {
        var record = NodeRecord(
            id: ULID.make(prefix: NodeRecord.prefix, at: now), configuration: configuration, version: 1, bytes: 0,
            createdAt: now, updatedAt: now)
        try transaction.createKey(of: record.object)
        record.bytes = try insertVersion(of: record, by: actor, in: transaction)
        try transaction.connection.execute(
            "INSERT INTO nodes_nodes VALUES (?, ?, ?, ?, ?, ?, ?)", record.id,
            transaction.digest("alias", configuration.alias), record.version, configuration.retentionSeconds,
            record.bytes, now, now)
        return record
    }

    /// Writes a node's next version.
    static func update(
        _ old: NodeRecord, to configuration: NodeConfiguration, by actor: String, at now: WallTime,
        in transaction: any TenantTransaction
    ) throws(SQLiteError) -> NodeRecord {
        var record = old
        record.configuration = configuration
        record.version += 1
        record.updatedAt = now
        record.bytes = try insertVersion(of: record, by: actor, in: transaction)
        try transaction.connection.execute(
            """
            UPDATE nodes_nodes SET alias = ?, version = ?, retention_seconds = ?, bytes = ?, updated_at = ?
            WHERE id = ?
            """, transaction.digest("alias", configuration.alias), record.version, configuration.retentionSeconds,
            record.bytes, now, record.id)
        try transaction.connection.execute(
            "DELETE FROM nodes_versions WHERE node_id = ? AND version <= ?", record.id,
            record.version - NodesLimits.versionsMax)
        return record
    }

    /// Deletes a node and erases its key. Its threads are the caller's to delete.
    static func delete(_ id: String, in transaction: any TenantTransaction) throws(SQLiteError) {
        try transaction.connection.execute("DELETE FROM nodes_nodes WHERE id = ?", id)
        try transaction.connection.execute("DELETE FROM nodes_versions WHERE node_id = ?", id)
        try IdempotencyKey.forget(id, in: transaction)
        try InvocationTables.forget(node: id, in: transaction)
        try transaction.erase(ObjectID(id))
    }

    // MARK: Rows

    private struct Row {
        let id: String
        let version: Int
        let bytes: Int
        let createdAt: WallTime
        let updatedAt: WallTime

        static let columns = "id, version, bytes, created_at, updated_at"

        init(_ row: borrowing SQLiteRow) throws(SQLiteError) {
            id = try row.text(0)
            version = try row.int(1)
            bytes = try row.int(2)
            createdAt = try row.time(3)
            updatedAt = try row.time(4)
        }
    }

    private static func row(_ idOrAlias: String, in transaction: any TenantTransaction) throws(SQLiteError) -> Row? {
        let connection = transaction.connection
        if ULID.isValid(idOrAlias, prefix: NodeRecord.prefix) {
            return try connection.first("SELECT \(Row.columns) FROM nodes_nodes WHERE id = ?", idOrAlias) {
                row throws(SQLiteError) in try Row(row)
            }
        }
        guard NodeConfiguration.isAlias(idOrAlias) else { return nil }
        return try connection.first(
            "SELECT \(Row.columns) FROM nodes_nodes WHERE alias = ?", transaction.digest("alias", idOrAlias)
        ) { row throws(SQLiteError) in try Row(row) }
    }

    private static func rows(_ page: Page, in transaction: any TenantTransaction) throws(SQLiteError) -> Slice<Row> {
        let sql = page.sql("id")
        let rows = try transaction.connection.query(
            "SELECT \(Row.columns) FROM nodes_nodes WHERE \(sql.condition) \(sql.order) LIMIT ?2", page.idBound,
            page.limit + 1
        ) { row throws(SQLiteError) in try Row(row) }
        return Slice(rows, of: page, bytes: \.bytes)
    }

    private static func record(_ row: Row, in transaction: any TenantTransaction) throws(SQLiteError) -> NodeRecord {
        NodeRecord(
            id: row.id, configuration: try configuration(of: row.id, row.version, in: transaction),
            version: row.version, bytes: row.bytes, createdAt: row.createdAt, updatedAt: row.updatedAt)
    }

    private static func configuration(
        of id: String, _ version: Int, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> NodeConfiguration {
        let sealed = try transaction.connection.first(
            "SELECT configuration FROM nodes_versions WHERE node_id = ? AND version = ?", id, version
        ) { row throws(SQLiteError) in try row.blob(0) }
        guard let sealed else {
            throw SQLiteError(.corrupt, message: "\(id) has no version \(version)", subject: "nodes_versions")
        }
        return try open(sealed, id, version, in: transaction)
    }

    /// - Returns: the bytes of the sealed configuration.
    private static func insertVersion(
        of record: NodeRecord, by actor: String, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Int {
        let plain = JSONValue.object(record.configuration.json).serialized()
        let sealed = try transaction.seal(plain, in: cell(record.id, record.version), of: record.object)
        try transaction.connection.execute(
            "INSERT INTO nodes_versions VALUES (?, ?, ?, ?, ?)", record.id, record.version, sealed, record.updatedAt,
            actor)
        return sealed.count
    }

    private static func open(
        _ sealed: [UInt8], _ id: String, _ version: Int, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> NodeConfiguration {
        let plain = try transaction.open(sealed, in: cell(id, version), of: ObjectID(id))
        do throws(Failure) {
            return try NodeConfiguration(stored: plain)
        } catch {
            throw SQLiteError(
                .corrupt, message: "version \(version) of \(id) cannot be read", subject: "nodes_versions")
        }
    }

    static func cell(_ id: String, _ version: Int) -> Cell {
        Cell(table: "nodes_versions", column: "configuration", row: id, version: version)
    }
}
