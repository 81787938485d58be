// SPDX-License-Identifier: Apache-2.0

package import Core
import EventLoop
import HTTP
import JSON
import Log
import Platform

extension InterpreterTool {
    /// The code interpreter in a call; nil for any other, which has none.
    static func wanted(by call: borrowing ModelCall) throws(Failure) -> InterpreterTool? {
        do throws(Fault) {
            return try InterpreterTool(call)
        } catch {
            throw Failure(error)
        }
    }
}

extension Gateway {
    /// Answers a call with a code interpreter in it.
    func answer(_ call: ModelCall, _ model: Model, with tool: InterpreterTool) async throws(Failure) -> Reply {
        let exchange = call.exchange
        guard let runner, runner.runsCode else {
            throw Failure(
                .invalidParameter, "this server runs no code, so that it has no code interpreter", param: "tools")
        }
        guard let principal = exchange.principal, principal.scopes.contains(.executions) || call.hasNodesInterpreter
        else {
            throw Failure(.insufficientScope, "this key lacks the scope executions, which the code interpreter needs")
        }
        let call = call.with(document: tool.document)
        let request: ChatRequest
        do throws(Fault) {
            request = try conversation(call, model)
        } catch {
            throw Failure(error)
        }
        note(worstOf: request, call, model)
        try await exchange.advance(through: .record)
        let files = try await runner.open(tool.fileIDs, for: exchange)
        var models = ([model] + fallbacks(of: model, for: principal))[...]
        var hasRun = false
        while let next = models.popFirst() {
            do throws(Fault) {
                return try await perform(request, tool, files, call, next, runner, &hasRun)
            } catch {
                // What was run has had its effects: another model would begin anew and have it run again.
                guard !hasRun, error.permitsFallback, !models.isEmpty, !exchange.request.cancellation.isFired else {
                    throw Failure(error)
                }
                logFallback(request: exchange.id, next, error)
            }
        }
        throw Failure(.upstreamError, "no model answered")
    }

    /// Whether the body lets what programs leave be kept: responses have to ask for it, as for anything that is kept of them;
    /// elsewhere `store` may say no.
    private static func permitsKeeping(_ call: ModelCall) -> Bool {
        let wish = call.root["store"]?.bool
        return call.route == .responses ? wish == true : wish != false
    }

    /// The conversation of a body whose fields are checked.
    private func conversation(_ call: ModelCall, _ model: Model) throws(Fault) -> ChatRequest {
        let extras = try call.route.table.check(
            call.root, for: model.provider.kind, pass: model.provider.settings.pass)
        guard extras.isEmpty else {
            throw .invalid(extras.names.first, "This is not taken together with the code interpreter.")
        }
        var request = try call.route.decode(call.root)
        guard request.choices == 1 else { throw .invalid("n", "The code interpreter answers once.") }
        request.nodePrompt = call.nodePrompt
        request.outputTokensMax = request.outputTokensMax ?? model.settings.outputTokensMax
        return request
    }

    /// The worst case: as many calls as there are rounds, each with everything that the ones before it may have added.
    private func note(worstOf request: ChatRequest, _ call: ModelCall, _ model: Model) {
        let exchange = call.exchange
        guard exchange.wantsFigures else { return }
        exchange.note(worstOf: call, model, [])
        guard let demand = exchange.figures.demand else { return }
        let whole = demandRunningCode(
            ExchangeFigures.Demand(
                inputBytes: demand.inputBytes,
                outputTokensMax: request.outputTokensMax ?? model.settings.outputTokensMax, choices: 1,
                images: demand.images, sounds: demand.sounds, documents: demand.documents, hasTools: true),
            model: model.name)
        exchange.figures.demand = whole
        exchange.figures.worstCase = model.worstCase(whole)
        exchange.figures.alternatives = fallbacks(of: model, for: exchange.principal).worstCase(whole)
    }

    /// As many calls as there are rounds, each with everything that the ones before it may have added.
    package func demandRunningCode(
        _ demand: ExchangeFigures.Demand, model: String
    ) -> ExchangeFigures.Demand {
        let rounds = interpreter.rounds
        // All of these are bounded, and their product far from the end of the numbers.
        let output = demand.outputTokensMax ?? (try? offered(model: model))?.settings.outputTokensMax ?? 0
        let more = (output + InterpreterSettings.callsMax * CodeRun.wordsBytesMax) * (rounds * (rounds - 1) / 2)
        return ExchangeFigures.Demand(
            inputBytes: demand.inputBytes * rounds + more, outputTokensMax: output, choices: rounds,
            images: demand.images * rounds, sounds: demand.sounds * rounds, documents: demand.documents * rounds,
            hasTools: true)
    }

