// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import HTTP
import JSON
import Platform

/// Has a call answered by the model inside the binary.
struct BuiltinAttempt {
    private let attempt: ModelAttempt
    private var call: ModelCall { attempt.call }

    init(_ attempt: ModelAttempt) {
        self.attempt = attempt
    }

    /// Steps between two turns of the loop. This model never waits for a network, so it must make room by itself.
    private static let stepsPerTurn = 256

    private var overhead: Duration { Instant.now() - call.exchange.request.arrival }

    func perform() async throws(Fault) -> Reply {
        switch call.route {
        case .embeddings:
            let body = try BuiltinEmbedding.respond(to: call.root, model: attempt.model.settings.upstream)
            attempt.note(try AnswerTap.whole(body, .embeddings), overhead)
            return .json(bytes: body)
        case .countTokens:
            guard let (request, _) = attempt.conversation else { throw .malformedAnswer }
            attempt.note(AnswerSummary(), overhead)
            return .json(["input_tokens": .int(BuiltinTokens.input(of: request))])
        case .chat, .completions, .responses, .messages: return try await conversation()
        }
    }

    private func conversation() async throws(Fault) -> Reply {
        guard let (request, strict) = attempt.conversation else { throw .malformedAnswer }
        let context = call.context(attempt.model)
        var model = BuiltinModel(request, name: attempt.model.settings.upstream)
        let writer = AnswerWriter(call.route, context, request: request)
        var events = EventWriter(writer, strict: strict, needles: nil)
        let output = AnswerStream(call.exchange)
        let overhead = overhead
        var collected: [ChatEvent] = []
        var steps = 0
        while true {
            steps &+= 1
            if steps.isMultiple(of: Self.stepsPerTurn) { try await giveWay() }
            switch try await next(&model) {
            case .event(let event) where !call.isStreamed:
                collected.append(event)
            case .event(let event):
                let bytes = events.write([event])
                if let fault = events.summary.fault, !output.hasBegun { throw fault }
                guard !bytes.isEmpty else { continue }
                if !output.hasBegun { attempt.note(events.summary, overhead) }
                guard await output.write(bytes) else { return .streamed }
            case .end where call.isStreamed:
                let bytes = events.end()
                if !output.hasBegun { attempt.note(events.summary, overhead) }
                guard bytes.isEmpty ? true : await output.write(bytes) else { return .streamed }
                await output.finish()
                return .streamed
            case .end:
                if var strict, let fault = strict.check(collected) { throw fault }
                let body = try AnswerWriter.whole(collected, call.route, context, request: request)
                attempt.note(AnswerSummary(collected), overhead)
                return .json(bytes: body)
            }
        }
    }

    /// Lets the loop serve its other connections, and goes on only if the client still waits.
    private func giveWay() async throws(Fault) {
        await call.exchange.request.loop.yield()
        guard !call.exchange.request.cancellation.isFired else { throw .interrupted }
    }

    /// What the model does next, once the time it wants to let pass is over.
    private enum Next {
        case event(ChatEvent)
        case end
    }

    private func next(_ model: inout BuiltinModel) async throws(Fault) -> Next {
        let loop = call.exchange.request.loop
        let cancellation = call.exchange.request.cancellation
        while true {
            switch model.next() {
            case .event(let event): return .event(event)
            case .end: return .end
            case .cut: return .event(.failed(.interrupted))
            case .fail(let status, let retryAfter):
                throw .upstream(
                    status: status, body: [], retryAfterMilliseconds: retryAfter.map { String($0.milliseconds) })
            case .wait(let duration):
                guard await loop.sleep(duration, unless: cancellation) else { throw .interrupted }
            case .hang:
                let limits = attempt.model.provider.settings.limits
                guard await loop.sleep(limits.firstByte, unless: cancellation) else { throw .interrupted }
                throw Fault(.upstreamTimeout, "The model's provider did not answer in time.")
            }
        }
    }
}
