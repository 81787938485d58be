// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core

/// Durations as OpenAI writes them in `x-ratelimit-reset-*`: `6m0s`, `1h30m0s`, `20ms`.
enum DurationText {
    static func of(_ duration: Duration) -> String {
        let milliseconds = max(0, duration.milliseconds)
        guard milliseconds >= 1000 else { return "\(milliseconds)ms" }
        // Rounded up: who comes back at the end of a second that was rounded down is refused again.
        let seconds = (milliseconds + 999) / 1000
        let (hours, minutes) = (min(seconds / 3600, hoursMax), seconds / 60 % 60)
        // Digit by digit: this stands on every answer, and interpolation is ten times slower.
        var text = Text()
        if hours > 0 { text.put(hours, UInt8(ascii: "h")) }
        if minutes > 0 || hours > 0 { text.put(minutes, UInt8(ascii: "m")) }
        text.put(seconds % 60, UInt8(ascii: "s"))
        return text.string
    }

    /// Numbers and their units, in place.
    private struct Text {
        private var bytes: [24 of UInt8] = .init(repeating: 0)
        private var count = 0

        /// - Parameter number: of seven digits at most; three times with their units fit.
        mutating func put(_ number: Int, _ unit: UInt8) {
            var divisor = 1
            while divisor <= number / 10 { divisor *= 10 }
            while divisor > 0 {
                append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number / divisor % 10))
                divisor /= 10
            }
            append(unit)
        }

        private mutating func append(_ byte: UInt8) {
            bytes[count] = byte
            count += 1
        }

        var string: String { String(decoding: bytes.span.extracting(first: count)) }
    }

    /// A thousand years: no limit is that long.
    private static let hoursMax = 9_999_999
}
