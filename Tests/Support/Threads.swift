// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Platform

/// Runs `body` on `count` threads at once, each with its number, and returns when all have.
package func withThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) throws(Errno) {
    var threads: [NamedThread] = []
    for number in 0..<count {
        threads.append(try NamedThread.start(name: "test-\(number)") { body(number) })
    }
    for thread in threads { thread.join() }
}

/// Lets other threads run for about a millisecond.
package func pause() { usleep(1000) }
