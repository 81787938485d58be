// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Time that this thread had a processor. Bounds on work are checked with it: on a busy machine a wall clock says
/// more about the neighbours.
package enum ProcessorTime {
    /// How much of it `body` took. `body` must stay on its thread, so it may not await.
    package static func measure(_ body: () throws -> Void) rethrows -> Duration {
        let start = now()
        try body()
        return now() - start
    }

    private static func now() -> Duration {
        var time = timespec()
        // The call writes to this local only.
        unsafe _ = clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
