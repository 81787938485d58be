// SPDX-License-Identifier: Apache-2.0
// Which of the two defines `timespec` is the compiler's choice, and differs from one build to the next: so this stands by itself.
import CLinux
import Glibc

extension Monitor {
    /// Waits until `body` gives something, at most until `deadline`; nil when it passed and `body` still has nothing.
    @discardableResult
    package func wait<Result>(until deadline: Instant, _ body: (inout State) -> Result?) -> Result? {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        var time = timespec(
            tv_sec: Int(clamping: deadline.nanoseconds / 1_000_000_000),
            tv_nsec: Int(deadline.nanoseconds % 1_000_000_000))
        while true {
            if let result = body(&state) { return result }
            if unsafe pthread_cond_timedwait(condition, mutex, &time) == ETIMEDOUT { return body(&state) }
        }
    }
}