    private func perform(
        _ request: ChatRequest, _ tool: InterpreterTool, _ files: [CodeFile], _ call: ModelCall, _ model: Model,
        _ runner: any CodeRunner, _ hasRun: inout Bool
    ) async throws(Fault) -> Reply {
        let exchange = call.exchange
        guard let (client, needles) = upstream(on: exchange.request.loop) else {
            throw Fault(.disabled, "The gateway is not started.")
        }
        let steps = InterpreterLoop(
            price: model.settings.price, runner: runner, settings: interpreter, tool: tool.name,
            tenant: exchange.principal?.tenant,
            loop: exchange.request.loop, cancellation: exchange.request.cancellation,
            ask: { (request, receive) async throws(Fault) in
                try await self.askPatiently(request, model, client, needles, exchange, receive)
            },
            used: { exchange.note($0, of: model) }, files: files, exchange: exchange,
            keepsFiles: Self.permitsKeeping(call))
        exchange.note(model)
        let context = call.context(model)
        exchange.answerFields.append(contentsOf: model.answerFields)
        guard call.isStreamed else {
            var events: [ChatEvent] = []
            try await steps.perform(request) { event in
                if case .ran = event { hasRun = true }
                events.append(event)
                return true
            }
            return .json(bytes: try AnswerWriter.whole(events, call.route, context, request: request))
        }
        return try await stream(steps, request, AnswerWriter(call.route, context, request: request), exchange, model)
    }

    private func stream(
        _ steps: InterpreterLoop, _ request: ChatRequest, _ writer: AnswerWriter, _ exchange: Exchange, _ model: Model
    ) async throws(Fault) -> Reply {
        var events = EventWriter(writer, strict: nil, needles: nil)
        let output = AnswerStream(exchange)
        var isComplete = false
        do throws(Fault) {
            try await steps.perform(request) { event in
                var event = event
                if case .finished = event { isComplete = true }
                if case .failed = event, output.isRevoked { event = .failed(.revoked) }
                let bytes = events.write([event])
                return bytes.isEmpty ? true : await output.write(bytes)
            }
        } catch {
            guard output.isRevoked else { throw error }
        }
        // Nobody may take what broke off with its credential, also while a program ran, for a whole answer.
        let broken = !isComplete && output.isRevoked ? events.write([.failed(.revoked)]) : []
        exchange.figures.brokenOff = events.summary.fault?.code
        await output.finish(broken + events.end())
        return .streamed
    }

    /// One call of the model, which is asked once more where that is safe: as long as nothing of an answer was given on.
    private func askPatiently(
        _ request: ChatRequest, _ model: Model, _ client: HTTPClient, _ needles: SecretNeedles, _ exchange: Exchange,
        _ receive: (ChatEvent) async -> Bool
    ) async throws(Fault) {
        if model.provider.settings.retries > 0 { retries.earn(at: model.provider) }
        var (number, hasBegun) = (0, false)
        while true {
            do throws(Fault) {
                return try await ask(request, model, client, needles, exchange) { event in
                    hasBegun = true
                    return await receive(event)
                }
            } catch {
                guard !hasBegun, let pause = retries.pause(after: error, number, model.provider),
                    await exchange.request.loop.sleep(pause, unless: exchange.request.cancellation)
                else { throw error }
                number += 1
            }
        }
    }

    /// One call of the model through its breaker.
    private func ask(
        _ request: ChatRequest, _ model: Model, _ client: HTTPClient, _ needles: SecretNeedles, _ exchange: Exchange,
        _ receive: (ChatEvent) async -> Bool
    ) async throws(Fault) {
        let call = ConversationCall(
            request: request, model: model, client: client, needles: needles, loop: exchange.request.loop,
            cancellation: exchange.request.cancellation)
        let pass = try breakers.enter(model, at: .now())
        // While nobody knows what this call uses, the sum of those before it is too little: the worst case stands.
        exchange.figures.tokens = nil
        exchange.figures.mayHaveUsed = true
        var fault: Fault?
        do throws(Fault) {
            try await call.perform { event in
                if case .failed(let broken) = event { fault = broken }
                return await receive(event)
            }
        } catch {
            breakers.report(
                Breaker.Outcome(error, isUnwanted: exchange.request.cancellation.isFired), of: pass, model, at: .now())
            throw error
        }
        let broken = fault.map { Breaker.Outcome($0, isUnwanted: exchange.request.cancellation.isFired) }
        breakers.report(broken ?? .succeeded, of: pass, model, at: .now())
    }
}
