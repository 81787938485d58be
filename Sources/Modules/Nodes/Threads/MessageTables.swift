// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite

/// Messages in a tenant's database. Every function is one step of a transaction.
enum MessageTables {
    /// Writes a message behind the last one of a thread; `thread` is the caller's to write down.
    static func append(
        _ draft: MessageDraft, to thread: inout ThreadOutline, at now: WallTime,
        in transaction: any TenantTransaction
    ) throws(SQLiteError) -> MessageRecord {
        // In a thread, later is never earlier, whatever the clock does: age is then read off the first messages.
        let time = max(now, thread.activeAt)
        let id = ULID.make(prefix: MessageRecord.prefix, at: time)
        let content = try transaction.seal(Array(draft.content.utf8), in: cell("content", id), of: thread.object)
        var name: [UInt8]?
        if let text = draft.name {
            name = try transaction.seal(Array(text.utf8), in: cell("name", id), of: thread.object)
        }
        thread.sequence += 1
        try transaction.connection.execute(
            "INSERT INTO nodes_messages (place, id, role, created_at, client, name, content) VALUES (?, ?, ?, ?, ?, ?, ?)",
            Place.of(thread.number, thread.sequence), id, draft.role.rawValue, time,
            draft.clientID.map { clientDigest($0, thread, transaction) }, name, content)
        if thread.messages == 0 { thread.oldestAt = time }
        thread.messages += 1
        thread.bytes += content.count
        thread.activeAt = time
        return MessageRecord(
            id: id, threadID: thread.id, sequence: thread.sequence, role: draft.role, name: draft.name,
            content: draft.content, createdAt: time)
    }

    /// The message that a sender knows by this id.
    static func find(
        clientID: String?, of thread: ThreadOutline, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> MessageRecord? {
        guard let clientID else { return nil }
        return try transaction.connection.first(
            "SELECT \(columns) FROM nodes_messages WHERE client = ?", clientDigest(clientID, thread, transaction)
        ) { row throws(SQLiteError) in try message(row, of: thread, in: transaction) }
    }

    /// A page of a thread's messages; shorter than asked for where they are large.
    static func list(
        of thread: ThreadOutline, _ page: Page, after bound: Int, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Slice<MessageRecord> {
        guard let places = try places(of: thread, page, after: bound, in: transaction) else {
            return Slice([], hasMore: false)
        }
        let messages = try transaction.connection.query(
            """
            SELECT \(columns) FROM nodes_messages WHERE place BETWEEN ? AND ?
            ORDER BY place \(page.order == .ascending ? "ASC" : "DESC")
            """, places.first, places.last
        ) { row throws(SQLiteError) in try message(row, of: thread, in: transaction) }
        return Slice(messages, hasMore: places.hasMore)
    }

    /// Deletes the first messages of a thread that are as old as `cutoff` or older, at most `max`.
    static func trim(
        _ thread: inout ThreadOutline, cutoff: WallTime, max: Int, in transaction: any TenantTransaction
    ) throws(SQLiteError) {
        let bounds = Place.bounds(thread.number)
        let first = try transaction.connection.query(
            """
            SELECT place, created_at, length(content) FROM nodes_messages WHERE place BETWEEN ? AND ?
            ORDER BY place LIMIT ?
            """, bounds.first, bounds.last, max + 1
        ) { row throws(SQLiteError) in (place: try row.int(0), at: try row.time(1), bytes: try row.int(2)) }
        let old = first.prefix(max).prefix { $0.at <= cutoff }
        if let last = old.last {
            try transaction.connection.execute(
                "DELETE FROM nodes_messages WHERE place BETWEEN ? AND ?", bounds.first, last.place)
        }
        thread.messages -= old.count
        thread.bytes -= old.reduce(0) { $0 + $1.bytes }
        thread.oldestAt = first.count > old.count ? first[old.count].at : thread.activeAt
    }

    /// The first and last place of a page, in the order of the file, and whether there is more behind it. Sizes are read
    /// first, so that a hundred of the largest messages are never in memory at once.
    private static func places(
        of thread: ThreadOutline, _ page: Page, after bound: Int, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> (first: Int, last: Int, hasMore: Bool)? {
        let isAscending = page.order == .ascending
        let lowest = isAscending ? min(max(bound, 0), NodesLimits.sequenceMax) + 1 : 0
        let highest = isAscending ? NodesLimits.sequenceMax : min(max(bound, 1) - 1, NodesLimits.sequenceMax)
        guard lowest <= highest else { return nil }
        let found = try transaction.connection.query(
            """
            SELECT place, length(content) FROM nodes_messages WHERE place BETWEEN ? AND ?
            ORDER BY place \(isAscending ? "ASC" : "DESC") LIMIT ?
            """, Place.of(thread.number, lowest), Place.of(thread.number, highest), page.limit + 1
        ) { row throws(SQLiteError) in (place: try row.int(0), bytes: try row.int(1)) }
        let slice = Slice(found, of: page, bytes: \.bytes)
        let places = slice.elements.map(\.place)
        guard let first = places.min(), let last = places.max() else { return nil }
        return (first, last, slice.hasMore)
    }

    private static func clientDigest(
        _ id: String, _ thread: ThreadOutline, _ transaction: any TenantTransaction
    ) -> [UInt8] {
        transaction.digest("client-message", "\(thread.id) \(id)")
    }

    static func cell(_ column: StaticString, _ id: String) -> Cell {
        Cell(table: "nodes_messages", column: column, row: id)
    }

    private static let columns = "place, id, role, created_at, name, content"

    /// The message in a row of these columns.
    private static func message(
        _ row: borrowing SQLiteRow, of thread: ThreadOutline, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> MessageRecord {
        let (id, name) = (try row.text(1), try row.text(2))
        guard let role = MessageRole(rawValue: name) else {
            throw SQLiteError(.corrupt, message: "\(id) has the role \(name)", subject: "nodes_messages")
        }
        var speaker: String?
        if try !row.isNull(4) {
            let name = try transaction.open(4, of: row, in: cell("name", id), of: thread.object)
            speaker = String(decoding: name, as: UTF8.self)
        }
        let text = try transaction.open(5, of: row, in: cell("content", id), of: thread.object)
        return MessageRecord(
            id: id, threadID: thread.id, sequence: Place.index(try row.int(0)), role: role, name: speaker,
            content: String(decoding: text, as: UTF8.self), createdAt: try row.time(3))
    }
}
