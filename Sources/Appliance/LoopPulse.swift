// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Platform

/// Whether loops turn: each is asked, and has answered by the next time.
final class LoopPulse: Sendable {
    private let loops: [EventLoop]
    /// Loops that have not answered yet.
    private let silent = Monitor(0)

    init(of loops: [EventLoop]) { self.loops = loops }

    /// Asks every loop, unless one of them still owes the last answer.
    ///
    /// - Returns: whether all have answered.
    func beat() -> Bool {
        let haveAnswered = silent.withLock { silent in
            guard silent == 0 else { return false }
            silent = loops.count
            return true
        }
        if haveAnswered {
            for loop in loops { loop.post { [silent] in silent.withLock { $0 -= 1 } } }
        }
        return haveAnswered
    }
}
