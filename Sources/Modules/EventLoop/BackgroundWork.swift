// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform
import Synchronization

/// Long computations on threads that give way to the loops: password hashes.
///
/// A niceness alone is not enough. The scheduler gives a nice thread whole ticks (4 ms with 250 a second), in which every
/// connection of a loop waits, and lets it finish its slice even when the loop wakes (EEVDF, since Linux 6.6): the p99 beside
/// log-ins was 3.7 times that of a calm server. A thread under SCHED_IDLE is put aside as soon as a loop has something to do
/// (sched(7)), but gets next to nothing on a processor that a loop keeps busy. So a loop that has had no rest for a while
/// takes a short one, as long as there is such work.
///
/// One for the process (``shared``): its loops share their processors with its workers. A test has one of its own, since
/// tests beside it hash passwords.
package final class BackgroundWork: Sendable {
    /// What loops and workers know of each other by.
    package static let shared = BackgroundWork()

    /// Pieces of work under way, of all workers.
    private let underWay = Atomic<Int>(0)
    /// Without a rest for so long, a loop takes one: a twentieth of its time goes to log-ins, however busy it is.
    static let withoutRestMax = Duration.milliseconds(5)
    /// How long that rest is.
    static let rest = Duration.microseconds(250)

    package init() {}

    /// Whether somebody waits for processor time that the loops leave over.
    @inline(__always)
    var isWaiting: Bool { underWay.load(ordering: .relaxed) > 0 }

    /// Puts the calling thread behind all others. Where that is refused it goes on as one among them.
    static func stepBehind() {
        var parameter = sched_param()
        // SAFETY: the parameter lives through the call; 0 is the calling thread.
        if unsafe sched_setscheduler(0, schedIdle, &parameter) != 0 {
            setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19)
        }
    }

    /// Does `work`, and has the loops leave room for it meanwhile.
    func perform(_ work: () -> Void) {
        underWay.add(1, ordering: .relaxed)
        work()
        underWay.subtract(1, ordering: .relaxed)
    }

    /// SCHED_IDLE of <linux/sched.h>, which glibc shows to GNU sources only.
    private static let schedIdle: CInt = 5
}
