// SPDX-License-Identifier: Apache-2.0
// Which of the two defines `timespec` is the compiler's choice, and differs from one build to the next.
import CLinux
import Glibc

/// A point of the machine's monotonic clock: it never goes back, and means nothing to another machine or after a reboot.
@usableFromInline package struct Instant: Comparable, Hashable, Sendable {
    /// Nanoseconds of CLOCK_MONOTONIC (clock_gettime(2)).
    @usableFromInline package var nanoseconds: UInt64

    /// Wraps a reading of the clock; tests make their own.
    @inlinable package init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    /// Reads the clock: about 20 ns, no system call.
    package static func now() -> Instant {
        var time = timespec()
        // SAFETY: the pointer is valid during the call; CLOCK_MONOTONIC always exists on Linux.
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec))
    }

    @inlinable
    package static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    /// A point later (or, for a negative duration, earlier), stopping at the ends of the range.
    @inlinable
    package static func + (instant: Instant, duration: Duration) -> Instant {
        let distance = duration.clampedNanoseconds
        if distance >= 0 {
            let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(UInt64(distance))
            return Instant(nanoseconds: overflow ? .max : sum)
        }
        let (difference, overflow) = instant.nanoseconds.subtractingReportingOverflow(distance.magnitude)
        return Instant(nanoseconds: overflow ? 0 : difference)
    }

    @inlinable
    package static func += (instant: inout Instant, duration: Duration) { instant = instant + duration }

    /// A point earlier, stopping at the ends of the range.
    @inlinable
    package static func - (instant: Instant, duration: Duration) -> Instant { instant + (.zero - duration) }

    /// The time from `right` to `left`, negative when `left` is earlier. Exact to 292 years.
    @inlinable
    package static func - (left: Instant, right: Instant) -> Duration {
        left >= right
            ? .nanoseconds(Int64(clamping: left.nanoseconds - right.nanoseconds))
            : .nanoseconds(-Int64(clamping: right.nanoseconds - left.nanoseconds))
    }
}

extension Duration {
    /// The duration in nanoseconds, stopping at the ends of `Int64` (292 years).
    @inlinable
    package var clampedNanoseconds: Int64 {
        let attosecondsPerNanosecond: UInt64 = 1_000_000_000
        let whole = attoseconds
        let high = Int64(truncatingIfNeeded: whole >> 64)
        // From zero to 584 years, as nearly all are, without a division of 128 bits. 2^64 is 18,446,744,073 times a billion,
        // and 709,551,616: `high` stands for that many times so much, and what is below a billion is divided together. No sum
        // is beyond 2^64, since `high` is below a billion.
        if high >= 0, UInt64(high) < attosecondsPerNanosecond {
            let high = UInt64(high)
            let (quotient, remainder) = UInt64(truncatingIfNeeded: whole).quotientAndRemainder(
                dividingBy: attosecondsPerNanosecond)
            let rest = (high &* 709_551_616 &+ remainder) / attosecondsPerNanosecond
            return Int64(clamping: high &* 18_446_744_073 &+ quotient &+ rest)
        }
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, tooLarge) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return tooLarge ? (seconds < 0 ? .min : .max) : sum
    }

    /// The duration in milliseconds, rounded towards zero, stopping at the ends of `Int64`.
    @inlinable
    package var clampedMilliseconds: Int64 { clampedNanoseconds / 1_000_000 }
}
