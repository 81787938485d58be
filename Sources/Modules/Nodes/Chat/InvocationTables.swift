// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite

/// Receipts in a tenant's database: that there was a run, and what became of it. What was answered stands in its thread, or
/// nowhere. Every function is one step of a transaction.
enum InvocationTables {
    static func insert(_ receipt: Receipt, node: String, in transaction: any TenantTransaction) throws(SQLiteError) {
        try transaction.connection.execute(
            "INSERT INTO nodes_invocations (id, node_id, owner, created_at) VALUES (?, ?, ?, ?)", receipt.id, node,
            receipt.owner, receipt.createdAt)
    }

    /// Writes down how a run ended. Does nothing where its node is gone, and its receipt with it.
    static func finish(
        _ receipt: Receipt, _ result: RunResult, at now: WallTime, in transaction: any TenantTransaction
    ) throws(SQLiteError) {
        var (thread, sequence, code): (String?, Int?, String?)
        var (isRefusal, usage): (Bool?, ModelUsage?)
        switch result {
        case .failed(let failure): code = failure.code.rawValue
        case .answered(let answer):
            (isRefusal, usage) = (answer.refusal != nil, answer.usage)
            guard answer.isStored, let place = answer.sequence else { break }
            // Only of a thread that is there: what was deleted meanwhile must not be named again.
            guard try ThreadTables.outline(answer.threadID, in: transaction) != nil else { break }
            (thread, sequence) = (answer.threadID, place)
        }
        try transaction.connection.execute(
            """
            UPDATE nodes_invocations SET finished_at = ?, thread_id = ?, sequence = ?, code = ?, is_refusal = ?,
                input_tokens = ?, output_tokens = ?, cost = ?
            WHERE id = ?
            """, now, thread, sequence, code, isRefusal, usage?.inputTokens, usage?.outputTokens, usage?.cost,
            receipt.id)
    }

    /// What the store knows of a run.
    static func find(_ id: String, in transaction: any TenantTransaction) throws(SQLiteError) -> InvocationView? {
        guard ULID.isValid(id, prefix: Receipt.prefix) else { return nil }
        let row = try transaction.connection.first(
            """
            SELECT node_id, created_at, finished_at, thread_id, sequence, code, is_refusal, input_tokens, output_tokens,
                cost, owner
            FROM nodes_invocations WHERE id = ?
            """, id
        ) { row throws(SQLiteError) in try Row(row) }
        guard let row else { return nil }
        var view = InvocationView(
            id: id, nodeID: row.nodeID, owner: row.owner, createdAt: row.createdAt, finishedAt: row.finishedAt,
            status: .lost)
        if let code = row.code {
            view.status = .failed
            view.result = .failed(Failure(ErrorCode(rawValue: code) ?? .internal, "the run failed"))
        } else if let threadID = row.threadID, let sequence = row.sequence,
            let message = try message(sequence, of: threadID, in: transaction)
        {
            view.status = .done
            var answer = TurnAnswer(message)
            answer.usage = row.usage
            answer.refusal = row.isRefusal ? message.content : nil
            view.result = .answered(answer)
        }
        return view
    }

    private struct Row {
        let nodeID: String
        let owner: String
        let createdAt: WallTime
        let finishedAt: WallTime?
        let threadID: String?
        let sequence: Int?
        let code: String?
        let isRefusal: Bool
        let usage: ModelUsage?

        init(_ row: borrowing SQLiteRow) throws(SQLiteError) {
            nodeID = try row.text(0)
            owner = try row.optionalText(10) ?? ""
            createdAt = try row.time(1)
            finishedAt = try row.optionalTime(2)
            threadID = try row.optionalText(3)
            sequence = try row.optionalInteger(4).map(Int.init)
            code = try row.optionalText(5)
            isRefusal = try row.optionalInteger(6) == 1
            if let input = try row.optionalInteger(7), let output = try row.optionalInteger(8) {
                usage = ModelUsage(
                    inputTokens: Int(input), outputTokens: Int(output), cost: try row.optionalInteger(9))
            } else {
                usage = nil
            }
        }
    }

    private static func message(
        _ sequence: Int, of threadID: String, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> MessageRecord? {
        guard let thread = try ThreadTables.outline(threadID, in: transaction) else { return nil }
        let found = try MessageTables.list(
            of: thread, Page(limit: 1, order: .ascending), after: sequence - 1, in: transaction
        ).elements.first
        return found?.sequence == sequence ? found : nil
    }

    /// Forgets the runs of a thread that is being deleted.
    static func forget(thread id: String, in transaction: any TenantTransaction) throws(SQLiteError) {
        try transaction.connection.execute("DELETE FROM nodes_invocations WHERE thread_id = ?", id)
    }

    /// Forgets the runs of a node that is being deleted.
    static func forget(node id: String, in transaction: any TenantTransaction) throws(SQLiteError) {
        try transaction.connection.execute("DELETE FROM nodes_invocations WHERE node_id = ?", id)
    }

    /// Forgets receipts that are older than a day.
    ///
    /// - Returns: how many.
    static func sweep(
        in transaction: any TenantTransaction, at now: WallTime, max: Int
    ) throws(SQLiteError) -> Int {
        try transaction.connection.execute(
            """
            DELETE FROM nodes_invocations WHERE id IN
                (SELECT id FROM nodes_invocations WHERE created_at <= ? ORDER BY created_at LIMIT ?)
            """, now - .seconds(ChatLimits.receiptSeconds), max)
        return transaction.connection.changes
    }

    /// When the oldest receipt was made.
    static func oldest(in transaction: any TenantTransaction) throws(SQLiteError) -> WallTime? {
        try transaction.connection.first("SELECT created_at FROM nodes_invocations ORDER BY created_at LIMIT 1") {
            row throws(SQLiteError) in try row.time(0)
        }
    }
}
