// SPDX-License-Identifier: Apache-2.0

import Core
import Log
import Platform

/// The thread that minds the clock for the store: it rolls when a roll is due, and marks what has changed.
final class KeyringKeeper: Sendable {
    /// How often it looks.
    static let interval = Duration.seconds(10)

    private struct State {
        var isStopped = false
    }

    private let state = Monitor(State())
    private let thread: NamedThread

    /// - Parameter chores: done at each look, in order, one after the other; each must come back.
    init(every interval: Duration = interval, chores: [@Sendable () -> Void]) throws(Errno) {
        let state = state
        thread = try NamedThread.start(name: "keeper") {
            while true {
                let isStopped = state.wait(until: .now() + interval) { $0.isStopped ? true : nil } ?? false
                if isStopped { return }
                for chore in chores { chore() }
            }
        }
    }

    /// Ends the thread, after the chore it is at. Blocks.
    func stop() {
        state.withLock { $0.isStopped = true }
        state.signal()
        thread.join()
    }
}

extension Keyring {
    /// Whether a roll is due: something was erased, and the last roll is as long ago as the published erasure time allows.
    func isRollDue(interval: Duration, now: WallTime) throws(KeyringFailure) -> Bool {
        let meta = try read { connection throws(KeyringFailure) in try self.meta(connection) }
        if meta.nextEpoch != nil { return true }
        // A clock that was set back must not put a roll off.
        return meta.erasures > 0 && (now < meta.rolledAt || now - meta.rolledAt >= interval)
    }
}
