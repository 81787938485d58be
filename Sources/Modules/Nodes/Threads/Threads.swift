// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite

/// The threads of a tenant that are kept: whoever makes or continues one does it here, where consent and retention are asked
/// in the transaction that writes.
///
/// A thread that is deleted while a turn of it is under way is gone: the turn's append finds none and is refused, so that
/// no message is left without its thread.
struct Threads: Sendable {
    let context: NodesContext

    /// Makes a thread.
    ///
    /// - Throws (as a verdict): `consent_required`.
    func create(
        _ draft: ThreadDraft, by owner: String, at now: WallTime, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Verdict<ThreadRecord> {
        let wish = try NodeTables.wish(of: draft.nodeID, in: transaction)
        switch try context.capture(.threads, under: .threads, node: wish, in: transaction) {
        case .failure(let refusal): return .failure(refusal)
        case .success(let retention):
            let thread = try ThreadTables.insert(draft, by: owner, at: now, in: transaction)
            context.schedule.note(transaction.tenant, due: now + .seconds(retention.seconds))
            return .success(thread)
        }
    }

    /// Appends messages to a thread of `owners`, all or none. A message whose `clientID` the thread has already is not appended again.
    ///
    /// - Returns: the messages as they are kept, in the order of the drafts.
    /// - Throws (as a verdict): `not_found`, `consent_required`; `conflict` for a `clientID` of another message, and where
    ///   the thread has no place left.
    func append(
        _ drafts: [MessageDraft], to id: String, of owners: Owners, at now: WallTime,
        in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Verdict<[MessageRecord]> {
        guard var thread = try ThreadTables.outline(id, of: owners, in: transaction) else { return .failure(.absent) }
        let wish = try NodeTables.wish(of: thread.nodeID, in: transaction)
        let retention: Retention
        switch try context.capture(.threads, under: .threads, node: wish, in: transaction) {
        case .failure(let refusal): return .failure(refusal)
        case .success(let period): retention = period
        }
        var known: [MessageRecord?] = []
        for draft in drafts {
            let earlier = try MessageTables.find(clientID: draft.clientID, of: thread, in: transaction)
            if let earlier, !earlier.says(draft) {
                return .failure(
                    Failure(.conflict, "this thread has another message of that id", param: "client_message_id"))
            }
            known.append(earlier)
        }
        guard thread.sequence <= NodesLimits.sequenceMax - drafts.count else {
            return .failure(Failure(.conflict, "this thread has no room for another message; begin a new one"))
        }
        var messages: [MessageRecord] = []
        for (draft, earlier) in zip(drafts, known) {
            if let earlier {
                messages.append(earlier)
            } else {
                messages.append(try MessageTables.append(draft, to: &thread, at: now, in: transaction))
            }
        }
        try ThreadTables.update(thread, in: transaction)
        context.schedule.note(transaction.tenant, due: now + .seconds(retention.seconds))
        return .success(messages)
    }

    /// The newest thread of a node that has this correlation id, of those that `owners` began.
    func newest(
        ofNode nodeID: String, correlationID: String, of owners: Owners, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> ThreadRecord? {
        let filter = ThreadFilter(nodeID: nodeID, correlationID: correlationID, owners: owners)
        return try ThreadTables.list(filter, Page(limit: 1), in: transaction).elements.first
    }

    /// Messages of a thread, from either end; nil where `owners` have no such thread.
    func messages(
        of id: String, of owners: Owners, _ page: Page, after bound: Int, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Slice<MessageRecord>? {
        guard let thread = try ThreadTables.outline(id, of: owners, in: transaction) else { return nil }
        return try MessageTables.list(of: thread, page, after: bound, in: transaction)
    }
}

extension MessageRecord {
    /// Whether this is what a draft wants to say.
    fileprivate func says(_ draft: MessageDraft) -> Bool {
        role == draft.role && name == draft.name && content == draft.content
    }
}
