// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import HTTP
import JSON
import SQLite

/// `POST /v1/nodes/{id}/chat`: a turn with a node, answered whole, streamed, or later.
struct ChatRoutes: Sendable {
    let context: NodesContext

    var all: [Route] { [chat] }

    private var chat: Route {
        Route(
            .post, "/v1/nodes/{id}/chat", guard: .keyOrSession(.chat, .member),
            summary: "Say something to a node: answered whole, as events, or later", requestBody: TurnRequest.schema
        ) { exchange async throws(Failure) in
            let request = try await TurnRequest.read(exchange)
            guard let models = context.models else {
                throw Failure(.disabled, "this server has no models, since it has no section [gateway]")
            }
            guard let principal = exchange.principal else { throw Failure(.internal, "nobody was identified") }
            let call = TurnCall(
                context: context, exchange: exchange, request: request, models: models, principal: principal,
                database: try context.database(of: exchange), node: exchange.parameters["id"] ?? "")
            return try await request.isAsynchronous ? call.later() : call.now()
        }
    }
}

/// A turn on its exchange.
struct TurnCall: Sendable {
    let context: NodesContext
    let exchange: Exchange
    let request: TurnRequest
    let models: any ModelCaller
    let principal: Principal
    let database: any TenantDatabase
    /// The node's id or alias, as the client has it.
    let node: String

    // MARK: Now

    func now() async throws(Failure) -> Reply {
        let name = try await name()
        if let name, !context.chat.turns.begin(name, run: nil).isNew { throw Failure.underWay }
        defer { if let name { context.chat.turns.end(name) } }
        let turn = try await prepare()
        return request.isStreamed ? try await stream(turn) : try await whole(turn)
    }

    private func whole(_ turn: Turn) async throws(Failure) -> Reply {
        if let answer = turn.earlierAnswer { return .json(.object(answer.json)) }
        try await exchange.advance(through: .record)
        let origin = exchange.request
        guard
            let (answer, result) = try await turn.run(
                on: origin.loop, cancellation: origin.cancellation, models, receive: { _ in true })
        else { throw Failure(.upstreamInterrupted, "the answer broke off") }
        note(result)
        if let cost = result.usage?.cost { exchange.answerFields.append("x-gatehouse-cost", NanoDollars.text(cost)) }
        return .json(.object(answer.json))
    }

    private func stream(_ turn: Turn) async throws(Failure) -> Reply {
        let output = AnswerStream(exchange)
        if let answer = turn.earlierAnswer {
            await output.finish(TurnFrames.piece(.text(answer.content)) + TurnFrames.end(answer))
            return .streamed
        }
        try await exchange.advance(through: .record)
        let origin = exchange.request
        do throws(Failure) {
            let outcome = try await turn.run(on: origin.loop, cancellation: origin.cancellation, models) { piece in
                await output.write(TurnFrames.piece(piece))
            }
            guard let outcome else { return .streamed }
            await output.finish(TurnFrames.end(outcome.answer))
        } catch {
            guard output.hasBegun else { throw error }
            let error = output.isRevoked ? AnswerStream.revocation : error
            exchange.figures.brokenOff = error.code
            await output.finish(TurnFrames.end(error, requestID: exchange.id))
        }
        return .streamed
    }

    private func note(_ result: ModelResult) {
        exchange.answerFields.append("x-gatehouse-provider", result.provider)
        exchange.answerFields.append("x-gatehouse-model", result.model)
    }

    // MARK: Later

    /// Answers with a receipt. The turn is found and its thread looked up first, so that what cannot be is refused at once.
    func later() async throws(Failure) -> Reply {
        let (runs, turns, name) = (context.chat.runs, context.chat.turns, try await name())
        let receipt = Receipt(tenant: database.tenant, owner: principal.owner, at: context.now())
        if let name {
            let (isNew, run) = turns.begin(name, run: receipt.id)
            guard isNew else {
                guard let run else { throw Failure.underWay }
                return Receipt.accepted(run)
            }
        }
        do throws(Failure) {
            let turn = try await prepare()
            try runs.begin(receipt, node: turn.plan.node.id)
            do throws(Failure) {
                if turn.earlierAnswer == nil { try await exchange.advance(through: .record) }
                try await turn.open(receipt)
            } catch {
                runs.end(receipt)
                throw error
            }
            let (loop, models) = (exchange.request.loop, models)
            exchange.remainder = {
                defer { if let name { turns.end(name) } }
                return await turn.run(receipt, on: loop, models)
            }
            return Receipt.accepted(receipt.id)
        } catch {
            if let name { turns.end(name) }
            throw error
        }
    }

    // MARK: Both

    /// What the turn is known by while it is answered: the node's and the thread's own ids wherever there are such, so that
    /// one message sent by different names of them is one.
    private func name() async throws(Failure) -> TurnsUnderWay.Name? {
        guard let clientID = request.clientMessageID else { return nil }
        let planner = TurnPlanner(context: context, request: request, principal: principal, now: context.now())
        let (name, tenant) = (node, database.tenant)
        let owner = if case .one(let id) = context.ownership.named(principal) { id } else { "" }
        return try await database.look { transaction throws(SQLiteError) in
            let node = try NodeTables.id(of: name, in: transaction)
            let thread = try node.flatMap { id throws(SQLiteError) in try planner.thread(ofNode: id, in: transaction) }
            return .success(
                TurnsUnderWay.Name(
                    tenant: tenant, node: node ?? name, thread: thread ?? request.correlationID.map { "c \($0)" } ?? "",
                    clientID: clientID, owner: owner))
        }
    }

    private func prepare() async throws(Failure) -> Turn {
        let planner = TurnPlanner(context: context, request: request, principal: principal, now: context.now())
        let node = node
        let plan = try await database.look { transaction throws(SQLiteError) in
            try planner.plan(node, in: transaction)
        }
        exchange.node = plan.node.id
        exchange.model = plan.node.configuration.model
        exchange.figures.isStreamed = request.isStreamed
        exchange.figures.endUser = request.endUser
        let configuration = plan.node.configuration
        let once = ExchangeFigures.Demand(
            inputBytes: plan.textBytes + request.content.utf8.count,
            outputTokensMax: configuration.limits.outputTokens, choices: 1)
        let demand = configuration.runsCode ? models.demandRunningCode(once, model: configuration.model) : once
        let worst = models.worstCase(model: plan.node.configuration.model, demand)
        exchange.figures.demand = demand
        (exchange.figures.worstCase, exchange.figures.alternatives) = (worst?.first, worst?.alternatives)
        return Turn(
            context: context, request: request, plan: plan, database: database, principal: principal,
            requestID: exchange.id, exchange: exchange)
    }
}

extension Turn {
    /// What the same message was answered with before. That costs nothing, and no model is asked.
    var earlierAnswer: TurnAnswer? {
        var answer = plan.earlierAnswer
        answer?.usage = TurnAnswer.nothingUsed
        return answer
    }
}

extension Failure {
    static var underWay: Failure {
        Failure(.conflict, "this message is being answered; send it again for its answer", param: "client_message_id")
            .retrying(after: .seconds(1))
    }
}
