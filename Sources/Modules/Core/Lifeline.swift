// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Synchronization

/// What the streamed answers to one credential hang on. It is ended when the credential is revoked or its tenant suspended,
/// and they break off at once, on every loop, also where their provider is silent.
package final class Lifeline: Sendable {
    /// Names a stream that hangs on it.
    package struct Token: Sendable {
        fileprivate let number: Int
    }

    private struct State {
        var isEnded = false
        var streams: [Int: (loop: EventLoop, cancellation: Cancellation)] = [:]
        var lastNumber = 0
    }

    // Guards the table. Touched when a stream begins and ends, never by an answer that is whole.
    private let state = Mutex(State())

    package init() {}

    /// Whether it has been ended.
    package var isEnded: Bool { state.withLock { $0.isEnded } }

    /// Has `cancellation` fired when this is ended; on its loop.
    ///
    /// - Returns: `nil` where it has been ended already, and nothing fires.
    func hold(_ cancellation: Cancellation, on loop: EventLoop) -> Token? {
        state.withLock { state in
            guard !state.isEnded else { return nil }
            state.lastNumber += 1
            state.streams[state.lastNumber] = (loop, cancellation)
            return Token(number: state.lastNumber)
        }
    }

    /// The stream is over.
    func release(_ token: Token) {
        state.withLock { _ = $0.streams.removeValue(forKey: token.number) }
    }

    /// Breaks off what hangs on it, and lets nothing more. Any thread; the second time it does nothing.
    package func end() {
        let streams = state.withLock { state in
            state.isEnded = true
            defer { state.streams = [:] }
            return state.streams
        }
        for (loop, cancellation) in streams.values { loop.post { cancellation.fire(.unwanted) } }
    }
}
