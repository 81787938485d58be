// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Platform

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

    /// Has the runtime leave with a loop whatever its thread resumes or starts: a task of a loop belongs to no actor and prefers no
    /// executor, so that it stays where it is without being asked. (To prefer the loop would have the runtime look for the
    /// preference under a lock, eight times a request.) What resumes a task from elsewhere goes by its loop (``WaitingTask``).
    ///
    /// Done once, before the first loop runs.
    static let takesJobs: Void = {
        // SAFETY: the loop is alive while it runs, and the slot holds it only meanwhile.
        let isTaken = unsafe clinux_take_jobs(key) { loop, job in
            guard let loop = unsafe loop, let job = unsafe job else { return }
            unsafe Unmanaged<EventLoop>.fromOpaque(loop).lend { unsafe $0.take(job) }
        }
        precondition(isTaken == 1, "the Swift runtime has no hook for its global pool")
    }()

    /// Stops the process, from now on, when a thread without a loop resumes or starts a task: it would run on the runtime's global
    /// pool, and race with a connection. For a process whose tasks are all on loops: not the one that runs tests.
    package static func forbidOtherTasks() {
        _ = takesJobs
        clinux_forbid_pool()
    }
}
