// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Platform
import SQLite

/// Which threads are meant.
struct ThreadFilter: Sendable {
    var nodeID: String?
    var correlationID: String?
    /// Whose. It narrows what is meant and names nothing by itself.
    var owners = Owners.everybody

    var isEmpty: Bool { nodeID == nil && correlationID == nil }
}

/// Threads in a tenant's database. Every function is one step of a transaction.
enum ThreadTables {
    // MARK: Finding

    /// - Parameter owners: whose; anybody else's is not found.
    static func find(
        _ id: String, of owners: Owners, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> ThreadRecord? {
        guard ULID.isValid(id, prefix: ThreadRecord.prefix) else { return nil }
        let row = try transaction.connection.first(
            "SELECT \(Row.columns) FROM nodes_threads WHERE id = ?", id
        ) { row throws(SQLiteError) in try Row(row) }
        guard let row, owners.include(row.outline.owner) else { return nil }
        return try row.opened(in: transaction)
    }

    /// A thread without what somebody wrote.
    ///
    /// - Parameter owners: whose; anybody else's is not found.
    static func outline(
        _ id: String, of owners: Owners, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> ThreadOutline? {
        guard let thread = try outline(id, in: transaction), owners.include(thread.owner) else { return nil }
        return thread
    }

    /// The same for work that is nobody's request.
    static func outline(_ id: String, in transaction: any TenantTransaction) throws(SQLiteError) -> ThreadOutline? {
        guard ULID.isValid(id, prefix: ThreadRecord.prefix) else { return nil }
        return try transaction.connection.first("SELECT \(Row.columns) FROM nodes_threads WHERE id = ?", id) {
            row throws(SQLiteError) in try Row(row).outline
        }
    }

    static func list(
        _ filter: ThreadFilter, _ page: Page, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Slice<ThreadRecord> {
        var threads: [ThreadRecord] = []
        for row in try rows(filter, page, in: transaction) { threads.append(try row.opened(in: transaction)) }
        return Slice(threads, of: page)
    }

    /// The same without what somebody wrote.
    static func outlines(
        _ filter: ThreadFilter, _ page: Page, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Slice<ThreadOutline> {
        Slice(try rows(filter, page, in: transaction).map(\.outline), of: page)
    }

    /// Threads with a message, or a making, that is as old as `cutoff` or older, the oldest first.
    ///
    /// - Parameter nodeID: of one node only.
    static func aged(
        nodeID: String?, cutoff: WallTime, max: Int, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> [ThreadOutline] {
        let node = nodeID == nil ? "" : "node_id = ?1 AND"
        return try transaction.connection.query(
            "SELECT \(Row.columns) FROM nodes_threads WHERE \(node) oldest_at <= ?2 ORDER BY oldest_at LIMIT ?3",
            nodeID,
            cutoff, max
        ) { row throws(SQLiteError) in try Row(row).outline }
    }

    /// When the oldest of what `aged` looks at was made.
    static func oldest(nodeID: String?, in transaction: any TenantTransaction) throws(SQLiteError) -> WallTime? {
        let node = nodeID == nil ? "?1 IS NULL" : "node_id = ?1"
        return try transaction.connection.first(
            "SELECT oldest_at FROM nodes_threads WHERE \(node) ORDER BY oldest_at LIMIT 1", nodeID
        ) { row throws(SQLiteError) in try row.time(0) }
    }

    // MARK: Changing

    static func insert(
        _ draft: ThreadDraft, by owner: String, at now: WallTime, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> ThreadRecord {
        let id = ULID.make(prefix: ThreadRecord.prefix, at: now)
        try transaction.createKey(of: ObjectID(id))
        let sheet: JSONValue = [
            "title": draft.title.map(JSONValue.string) ?? .null,
            "correlation_id": draft.correlationID.map(JSONValue.string) ?? .null,
        ]
        let sealed = try transaction.seal(sheet.serialized(), in: cell(id), of: ObjectID(id))
        try transaction.connection.execute(
            """
            INSERT INTO nodes_threads (id, node_id, owner, correlation, sheet, created_at, active_at, oldest_at,
                sequence, messages, bytes)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?6, 0, 0, 0)
            """, id, draft.nodeID, owner, draft.correlationID.map { transaction.digest("correlation", $0) }, sealed,
            now)
        guard let thread = try find(id, of: .everybody, in: transaction) else {
            throw SQLiteError(.mistake, message: "a thread is not where it was put", subject: "nodes_threads")
        }
        return thread
    }

    /// Writes down what changes of a thread as it gets and loses messages.
    static func update(_ thread: ThreadOutline, in transaction: any TenantTransaction) throws(SQLiteError) {
        try transaction.connection.execute(
            """
            UPDATE nodes_threads SET active_at = ?, oldest_at = ?, sequence = ?, messages = ?, bytes = ?
            WHERE number = ?
            """, thread.activeAt, thread.oldestAt, thread.sequence, thread.messages, thread.bytes, thread.number)
    }

    /// Deletes a thread and erases its key: from here on nothing of it can be read, and rows of a long one that are left
    /// go with `Remains`.
    static func delete(_ thread: ThreadOutline, in transaction: any TenantTransaction) throws(SQLiteError) {
        try transaction.connection.execute("DELETE FROM nodes_threads WHERE number = ?", thread.number)
        try Remains.leave(.messages, of: thread.number, rows: thread.messages, bytes: thread.bytes, in: transaction)
        try IdempotencyKey.forget(thread.id, in: transaction)
        try InvocationTables.forget(thread: thread.id, in: transaction)
        try transaction.erase(thread.object)
    }

    // MARK: Rows

    private static func rows(
        _ filter: ThreadFilter, _ page: Page, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> [Row] {
        let sql = page.sql("id")
        let node = filter.nodeID == nil ? "" : "node_id = ?2 AND"
        let correlation = filter.correlationID == nil ? "" : "correlation = ?3 AND"
        let (owner, ownerID) = filter.owners.condition(4)
        return try transaction.connection.query(
            """
            SELECT \(Row.columns) FROM nodes_threads WHERE \(correlation) \(node) \(owner) \(sql.condition)
            \(sql.order) LIMIT ?5
            """, page.idBound, filter.nodeID, filter.correlationID.map { transaction.digest("correlation", $0) },
            ownerID, page.limit + 1
        ) { row throws(SQLiteError) in try Row(row) }
    }

    private struct Row {
        let outline: ThreadOutline
        private let sheet: [UInt8]

        static let columns =
            "number, id, node_id, owner, created_at, active_at, oldest_at, sequence, messages, bytes, sheet"

        init(_ row: borrowing SQLiteRow) throws(SQLiteError) {
            outline = ThreadOutline(
                number: try row.int(0), id: try row.text(1), nodeID: try row.optionalText(2), owner: try row.text(3),
                createdAt: try row.time(4), activeAt: try row.time(5), oldestAt: try row.time(6),
                sequence: try row.int(7), messages: try row.int(8), bytes: try row.int(9))
            sheet = try row.blob(10)
        }

        func opened(in transaction: any TenantTransaction) throws(SQLiteError) -> ThreadRecord {
            let plain = try transaction.open(sheet, in: ThreadTables.cell(outline.id), of: outline.object)
            guard let value = try? JSONValue(parsing: plain) else {
                throw SQLiteError(.corrupt, message: "the sheet of \(outline.id)", subject: "nodes_threads")
            }
            return ThreadRecord(
                outline: outline, title: value["title"]?.string, correlationID: value["correlation_id"]?.string)
        }
    }

    static func cell(_ id: String) -> Cell { Cell(table: "nodes_threads", column: "sheet", row: id) }
}

extension Owners {
    /// The same as a condition on a column `owner`, and what is bound to its parameter.
    func condition(_ parameter: Int) -> (sql: String, value: String?) {
        switch self {
        case .everybody: ("", nil)
        case .one(let id): ("owner = ?\(parameter) AND", id)
        case .keys: ("owner NOT GLOB '\(Self.personPrefix)*' AND", nil)
        case .programs:
            ("owner NOT GLOB '\(Self.personPrefix)*' AND owner NOT GLOB '\(Self.pagePrefix)*' AND", nil)
        }
    }
}
