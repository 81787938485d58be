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
        // Digit by digit into a string's own fifteen bytes: this stands on every answer, and interpolation or a string that
        // is allocated is ten times slower.
        return unsafe String(unsafeUninitializedCapacity: bytesMax) { buffer in
            var count = 0
            func put(_ number: Int, _ unit: Unicode.Scalar) {
                DecimalDigits(magnitude: number.magnitude).withSpan { digits in
                    // Seven digits, two and two with their units are fourteen bytes: there is room.
                    for index in 0..<digits.count { unsafe buffer[count + index] = digits[index] }
                    count += digits.count
                    unsafe buffer[count] = UInt8(ascii: unit)
                    count += 1
                }
            }
            if hours > 0 { put(hours, "h") }
            if minutes > 0 || hours > 0 { put(minutes, "m") }
            put(seconds % 60, "s")
            return count
        }
    }

    /// A thousand years: no limit is that long.
    private static let hoursMax = 9_999_999
    private static let bytesMax = 15
}
