// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Platform
import SQLite

/// A turn that is about to be answered: what it belongs to, and what the model is told.
struct TurnPlan: Sendable {
    /// The thread it continues.
    enum Place: Equatable, Sendable {
        case new
        /// In memory.
        case held(String)
        /// In the tenant's store.
        case stored(String)
    }

    let node: NodeRecord
    var place = Place.new
    /// Whether it may be stored: the tenant has agreed, and the request does not ask for the opposite.
    var mayStore = false
    /// What was said before, the newest last.
    var earlier: [ModelTurn] = []
    /// What the same message was answered with when it was sent before.
    var earlierAnswer: TurnAnswer?

    /// Bytes of all words that the model is told beside the new message: at most, since older ones may be left out, and with
    /// room for what a provider puts around each turn.
    var textBytes: Int {
        let frame = 16
        return earlier.reduce((node.configuration.systemPrompt?.utf8.count ?? 0) + 2 * frame) {
            $0 + $1.text.utf8.count + frame
        }
    }
}

/// Finds out what a turn belongs to.
///
/// A thread is in memory or in the store from its beginning to its end. One that began without consent stays in memory after
/// consent is given, so that nothing from before is stored; one that is stored stays so when consent is withdrawn, and
/// what is said from then on is answered and not appended.
struct TurnPlanner: Sendable {
    let context: NodesContext
    let request: TurnRequest
    let principal: Principal
    let now: WallTime

    private var threads: Threads { Threads(context: context) }
    /// Whose threads the request may continue, by id and by name.
    private var continued: Owners { context.ownership.continued(principal) }
    private var named: Owners { context.ownership.named(principal) }

    /// - Parameter name: the node's id or alias.
    func plan(_ name: String, in transaction: any TenantTransaction) throws(SQLiteError) -> Verdict<TurnPlan> {
        guard let node = try NodeTables.find(name, in: transaction) else { return .failure(.absent) }
        if let refusal = refusal(node) { return .failure(refusal) }
        var plan = TurnPlan(node: node)
        if !request.asksForZeroRetention {
            let verdict = try context.capture(
                .threads, under: .threads, node: node.configuration.retention, in: transaction)
            if case .success = verdict { plan.mayStore = true }
        }
        if let held = held(node, of: transaction.tenant) { return continued(plan, held) }
        switch try stored(node, in: transaction) {
        case .failure(let refusal): return .failure(refusal)
        case .success(.none): return .success(plan)
        case .success(.some(let thread)): return try continued(plan, thread, in: transaction)
        }
    }

    private func refusal(_ node: NodeRecord) -> Failure? {
        guard principal.mayUse(node: node) else {
            return Failure(.nodeNotAllowed, "this key may not use this node")
        }
        if let bytesMax = node.configuration.limits.inputBytes, request.content.utf8.count > bytesMax {
            return Failure(.payloadTooLarge, "this node takes at most \(bytesMax) bytes", param: "content")
        }
        return nil
    }

    /// The id of the thread that the request names, in memory or in the store; nil where there is none yet.
    func thread(ofNode nodeID: String, in transaction: any TenantTransaction) throws(SQLiteError) -> String? {
        if let id = request.threadID { return id }
        guard let correlationID = request.correlationID else { return nil }
        let held = context.chat.threads.find(
            correlationID: correlationID, owners: named, node: nodeID, of: transaction.tenant, at: now)
        if let held { return held.id }
        return try threads.newest(ofNode: nodeID, correlationID: correlationID, of: named, in: transaction)?.id
    }

    // MARK: In memory

    private func held(_ node: NodeRecord, of tenant: TenantID) -> HeldThread? {
        let threads = context.chat.threads
        if let id = request.threadID { return threads.find(id, owners: continued, of: tenant, at: now) }
        if let id = request.correlationID {
            return threads.find(correlationID: id, owners: named, node: node.id, of: tenant, at: now)
        }
        guard let id = request.clientMessageID else { return nil }
        return threads.find(firstClientID: id, owners: named, node: node.id, of: tenant, at: now)
    }

