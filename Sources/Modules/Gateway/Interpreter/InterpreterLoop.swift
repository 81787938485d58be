// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import HTTP
import JSON
import Log
import Platform

/// A model that writes programs, and the sandbox that runs them, in turns, until the model has said what it has to say or
/// a cap is reached: then it is asked once more, with nothing left to be run. On the loop of its call.
///
/// What the client sees is one answer: the words of every turn, the runs where they happened, one end, and the sum of what
/// the provider counted.
struct InterpreterLoop {
    let price: Price?
    let runner: any CodeRunner
    let settings: InterpreterSettings
    /// The function by which the model calls it.
    let tool: String
    let tenant: TenantID?
    let loop: EventLoop
    let cancellation: Cancellation
    /// One call of the model, through its breaker.
    let ask: (ChatRequest, (ChatEvent) async -> Bool) async throws(Fault) -> Void
    /// Told what all turns so far have used.
    let used: (TokenUsage) -> Void
    /// What is there from the beginning.
    var files: [CodeFile] = []
    /// The exchange that it belongs to.
    var exchange: Exchange?
    /// Whether what programs leave may be kept.
    var keepsFiles = false

    /// Gives the events of the one answer to `receive` until it returns false.
    ///
    /// - Throws: if there was no first event; another model may then be tried.
    func perform(_ request: ChatRequest, _ receive: (ChatEvent) async -> Bool) async throws(Fault) {
        var request = request
        request.isStreamed = true
        request.showsUsage = true
        request.choices = 1
        var state = InterpreterState(deadline: .now() + settings.time, files: files)
        for round in 1...settings.rounds {
            if round == settings.rounds || isSpent(state) { request.toolChoice = .forbidden }
            let turn: InterpreterTurn
            do throws(Fault) {
                turn = try await self.turn(request, isFirst: round == 1, receive)
            } catch {
                guard round > 1 else { throw error }
                _ = await receive(.failed(error))
                return
            }
            state.add(turn.usage)
            if let known = state.known { used(known) }
            guard turn.isWanted else { return }
            let calls = turn.answer.choices.first?.calls ?? []
            let mine = calls.filter { $0.name == tool }
            guard !mine.isEmpty, mine.count == calls.count, request.toolChoice != .forbidden else {
                return await end(turn, calls.filter { $0.name != tool }, state.known, receive)
            }
            guard await run(mine, turn, &request, &state, receive) else { return }
            // Whoever demanded a call has had it.
            request.toolChoice = .automatic
        }
    }

    private func isSpent(_ state: InterpreterState) -> Bool {
        if Instant.now() >= state.deadline { return true }
        guard let most = settings.cost, let cost = price?.cost(of: state.usage) else { return false }
        return cost >= most
    }

    /// One call of the model: its words pass, its calls and its end are held.
    private func turn(
        _ request: ChatRequest, isFirst: Bool, _ receive: (ChatEvent) async -> Bool
    ) async throws(Fault) -> InterpreterTurn {
        var turn = InterpreterTurn()
        try await ask(request) { event in
            turn.answer.add(event)
            switch event {
            case .started: if isFirst { turn.isWanted = await receive(event) }
            case .textDelta, .refusalDelta, .reasoningDelta, .reasoningSignature, .redactedReasoning, .ran:
                turn.isWanted = await receive(event)
            case .usage(let usage): turn.usage = usage
            case .failed:
                _ = await receive(event)
                turn.isWanted = false
            case .toolCallStarted, .toolCallArguments, .finished: break
            }
            return turn.isWanted
        }
        return turn
    }

    /// The end of the answer: with the calls that are the client's to make, if there are such.
    private func end(
        _ turn: InterpreterTurn, _ calls: [ToolUse], _ usage: TokenUsage?, _ receive: (ChatEvent) async -> Bool
    ) async {
        for (index, call) in calls.enumerated() {
            guard await receive(.toolCallStarted(choice: 0, index: index, id: call.id, name: call.name)),
                await receive(.toolCallArguments(choice: 0, index: index, call.arguments))
            else { return }
        }
        var reason = turn.answer.choices.first?.finish ?? .stop
        if calls.isEmpty, reason == .toolCalls { reason = .stop }
        guard await receive(.finished(choice: 0, reason)) else { return }
        if let usage { _ = await receive(.usage(usage)) }
    }

