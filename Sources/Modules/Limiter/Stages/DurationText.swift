// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core

/// A duration as OpenAI writes it in `x-ratelimit-reset-*`: `6m0s`, `1h30m0s`, `20ms`. In place, digit by digit: it stands
/// on every answer.
struct DurationText {
    // Three numbers of seven digits at most, with their units.
    private var bytes: [24 of UInt8] = .init(repeating: 0)
    private var count = 0

    init(_ duration: Duration) {
        let milliseconds = max(0, duration.milliseconds)
        guard milliseconds >= 1000 else {
            put(milliseconds, UInt8(ascii: "m"))
            append(UInt8(ascii: "s"))
            return
        }
        // Rounded up: who comes back at the end of a second that was rounded down is refused again.
        let seconds = (milliseconds + 999) / 1000
        let (hours, minutes) = (min(seconds / 3600, Self.hoursMax), seconds / 60 % 60)
        if hours > 0 { put(hours, UInt8(ascii: "h")) }
        if minutes > 0 || hours > 0 { put(minutes, UInt8(ascii: "m")) }
        put(seconds % 60, UInt8(ascii: "s"))
    }

    /// Lends the characters for the length of `body`.
    func withSpan<Result>(_ body: (Span<UInt8>) -> Result) -> Result { body(bytes.span.extracting(first: count)) }

    private mutating func put(_ number: Int, _ unit: UInt8) {
        if number >= 100 {
            DecimalDigits(number).withSpan { digits in for index in 0..<digits.count { append(digits[index]) } }
        } else {
            // Minutes and seconds, as nearly always.
            if number >= 10 { append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number / 10)) }
            append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number % 10))
        }
        append(unit)
    }

    private mutating func append(_ byte: UInt8) {
        bytes[count] = byte
        count += 1
    }

    /// A thousand years: no limit is that long.
    private static let hoursMax = 9_999_999
}
