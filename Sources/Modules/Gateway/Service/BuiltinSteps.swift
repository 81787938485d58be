// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import HTTP
import Platform

/// Runs the model inside the binary on a loop: lets the time pass that it wants to pass, makes room for the loop's other
/// connections, and gives up when nobody waits.
struct BuiltinSteps {
    /// Steps between two turns of the loop. This model never waits for a network, so it must make room by itself.
    private static let stepsPerTurn = 256

    private var model: BuiltinModel
    private let loop: EventLoop
    private let cancellation: Cancellation
    /// How long a model that never answers is waited for.
    private let firstByte: Duration
    private var steps = 0

    init(
        _ request: ChatRequest, _ model: Model, on loop: EventLoop, cancellation: Cancellation
    ) {
        self.model = BuiltinModel(request, name: model.settings.upstream)
        self.loop = loop
        self.cancellation = cancellation
        firstByte = model.provider.settings.limits.firstByte
    }

    /// The next event of the answer; `nil` at its end.
    ///
    /// - Throws: what takes the place of an answer, before the first event; and `interrupted` when nobody waits any more.
    mutating func next() async throws(Fault) -> ChatEvent? {
        steps &+= 1
        if steps.isMultiple(of: Self.stepsPerTurn) { try await giveWay() }
        while true {
            switch model.next() {
            case .event(let event): return event
            case .end: return nil
            case .cut: return .failed(.interrupted)
            case .fail(let status, let retryAfter):
                throw .upstream(
                    status: status, body: [], retryAfterMilliseconds: retryAfter.map { String($0.milliseconds) })
            case .wait(let duration):
                guard await loop.sleep(duration, unless: cancellation) else { throw .interrupted }
            case .hang:
                guard await loop.sleep(firstByte, unless: cancellation) else { throw .interrupted }
                throw Fault(.upstreamTimeout, "The model's provider did not answer in time.")
            }
        }
    }

    /// Lets the loop serve its other connections, and goes on only if somebody still waits.
    private func giveWay() async throws(Fault) {
        await loop.yield()
        guard !cancellation.isFired else { throw .interrupted }
    }
}
