// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// What a process leaves of its memory when it ends at a fault.
package enum CoreDumps {
    /// No dump from now on: it would hold prompts and keys. Also, nobody of the same user reads this process's memory
    /// (ptrace(2), /proc/PID/mem). A program started from here begins anew.
    package static func turnOff() {
        // A limit does not hold where the system pipes dumps to a program (core(5)); what is not dumpable has none.
        _ = clinux_forbid_dumps()
        var limit = rlimit(rlim_cur: 0, rlim_max: 0)
        // SAFETY: the structure lives through the call (setrlimit(2)).
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
    }
}
