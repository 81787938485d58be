// SPDX-License-Identifier: Apache-2.0

import EventLoop
import HTTP
import Platform

/// An answer of server-sent events on its way to the client. Its head leaves with the first bytes, so that a failure before
/// them can still be an answer with a status.
package final class AnswerStream {
    private let exchange: Exchange
    package private(set) var hasBegun = false
    /// What the answer hangs on, once it has begun.
    private var lifeline: (Lifeline, Lifeline.Token)?

    package init(_ exchange: Exchange) {
        self.exchange = exchange
    }

    deinit {
        if let (lifeline, token) = lifeline { lifeline.release(token) }
    }

    /// Whether the credential was revoked, or its tenant suspended, since the answer began.
    package var isRevoked: Bool { lifeline?.0.isEnded ?? false }

    /// What the client is told where it ends for that.
    package static let revocation = Failure(.revoked, "this credential was revoked while it was being answered")

    /// Sends bytes and waits until the kernel has them, so that a slow client slows down its provider.
    ///
    /// - Returns: false if the client is gone, or its credential before anything was sent.
    package func write(_ bytes: [UInt8]) async -> Bool {
        do {
            guard hangs() else { return false }
            try begin()
            try await exchange.response.write(bytes)
            return true
        } catch {
            return false
        }
    }

    /// Sends the last bytes, and with them the end, once the exchange has been written down. Where that cannot be done the
    /// answer is cut off: the client must not take it for whole.
    package func finish(_ last: [UInt8] = []) async {
        do throws(Failure) {
            try await exchange.conclude(outcome)
        } catch {
            return exchange.response.abort()
        }
        do {
            if !last.isEmpty { try begin() }
            try await exchange.response.finish(last)
        } catch {
            // The client is gone; the exchange settles all the same.
        }
    }

    /// Has the answer end with its credential. False where that has ended since the request came in.
    private func hangs() -> Bool {
        guard lifeline == nil, let wanted = exchange.principal?.lifeline else { return true }
        guard let token = wanted.hold(exchange.request.cancellation, on: exchange.request.loop) else { return false }
        lifeline = (wanted, token)
        return true
    }

    private func begin() throws(IOFailure) {
        guard !hasBegun else { return }
        hasBegun = true
        exchange.figures.firstByte = .now()
        try exchange.begin(
            status: 200, contentType: "text/event-stream; charset=utf-8", exchange.answerFields)
    }

    /// How it ended. A client that goes away cuts its provider off, which is no failure of the provider's.
    private var outcome: Outcome {
        if isRevoked { return .failed(.revoked) }
        if exchange.request.cancellation.isFired { return .abandoned }
        return exchange.figures.brokenOff.map { .failed($0) } ?? .answered(status: 200)
    }
}
