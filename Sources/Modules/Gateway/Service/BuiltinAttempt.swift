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

    private var overhead: Duration { Instant.now() - call.exchange.request.arrival }

    func perform() async throws(Fault) -> Reply {
        call.exchange.note(attempt.model)
        switch call.route {
        case .embeddings:
            let body = try BuiltinEmbedding.respond(to: call.root, model: attempt.model.settings.upstream)
            attempt.note(try AnswerTap.whole(body, .embeddings).usage, overhead)
            return .json(bytes: body)
        case .countTokens:
            guard let (request, _) = attempt.conversation else { throw .malformedAnswer }
            attempt.note(nil, overhead)
            return .json(["input_tokens": .int(BuiltinTokens.input(of: request))])
        case .chat, .completions, .responses, .messages: return try await conversation()
        }
    }

    private func conversation() async throws(Fault) -> Reply {
        guard let (request, strict) = attempt.conversation else { throw .malformedAnswer }
        let context = call.context(attempt.model)
        let origin = call.exchange.request
        var steps = BuiltinSteps(request, attempt.model, on: origin.loop, cancellation: origin.cancellation)
        let writer = AnswerWriter(call.route, context, request: request)
        var events = EventWriter(writer, strict: strict, needles: nil)
        let output = AnswerStream(call.exchange)
        let overhead = overhead
        var collected: [ChatEvent] = []
        while true {
            let next: ChatEvent?
            // One look: the credential may be revoked on another thread at any moment, and what ends here must say so.
            var isOver = false
            do throws(Fault) {
                next = try await steps.next()
            } catch {
                guard output.isRevoked else { throw error }
                next = .failed(.revoked)
                isOver = true
            }
            switch next {
            case .some(let event) where !call.isStreamed:
                collected.append(event)
            case .some(let event):
                let bytes = events.write([event])
                if let fault = events.summary.fault, !output.hasBegun { throw fault }
                guard !bytes.isEmpty else { continue }
                if !output.hasBegun { attempt.note(nil, overhead) }
                if isOver {
                    await output.finish(bytes)
                    return .streamed
                }
                guard await output.write(bytes) else { return .streamed }
            case .none where call.isStreamed:
                let bytes = events.end()
                call.exchange.note(events.summary, of: attempt.model)
                if !output.hasBegun { attempt.note(nil, overhead) }
                guard bytes.isEmpty ? true : await output.write(bytes) else { return .streamed }
                await output.finish()
                return .streamed
            case .none:
                if var strict, let fault = strict.check(collected) { throw fault }
                let body = try AnswerWriter.whole(collected, call.route, context, request: request)
                attempt.note(AnswerSummary(collected).usage, overhead)
                return .json(bytes: body)
            }
        }
    }
}
