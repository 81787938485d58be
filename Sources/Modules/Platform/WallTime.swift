// SPDX-License-Identifier: Apache-2.0
// Which of the two defines `timespec` is the compiler's choice, and differs from one build to the next.
import CLinux
import Glibc

/// The time of day as people and protocols mean it. It can jump back; deadlines use `Instant`.
@usableFromInline package struct WallTime: Comparable, Hashable, Sendable {
    /// Milliseconds since 1970-01-01T00:00:00Z, negative before.
    @usableFromInline package var milliseconds: Int64

    /// Wraps a number of milliseconds since 1970.
    @inlinable package init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    /// A whole number of seconds since 1970, stopping at the ends of the range.
    @inlinable package init(seconds: Int64) {
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000)
        milliseconds = overflow ? (seconds < 0 ? .min : .max) : product
    }

    /// Reads the clock: about 20 ns, no system call.
    package static func now() -> WallTime { reading(CLOCK_REALTIME) }

    /// The clock as the kernel has last set it (CLOCK_REALTIME_COARSE, clock_gettime(2)): up to some ten milliseconds behind, for
    /// a quarter of the price.
    package static func nearlyNow() -> WallTime { reading(CLOCK_REALTIME_COARSE) }

    private static func reading(_ clock: clockid_t) -> WallTime {
        var time = timespec()
        // SAFETY: the pointer is valid during the call; both clocks exist from Linux 2.6.32 on.
        unsafe clock_gettime(clock, &time)
        return WallTime(milliseconds: Int64(time.tv_sec) &* 1_000 &+ Int64(time.tv_nsec) / 1_000_000)
    }

    /// Seconds since 1970, rounded down.
    package var seconds: Int64 {
        let quotient = milliseconds / 1_000
        return milliseconds % 1_000 < 0 ? quotient - 1 : quotient
    }

    /// Date and time of day in UTC.
    package var civil: CivilTime { CivilTime(secondsSince1970: seconds) }

    @inlinable
    package static func < (left: WallTime, right: WallTime) -> Bool { left.milliseconds < right.milliseconds }

    /// A time later (or earlier), rounded towards zero to milliseconds, stopping at the ends of the range.
    package static func + (time: WallTime, duration: Duration) -> WallTime {
        let distance = duration.clampedMilliseconds
        let (sum, overflow) = time.milliseconds.addingReportingOverflow(distance)
        return WallTime(milliseconds: overflow ? (distance < 0 ? .min : .max) : sum)
    }

    /// A time earlier, stopping at the ends of the range.
    package static func - (time: WallTime, duration: Duration) -> WallTime { time + (.zero - duration) }

    /// The time from `right` to `left`, negative when `left` is earlier.
    package static func - (left: WallTime, right: WallTime) -> Duration {
        .milliseconds(left.milliseconds) - .milliseconds(right.milliseconds)
    }
}

// RFC 3339: `2026-11-21T02:15:27.123Z`.
extension WallTime {
    /// The time in UTC with milliseconds, `2026-11-21T02:15:27.123Z`. Times outside the years 0 to 9999 are shown as
    /// the nearest that can be written.
    package var rfc3339: String {
        let clamped = WallTime(milliseconds: min(max(milliseconds, -62_167_219_200_000), 253_402_300_799_999))
        let civil = clamped.civil
        let fraction = Int(clamped.milliseconds &- clamped.seconds &* 1_000)
        var text: [UInt8] = []
        text.reserveCapacity(24)
        func digits(_ number: Int, _ count: Int, then separator: UInt8) {
            var unit = [1, 10, 100, 1_000][count - 1]
            while unit > 0 {
                text.append(UInt8(truncatingIfNeeded: number / unit % 10 + 48))
                unit /= 10
            }
            text.append(separator)
        }
        digits(civil.year, 4, then: UInt8(ascii: "-"))
        digits(civil.month, 2, then: UInt8(ascii: "-"))
        digits(civil.day, 2, then: UInt8(ascii: "T"))
        digits(civil.hour, 2, then: UInt8(ascii: ":"))
        digits(civil.minute, 2, then: UInt8(ascii: ":"))
        digits(civil.second, 2, then: UInt8(ascii: "."))
        digits(fraction, 3, then: UInt8(ascii: "Z"))
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads a date-time of RFC 3339 §5.6, with any offset. Fractions beyond milliseconds are cut off; a leap second
    /// (`:60`) counts as the second before. Nil for anything else.
    package init?(rfc3339 text: some StringProtocol) {
        var scanner = DateScanner(bytes: Array(text.utf8.prefix(64)))
        guard text.utf8.count <= 40,
            let year = scanner.digits(4), scanner.take("-"), let month = scanner.digits(2), scanner.take("-"),
            let day = scanner.digits(2), scanner.take("T") || scanner.take("t") || scanner.take(" "),
            let hour = scanner.digits(2), scanner.take(":"), let minute = scanner.digits(2), scanner.take(":"),
            let second = scanner.digits(2), second <= 60,
            let fraction = scanner.fraction(), let offsetMinutes = scanner.offset(), scanner.isAtEnd,
            let seconds = CivilTime.secondsSince1970(
                year: year, month: month, day: day, hour: hour, minute: minute, second: min(second, 59))
        else { return nil }
        milliseconds = (seconds - Int64(offsetMinutes) * 60) * 1_000 + Int64(fraction)
    }
}

/// Reads the parts of a date from at most 64 bytes.
private struct DateScanner {
    let bytes: [UInt8]
    var at = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { at == bytes.count }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard at < bytes.count, bytes[at] == UInt8(ascii: character) else { return false }
        at += 1
        return true
    }

    mutating func digit() -> Int? {
        guard at < bytes.count, (48...57).contains(bytes[at]) else { return nil }
        at += 1
        return Int(bytes[at - 1]) - 48
    }

    mutating func digits(_ count: Int) -> Int? {
        var number = 0
        for _ in 0..<count {
            guard let digit = digit() else { return nil }
            number = number * 10 + digit
        }
        return number
    }

    /// Milliseconds; 0 when there is no fraction.
    mutating func fraction() -> Int? {
        guard take(".") else { return 0 }
        guard var number = digit() else { return nil }
        var count = 1
        while let digit = digit() {
            if count < 3 { number = number * 10 + digit }
            count += 1
        }
        while count < 3 {
            number *= 10
            count += 1
        }
        return number
    }

    /// Minutes east of UTC.
    mutating func offset() -> Int? {
        if take("Z") || take("z") { return 0 }
        let sign = take("+") ? 1 : take("-") ? -1 : 0
        guard sign != 0, let hours = digits(2), hours <= 23, take(":"), let minutes = digits(2), minutes <= 59 else {
            return nil
        }
        return sign * (hours * 60 + minutes)
    }
}