    /// Runs what the model wrote, and puts it and what came of it behind the conversation. False where nobody waits.
    private func run(
        _ calls: [ToolUse], _ turn: InterpreterTurn, _ request: inout ChatRequest, _ state: inout InterpreterState,
        _ receive: (ChatEvent) async -> Bool
    ) async -> Bool {
        guard let choice = turn.answer.choices.first else { return false }
        var parts: [ChatPart] = []
        if !choice.reasoning.isEmpty { parts.append(.thinking(choice.reasoning, signature: choice.signature)) }
        parts += choice.redacted.map { .redactedThinking($0) }
        if !choice.text.isEmpty { parts.append(.text(choice.text)) }
        request.messages.append(ChatMessage(.assistant, parts + calls.map { .toolUse($0) }))
        for (index, call) in calls.enumerated() {
            let run = await one(call, isOneTooMany: index >= InterpreterSettings.callsMax, &state)
            guard !cancellation.isFired, await receive(.ran(run)) else { return false }
            let result = ToolResult(callID: call.id, content: [.text(run.words)], isError: run.exitCode != 0)
            request.messages.append(ChatMessage(.tool, [.toolResult(result)]))
        }
        return true
    }

    private func one(_ call: ToolUse, isOneTooMany: Bool, _ state: inout InterpreterState) async -> CodeRun {
        func refused(_ words: String) -> CodeRun {
            CodeRun(
                id: call.id, code: InterpreterTool.code(in: call.arguments) ?? "",
                result: ["status": "refused", "note": .string(words)], output: "", errors: words, exitCode: 1)
        }
        guard let code = InterpreterTool.code(in: call.arguments) else {
            return refused("the arguments hold no program: give {\"code\": \"…\"}")
        }
        guard !isOneTooMany else { return refused("too many programs at once") }
        do throws(Failure) {
            let outcome = try await runner.run(
                CodeTask(
                    tenant: tenant, loop: loop, cancellation: cancellation, code: code, files: state.files,
                    exchange: exchange, keepsFiles: keepsFiles))
            state.keep(outcome.files)
            return CodeRun(
                id: call.id, code: code, result: outcome.json, output: outcome.output, errors: outcome.errors,
                exitCode: outcome.exitCode ?? 1)
        } catch {
            return refused(error.message)
        }
    }
}

/// What one call of the model came to.
private struct InterpreterTurn {
    var answer = ChatAnswer()
    var usage: TokenUsage?
    var isWanted = true
}

/// What goes from turn to turn.
private struct InterpreterState {
    let deadline: Instant
    private(set) var usage = TokenUsage()
    /// The sum, as long as every call said what it used.
    private(set) var known: TokenUsage?
    private var isUnknown = false
    private(set) var files: [CodeFile] = []

    init(deadline: Instant, files: [CodeFile]) { (self.deadline, self.files) = (deadline, files) }

    mutating func add(_ more: TokenUsage?) {
        isUnknown = isUnknown || more == nil
        usage.add(more)
        known = isUnknown ? nil : usage
    }

    /// Files of a run are there in the next.
    mutating func keep(_ more: [CodeFile]) {
        for file in more {
            files.removeAll { $0.name == file.name }
            files.append(file)
        }
    }
}

extension TokenUsage {
    /// What another call used, beside; sums of outside figures saturate.
    mutating func add(_ other: TokenUsage?) {
        guard let other else { return }
        func sum(_ a: Int, _ b: Int) -> Int {
            let (sum, isOverflowing) = a.addingReportingOverflow(b)
            return isOverflowing ? .max : sum
        }
        input = sum(input, other.input)
        output = sum(output, other.output)
        cacheRead = sum(cacheRead, other.cacheRead)
        cacheWrite = sum(cacheWrite, other.cacheWrite)
        reasoning = sum(reasoning, other.reasoning)
        isEstimated = isEstimated || other.isEstimated
    }
}
