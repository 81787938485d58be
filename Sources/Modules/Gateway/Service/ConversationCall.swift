// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import HTTP
import JSON
import Log

/// One try to have a conversation of this house's own answered by one model: events out, no client's protocol.
struct ConversationCall {
    let request: ChatRequest
    let model: Model
    let client: HTTPClient
    let needles: SecretNeedles
    let loop: EventLoop
    let cancellation: Cancellation

    /// Gives the answer's events to `receive` until it returns false. A break after the first of them is an event
    /// (`failed`).
    ///
    /// - Throws: if there was no first event; another model may then be tried.
    func perform(_ receive: (ChatEvent) async -> Bool) async throws(Fault) {
        if model.provider.kind == .builtin {
            try await performBuiltin(receive)
        } else {
            try await performUpstream(receive)
        }
    }

    private func performBuiltin(_ receive: (ChatEvent) async -> Bool) async throws(Fault) {
        var steps = BuiltinSteps(request, model, on: loop, cancellation: cancellation)
        var hasBegun = false
        while true {
            let event: ChatEvent?
            do throws(Fault) {
                event = try await steps.next()
            } catch {
                guard hasBegun else { throw error }
                event = .failed(error)
            }
            guard let event else { return }
            if case .failed(let fault) = event, !hasBegun { throw fault }
            hasBegun = true
            guard await receive(event) else { return }
            if case .failed = event { return }
        }
    }

    private func performUpstream(_ receive: (ChatEvent) async -> Bool) async throws(Fault) {
        let isAnthropic = model.provider.kind == .anthropic
        let encoded =
            isAnthropic
            ? try AnthropicEncoder.encode(request, for: model.upstream)
            : try OpenAIChatEncoder.encode(request, for: model.upstream)
        var fields = Fields()
        if isAnthropic { fields.append("anthropic-version", "2023-06-01") }
        let route = isAnthropic ? ModelRoute.messages : .chat
        let upstream = try UpstreamCall.request(
            to: model, route, body: encoded.body, protocolFields: fields, isStreamed: true)
        let response = try await UpstreamCall.send(upstream, of: route, with: client, cancellation: cancellation)
        var reader = AnswerReader(model.provider.kind, answerTool: encoded.answerTool)
        // Both layers, as for a client's own call: a provider that echoes our key must not reach a thread with it, whole or
        // dealt out token by token.
        var bytes = SecretScrubber(needles)
        var deltas = DeltaScrubber(needles)
        var hasBegun = false
        while true {
            var events: [ChatEvent]
            var isLast = false
            do throws(ClientFailure) {
                if let next = try await response.next() {
                    events = reader.receive(bytes.feed(next))
                } else {
                    events = reader.receive(bytes.flush()) + reader.end()
                    isLast = true
                }
            } catch {
                events = [.failed(Fault(error))]
            }
            for event in events.flatMap({ deltas.scrub($0) }) {
                if case .failed(var fault) = event, !hasBegun {
                    response.close()
                    // It said 200 before it failed: what it did until then may be on its bill.
                    fault.mayHaveCounted = true
                    throw fault
                }
                hasBegun = true
                let isWanted = await receive(event)
                if case .failed = event { return response.close() }
                guard isWanted else { return response.close() }
            }
            if isLast { return }
        }
    }
}
