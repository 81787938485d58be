// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import Platform
import SQLite

/// One turn with a node, from its question to what is kept of it.
///
/// A turn is kept whole or not at all: question and answer together, once the answer is complete and somebody still wants it.
/// Of an answer that broke off, and of one whose client went away in its middle, nothing is kept, not even the question.
struct Turn: Sendable {
    let context: NodesContext
    let request: TurnRequest
    let plan: TurnPlan
    let database: any TenantDatabase
    let principal: Principal
    /// For the log.
    let requestID: String
    /// In which the figures are noted.
    var exchange: Exchange?

    /// What a model said.
    struct Spoken: Sendable {
        var text = ""
        var refusal = ""
        var result: ModelResult

        /// As it stands in a thread.
        var content: String { text.isEmpty ? refusal : text }
    }

    /// Asks the model and keeps the turn.
    ///
    /// - Parameter receive: takes the answer piece by piece; false where nobody wants the rest.
    /// - Returns: nil if nobody wanted the rest.
    func run(
        on loop: EventLoop, cancellation: Cancellation, _ models: any ModelCaller,
        receive: (ModelPiece) async -> Bool
    ) async throws(Failure) -> (answer: TurnAnswer, result: ModelResult)? {
        guard let spoken = try await ask(on: loop, cancellation, models, receive) else { return nil }
        var answer = try await keep(spoken.content)
        answer.refusal = spoken.refusal.isEmpty ? nil : spoken.refusal
        answer.usage = spoken.result.usage
        answer.runs = spoken.result.runs
        return (answer, spoken.result)
    }

    private func ask(
        on loop: EventLoop, _ cancellation: Cancellation, _ models: any ModelCaller,
        _ receive: (ModelPiece) async -> Bool
    ) async throws(Failure) -> Spoken? {
        let node = plan.node.configuration
        var task = ModelTask(
            principal: principal, requestID: requestID, loop: loop, cancellation: cancellation, model: node.model,
            turns: ContextWindow(node.limits).turns(
                prompt: node.systemPrompt, earlier: plan.earlier, content: request.content),
            outputTokensMax: node.limits.outputTokens, endUser: request.endUser, exchange: exchange)
        task.runsCode = node.runsCode
        var (text, refusal) = ("", "")
        var (isWanted, isTooLarge) = (true, false)
        let result = try await models.answer(task) { piece in
            switch piece {
            case .text(let more): text += more
            case .refusal(let more): refusal += more
            }
            isTooLarge = text.utf8.count + refusal.utf8.count > ChatLimits.answerBytesMax
            guard !isTooLarge else { return false }
            isWanted = await receive(piece)
            return isWanted
        }
        guard isWanted else { return nil }
        if let failure = result.failure { throw failure }
        guard !isTooLarge else {
            throw Failure(.upstreamError, "the answer is larger than \(ChatLimits.answerBytesMax) bytes")
        }
        return Spoken(text: text, refusal: refusal, result: result)
    }

    // MARK: Keeping

    private func keep(_ content: String) async throws(Failure) -> TurnAnswer {
        switch plan.place {
        case .new where plan.mayStore: try await store(content)
        case .new: hold(content)
        case .held(let id): hold(content, in: id)
        case .stored where plan.mayStore: try await store(content)
        case .stored(let id): unkept(content, thread: id)
        }
    }

    /// Puts the turn into the tenant's store.
    ///
    /// While the model spoke the thread or the node may have been deleted, the consent withdrawn, or the tenant suspended: then
    /// nothing is written, so that nothing is left without its thread, and the client has its answer all the same. A store that cannot write is
    /// another matter: the client was promised that the turn is kept.
    private func store(_ content: String) async throws(Failure) -> TurnAnswer {
        let turn = self
        let now = context.now()
        do throws(Failure) {
            let messages = try await database.change { transaction throws(SQLiteError) in
                try turn.store(content, at: now, in: transaction)
            }
            guard let answer = messages.last else { throw Failure(.internal, "the turn was not kept") }
            return TurnAnswer(answer)
        } catch {
            switch (error.code, plan.place) {
            case (.notFound, .stored(let id)), (.consentRequired, .stored(let id)), (.blocked, .stored(let id)):
                return unkept(content, thread: id)
            case (.notFound, _), (.blocked, _):
                return unkept(content, thread: ULID.make(prefix: ThreadRecord.prefix, at: now))
            case (.consentRequired, _): return hold(content)
            default: throw error
            }
        }
    }

    private func store(
        _ content: String, at now: WallTime, in transaction: any TenantTransaction
    ) throws(SQLiteError) -> Verdict<[MessageRecord]> {
        let drafts = [
            MessageDraft(role: .user, content: request.content, clientID: request.clientMessageID),
            MessageDraft(role: .assistant, content: content),
        ]
        switch try thread(at: now, in: transaction) {
        case .failure(let refusal): return .failure(refusal)
        case .success(let id):
            let owners = context.ownership.continued(principal)
            return try Threads(context: context).append(drafts, to: id, of: owners, at: now, in: transaction)
        }
    }

    /// The thread to append to; a new one where there is none yet.
    private func thread(at now: WallTime, in transaction: any TenantTransaction) throws(SQLiteError) -> Verdict<String>
    {
        if case .stored(let id) = plan.place { return .success(id) }
        let (threads, node, named) = (Threads(context: context), plan.node, context.ownership.named(principal))
        // Before anything is written: a node that was deleted meanwhile must not come to own a thread.
        guard try NodeTables.id(of: node.id, in: transaction) != nil else { return .failure(.absent) }
        if let id = request.correlationID,
            let other = try threads.newest(ofNode: node.id, correlationID: id, of: named, in: transaction)
        {
            // Another turn has begun it while this one was being answered.
            return .success(other.id)
        }
        let draft = ThreadDraft(nodeID: node.id, title: nil, correlationID: request.correlationID)
        switch try threads.create(draft, by: principal.owner, at: now, in: transaction) {
        case .failure(let refusal): return .failure(refusal)
        case .success(let thread):
            try request.firstMessageKey(node, of: named)?.remember(thread.id, in: transaction, at: now)
            return .success(thread.id)
        }
    }

    /// Keeps the turn in memory: in a thread that is there, or in a new one. A thread that has gone meanwhile stays gone.
    private func hold(_ content: String, in thread: String? = nil) -> TurnAnswer {
        let (threads, tenant, now) = (context.chat.threads, database.tenant, context.now())
        var answer = unkept(content, thread: thread ?? "")
        let said = HeldMessage(
            id: ULID.make(prefix: MessageRecord.prefix, at: now), role: .user, content: request.content,
            clientID: request.clientMessageID)
        let reply = HeldMessage(id: answer.messageID, role: .assistant, content: content)
        if let thread {
            _ = threads.append(said, reply, to: thread, of: tenant, at: now)
        } else {
            let isNamed = request.correlationID != nil
            let new = HeldThread(
                nodeID: plan.node.id, owner: principal.owner, correlationID: request.correlationID,
                firstClientID: isNamed ? nil : request.clientMessageID, at: now)
            answer.threadID = threads.begin(
                new, said, reply, owners: context.ownership.named(principal), of: tenant, at: now)
        }
        return answer
    }

    private func unkept(_ content: String, thread: String) -> TurnAnswer {
        TurnAnswer(
            threadID: thread, messageID: ULID.make(prefix: MessageRecord.prefix, at: context.now()), content: content,
            isStored: false)
    }
}
