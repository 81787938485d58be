// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Says when a process that has worked has come to rest, and then gives back memory that only the work needed.
///
/// Handshakes leave holes among what stays, and run code that nothing else runs. While there is work both are of use, and taking
/// them away would cost time; so it is done once behind the work, and once more behind what follows the work by itself, however
/// long the rest.
package struct IdleMemory {
    /// Processor time of the whole process from which on there is something to give back: some hundred handshakes.
    static let workMin = Duration.milliseconds(250)
    /// At rest a process runs for less than this part of the time between two looks.
    static let restDivisor = 50
    /// What work leaves to be done later has been done this long behind it (uses of keys are stored last, half a minute behind
    /// them), and has brought code back that nothing else runs.
    static let echo = Duration.seconds(40)

    private var last: (look: Instant, used: Duration)
    /// What had been used when memory was given back.
    private var given: Duration
    /// True from work on until memory is given back; what the start did is work.
    private var isOwed = true
    /// When memory is given back for the second time.
    private var again: Instant?

    /// - Parameter used: processor time of the process so far.
    package init(at now: Instant = .now(), used: Duration = Self.used()) {
        (last, given) = ((now, used), used)
    }

    /// Looks at how much the process has done since the last look.
    ///
    /// - Returns: true where memory is to be given back now: behind each piece of work, and once more ``echo`` later.
    package mutating func look(at now: Instant = .now(), used: Duration = Self.used()) -> Bool {
        defer { last = (now, used) }
        if used - given >= Self.workMin { isOwed = true }
        guard (used - last.used) * Self.restDivisor < now - last.look else { return false }
        if isOwed {
            again = now + Self.echo
        } else {
            guard let due = again, due <= now else { return false }
            again = nil
        }
        (isOwed, given) = (false, used)
        return true
    }

    /// Gives back whole pages in the holes of the heap (malloc_trim(3)), and code (``ColdCode``). Takes milliseconds, in which
    /// who allocates waits. Any thread.
    package static func giveBack() {
        clinux_trim_heap()
        ColdCode.giveBack()
    }

    /// Processor time of this process, of all its threads (clock_gettime(2)).
    package static func used() -> Duration {
        var time = timespec()
        // SAFETY: the pointer is valid during the call; the clock is there in every Linux.
        unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
    }
}
