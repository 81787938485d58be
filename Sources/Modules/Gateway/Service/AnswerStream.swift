// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP

/// A streamed answer on its way to the client. Its head leaves with the first bytes, so that a failure before them can
/// still be an answer with a status.
final class AnswerStream {
    private let exchange: Exchange
    private(set) var hasBegun = false

    init(_ exchange: Exchange) {
        self.exchange = exchange
    }

    /// Sends bytes and waits until the kernel has them, so that a slow client slows down its provider.
    ///
    /// - Returns: false if the client is gone.
    func write(_ bytes: [UInt8]) async -> Bool {
        do {
            if !hasBegun {
                hasBegun = true
                try await exchange.answer.begin(
                    status: 200, contentType: "text/event-stream; charset=utf-8", exchange.answerFields)
            }
            try await exchange.response.write(bytes)
            return true
        } catch {
            return false
        }
    }

    func finish() async {
        try? await exchange.response.finish()
    }
}