    private func continued(_ plan: TurnPlan, _ thread: HeldThread) -> Verdict<TurnPlan> {
        guard thread.nodeID == plan.node.id else { return .failure(.threadOfAnotherNode) }
        var plan = plan
        plan.place = .held(thread.id)
        plan.earlier = thread.turns
        guard let id = request.clientMessageID, let turn = thread.turn(clientID: id) else { return .success(plan) }
        guard turn.question.content == request.content else { return .failure(.otherMessage) }
        plan.earlierAnswer = TurnAnswer(
            threadID: thread.id, messageID: turn.answer.id, content: turn.answer.content, isStored: false)
        return .success(plan)
    }

    // MARK: In the store

    private func stored(
        _ node: NodeRecord, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Verdict<ThreadOutline?> {
        if let id = request.threadID {
            guard let thread = try ThreadTables.outline(id, of: continued, in: transaction) else {
                return .failure(.absentThread)
            }
            return thread.nodeID == node.id ? .success(thread) : .failure(.threadOfAnotherNode)
        }
        if let id = request.correlationID {
            return .success(try threads.newest(ofNode: node.id, correlationID: id, of: named, in: transaction)?.outline)
        }
        switch try request.firstMessageKey(node, of: named)?.earlier(in: transaction, at: now) {
        case .none: return .success(nil)
        case .some(.failure): return .failure(.otherMessage)
        case .some(.success(let id)):
            guard let id else { return .success(nil) }
            return .success(try ThreadTables.outline(id, of: named, in: transaction))
        }
    }

    private func continued(
        _ plan: TurnPlan, _ thread: ThreadOutline, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Verdict<TurnPlan> {
        var plan = plan
        plan.place = .stored(thread.id)
        let known = try MessageTables.find(clientID: request.clientMessageID, of: thread, in: transaction)
        if let known {
            guard known.role == .user, known.content == request.content else { return .failure(.otherMessage) }
            let next = try MessageTables.list(
                of: thread, Page(limit: 1, order: .ascending), after: known.sequence, in: transaction
            ).elements.first
            if let next, next.role == .assistant {
                plan.earlierAnswer = TurnAnswer(next)
                return .success(plan)
            }
        }
        let messagesMax = ContextWindow(plan.node.configuration.limits).messagesMax
        guard messagesMax > 0 else { return .success(plan) }
        let last = try MessageTables.list(
            of: thread, Page(limit: messagesMax, order: .descending), after: .max, in: transaction)
        // A message that was appended without an answer, and is being answered now, is not said twice.
        plan.earlier = last.elements.reversed().filter { $0.id != known?.id }.map { message in
            ModelTurn(message.role == .user ? .user : .assistant, message.content)
        }
        return .success(plan)
    }
}

extension TurnRequest {
    /// By which a first message that is sent again finds the thread it began; nil where the client names the thread itself,
    /// or gives its message no id.
    ///
    /// - Parameter owners: among whose threads; the same id of two people is two messages.
    func firstMessageKey(_ node: NodeRecord, of owners: Owners) -> IdempotencyKey? {
        guard threadID == nil, correlationID == nil, let clientMessageID else { return nil }
        let place = if case .one(let owner) = owners { "\(owner) \(node.id)" } else { node.id }
        return IdempotencyKey(
            text: "turn \(place) \(clientMessageID)", body: SHA256.digest(Array(content.utf8)))
    }
}

extension TurnAnswer {
    /// An answer that stands in the store.
    init(_ message: MessageRecord) {
        self.init(
            threadID: message.threadID, messageID: message.id, content: message.content, isStored: true,
            sequence: message.sequence)
    }
}

extension Principal {
    func mayUse(node: NodeRecord) -> Bool {
        mayUse(node: node.id, alias: node.configuration.alias)
    }
}

extension Failure {
    fileprivate static var absentThread: Failure {
        Failure(.notFound, "there is no thread of that id", param: "thread_id")
    }
    fileprivate static var threadOfAnotherNode: Failure {
        Failure(.conflict, "this thread does not belong to this node", param: "thread_id")
    }
    fileprivate static var otherMessage: Failure {
        Failure(.conflict, "another message was sent with this id", param: "client_message_id")
    }
}
