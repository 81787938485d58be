// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Which loop runs on a thread.
package enum LoopThread {
    /// The slot of thread-specific data that holds the loop.
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        // SAFETY: the pointer lives through the call.
        let result = unsafe pthread_key_create(&key, nil)
        precondition(result == 0, "no slot for thread-specific data is left")
        return key
    }()

    static var current: EventLoop? {
        // SAFETY: the loop is alive while it runs, and the value is set only meanwhile.
        guard let pointer = unsafe pthread_getspecific(key) else { return nil }
        return unsafe Unmanaged<EventLoop>.fromOpaque(pointer).takeUnretainedValue()
    }

    static func enter(_ loop: EventLoop) {
        precondition(current == nil, "a thread runs one loop")
        unsafe pthread_setspecific(key, Unmanaged.passUnretained(loop).toOpaque())
    }

    static func leave() {
        pthread_setspecific(key, nil)
    }

    /// Stops the process when a job strays to the runtime's global pool, where it would race with a connection.
    ///
    /// With `everywhere`, any job at all; otherwise one that a loop's thread puts there, which is what a test process
    /// can ask for, since the test runner itself uses the pool. For tests and development.
    /// - Returns: false where the runtime has no such hook.
    @discardableResult
    package static func abortOnStrayJobs(everywhere: Bool = false) -> Bool {
        clinux_abort_on_stray_jobs(everywhere ? -1 : CInt(key)) == 1
    }
}
