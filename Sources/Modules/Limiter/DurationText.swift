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
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
        // Part by part as bytes: interpolation is ten times slower, and this stands on every answer.
        var text: [UInt8] = []
        text.reserveCapacity(16)
        if hours > 0 {
            text.append(decimal: hours)
            text.append(UInt8(ascii: "h"))
        }
        if minutes > 0 || hours > 0 {
            text.append(decimal: minutes)
            text.append(UInt8(ascii: "m"))
        }
        text.append(decimal: seconds % 60)
        text.append(UInt8(ascii: "s"))
        return String(decoding: text.span)
    }
}
