// SPDX-License-Identifier: Apache-2.0

package import Core
import EventLoop
import HTTP
import JSON
import Log
import Platform

extension Gateway: ModelCaller {
    package func requireModel(_ name: String, for principal: Principal) throws(Failure) {
        _ = try model(named: name, for: principal)
    }

    package func answer(
        _ task: ModelTask, receive: (ModelPiece) async -> Bool
    ) async throws(Failure) -> ModelResult {
        let model = try offered(model: task.model)
        let line = line(of: model, for: task.principal)
        var models = ([line.first] + line.rest)[...]
        while let model = models.popFirst() {
            do throws(Fault) {
                return try await answerPatiently(task, model, receive)
            } catch {
                guard error.permitsFallback, !models.isEmpty, !task.cancellation.isFired else { throw Failure(error) }
                logFallback(request: task.requestID, model, error)
            }
        }
        throw Failure(.upstreamError, "no model answered")
    }

    package func worstCase(
        model name: String, _ demand: ExchangeFigures.Demand
    ) -> (first: ExchangeFigures.WorstCase, alternatives: ExchangeFigures.WorstCase?)? {
        guard let model = try? offered(model: name) else { return nil }
        // All of them: who may ask which is known when it comes to that.
        return (model.worstCase(demand), fallbacks(of: model).worstCase(demand))
    }

    /// Asks the model once more where that is safe.
    private func answerPatiently(
        _ task: ModelTask, _ model: Model, _ receive: (ModelPiece) async -> Bool
    ) async throws(Fault) -> ModelResult {
        if model.provider.settings.retries > 0 { retries.earn(at: model.provider) }
        var number = 0
        while true {
            do throws(Fault) {
                return try await answer(task, model, receive)
            } catch {
                guard let pause = retries.pause(after: error, number, model.provider),
                    await task.loop.sleep(pause, unless: task.cancellation)
                else { throw error }
                number += 1
            }
        }
    }

    private func answer(
        _ task: ModelTask, _ model: Model, _ receive: (ModelPiece) async -> Bool
    ) async throws(Fault) -> ModelResult {
        guard let (client, needles) = upstream(on: task.loop) else {
            throw Fault(.disabled, "The gateway is not started.")
        }
        var request = ChatRequest(task, model)
        // What is held back is a bound only if the provider keeps to it.
        if task.exchange?.isHeld ?? false {
            request.outputTokensMax = request.outputTokensMax ?? model.settings.outputTokensMax
        }
        let steps = task.runsCode ? try interpreterLoop(task, model, client, needles, &request) : nil
        let call = ConversationCall(
            request: request, model: model, client: client, needles: needles, loop: task.loop,
            cancellation: task.cancellation)
        var result = ModelResult(model: model.name, provider: model.provider.name)
        let began = Instant.now()
        var firstPiece: Instant?
        let pass = try breakers.enter(model, at: began)
        var summary = AnswerSummary()
        task.exchange?.note(model)
        let bound = task.exchange?.outputBound
        do throws(Fault) {
            func take(_ event: ChatEvent) async -> Bool {
                summary.add(event)
                if firstPiece == nil { firstPiece = .now() }
                if let bound, summary.pieces > bound {
                    result.failure = Failure(Fault.passedItsBound)
                    task.exchange?.note(cutAfter: summary.pieces, of: model)
                    return false
                }
                switch event {
                case .textDelta(_, let text): return await receive(.text(text))
                case .refusalDelta(_, let text): return await receive(.refusal(text))
                case .finished(_, let reason): result.finish = ModelResult.Finish(reason)
                case .usage(let usage):
                    result.usage = ModelUsage(usage, at: model.settings.price)
                    task.exchange?.note(usage, of: model)
                case .failed(let fault): result.failure = Failure(fault)
                case .ran(let run): result.runs.append(run.precontext)
                case .started, .reasoningDelta, .reasoningSignature, .redactedReasoning, .toolCallStarted,
                    .toolCallArguments:
                    break
                }
                return true
            }
            if let steps { try await steps.perform(request, take) } else { try await call.perform(take) }
        } catch {
            task.exchange?.figures.mayHaveUsed = error.mayHaveCounted
            let outcome = Breaker.Outcome(error, isUnwanted: task.cancellation.isFired)
            breakers.report(outcome, of: pass, model, at: .now())
            throw error
        }
        let broken = result.failure.map { Breaker.Outcome(Fault($0.code, ""), isUnwanted: task.cancellation.isFired) }
        let whole = Breaker.Outcome(beganAfter: (firstPiece ?? .now()) - began, model.provider.settings.breaker)
        breakers.report(broken ?? whole, of: pass, model, at: .now())
        if broken == nil, let firstPiece { balancer.note(model, firstPiece - began) }
        return result
    }
}

extension Gateway {
    /// The turns of a model that may have code run, and the tool for it in the request.
    private func interpreterLoop(
        _ task: ModelTask, _ model: Model, _ client: HTTPClient, _ needles: SecretNeedles, _ request: inout ChatRequest
    ) throws(Fault) -> InterpreterLoop {
        guard let runner, runner.runsCode else {
            throw Fault(.disabled, "This server runs no code, so that it has no code interpreter.")
        }
        request.tools.append(
            ChatTool(
                name: InterpreterTool.openAIType, description: InterpreterTool.description,
                parameters: InterpreterTool.parameters))
        return InterpreterLoop(
            price: model.settings.price, runner: runner, settings: interpreter, tool: InterpreterTool.openAIType,
            tenant: task.principal.tenant, loop: task.loop, cancellation: task.cancellation,
            ask: { (request, receive) async throws(Fault) in
                try await ConversationCall(
                    request: request, model: model, client: client, needles: needles, loop: task.loop,
                    cancellation: task.cancellation
                ).perform(receive)
            },
            // The sum comes with the end; without an end the worst case stands.
            used: { _ in }, exchange: task.exchange)
    }
}

extension ChatRequest {
    /// A conversation in words, streamed, since whoever asked for it counts on the first piece and not on the last.
    init(_ task: ModelTask, _ model: Model) {
        self.init(
            model: model.settings.upstream,
            messages: task.turns.map { turn in
                let role: ChatMessage.Role =
                    switch turn.role {
                    case .system: .system
                    case .user: .user
                    case .assistant: .assistant
                    }
                return ChatMessage(role, text: turn.text)
            })
        outputTokensMax = task.outputTokensMax
        isStreamed = true
        showsUsage = true
    }
}

extension ModelResult.Finish {
    init(_ reason: FinishReason) {
        switch reason {
        case .length: self = .length
        case .contentFilter: self = .contentFilter
        // No tools are offered, so a model that calls one has nothing else to say.
        case .stop, .toolCalls: self = .stop
        }
    }
}

extension ModelUsage {
    init(_ usage: TokenUsage, at price: Price?) {
        self.init(inputTokens: usage.input, outputTokens: usage.output, cost: price?.cost(of: usage))
    }
}
