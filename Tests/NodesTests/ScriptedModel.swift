// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import Platform
import SQLite
import Support
import Synchronization
import Testing

@testable import Nodes

/// A model that says what a test wants, and lets something happen while it speaks.
final class ScriptedModel: ModelCaller {
    private let tasks = Mutex<[ModelTask]>([])
    private let pieces: [ModelPiece]
    private let failure: Failure?
    private let meanwhile: @Sendable () throws -> Void

    init(
        _ pieces: [ModelPiece] = [.text("an "), .text("answer")], failure: Failure? = nil,
        meanwhile: @escaping @Sendable () throws -> Void = {}
    ) {
        self.pieces = pieces
        self.failure = failure
        self.meanwhile = meanwhile
    }

    /// What it was told, call by call.
    var heard: [[ModelTurn]] { tasks.withLock { $0.map(\.turns) } }

    func requireModel(_ name: String, for principal: Principal) throws(Failure) {}

    func worstCase(
        model: String, _ demand: ExchangeFigures.Demand
    ) -> (first: ExchangeFigures.WorstCase, alternatives: ExchangeFigures.WorstCase?)? { nil }

    func answer(_ task: ModelTask, receive: (ModelPiece) async -> Bool) async throws(Failure) -> ModelResult {
        tasks.withLock { $0.append(task) }
        var result = ModelResult(model: task.model, provider: "test")
        for (index, piece) in pieces.enumerated() {
            guard await receive(piece) else { return result }
            if index == 0 {
                do { try meanwhile() } catch { throw Failure(.internal, "\(error)") }
            }
        }
        result.finish = .stop
        result.failure = failure
        result.usage = ModelUsage(inputTokens: 3, outputTokens: 2, cost: 150)
        return result
    }
}

extension TestHouse {
    static let caller = Principal(
        kind: .key(KeyID("key_1"), prefix: "ghk_test"), tenant: TenantID("ten_test"), scopes: Scopes(Scope.allCases))

    /// One turn, as the route takes it.
    ///
    /// - Parameter wants: whether the client is still there, after each piece.
    func turn(
        _ content: String, node: String = "helper", thread: String? = nil, correlation: String? = nil,
        client: String? = nil, isUnkept: Bool = false, by principal: Principal = caller,
        _ model: ScriptedModel = ScriptedModel(), wants: @escaping @Sendable (ModelPiece) -> Bool = { _ in true }
    ) throws -> TurnAnswer? {
        let request = TurnRequest(
            content: content, threadID: thread, correlationID: correlation, clientMessageID: client, isStreamed: false,
            isAsynchronous: false, asksForZeroRetention: isUnkept, endUser: nil)
        let planner = TurnPlanner(context: context, request: request, principal: principal, now: now)
        let plan = try tenant.run { transaction throws(SQLiteError) in
            try planner.plan(node, in: transaction)
        }.get()
        let turn = Turn(
            context: context, request: request, plan: plan, database: tenant, principal: principal, requestID: "req_1")
        if let answer = turn.earlierAnswer { return answer }
        return try onLoop { loop in
            try await turn.run(on: loop, cancellation: Cancellation(on: loop), model) { wants($0) }?.answer
        }
    }

    /// Everything in a table, as text.
    func messagesStored() throws -> Int { try tenant.count("SELECT count(*) FROM nodes_messages") }
    func threadsStored() throws -> Int { try tenant.count("SELECT count(*) FROM nodes_threads") }
}
