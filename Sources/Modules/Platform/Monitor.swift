// SPDX-License-Identifier: Apache-2.0
public import Glibc

/// A value behind a mutex, with a condition to wait for: what a thread that blocks needs for its mailbox. Never wait on
/// a loop's thread.
///
/// It is a mutex of pthreads: unlike `Synchronization.Mutex`, ThreadSanitizer sees it, so that what is handed over under it
/// is known to be handed over.
@safe @usableFromInline package final class Monitor<State>: @unchecked Sendable {
    // The two locks need an address that does not move; both live exactly as long as the object.
    @usableFromInline let mutex: UnsafeMutablePointer<pthread_mutex_t>
    @usableFromInline let condition: UnsafeMutablePointer<pthread_cond_t>
    /// Guarded by `mutex`.
    @usableFromInline var state: State

    /// Puts `state` behind a new mutex.
    package init(_ state: sending State) {
        unsafe mutex = .allocate(capacity: 1)
        unsafe condition = .allocate(capacity: 1)
        self.state = state
        // SAFETY: freshly allocated, initialised once; the attributes live through the calls.
        unsafe pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(condition, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        // SAFETY: nobody waits, since a waiter would hold a reference.
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    /// Runs `body` with the value, alone.
    @inlinable
    package func withLock<Result, Failure>(_ body: (inout State) throws(Failure) -> Result) throws(Failure) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return try body(&state)
    }

    /// Waits until `body` gives something, trying it at once and after every `signal`.
    @inlinable @discardableResult
    package func wait<Result>(_ body: (inout State) -> Result?) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        while true {
            if let result = body(&state) { return result }
            unsafe pthread_cond_wait(condition, mutex)
        }
    }

    /// Wakes one waiter, or all. Cheap when nobody waits.
    @inlinable package func signal(all: Bool = false) {
        if all { unsafe pthread_cond_broadcast(condition) } else { unsafe pthread_cond_signal(condition) }
    }
}
