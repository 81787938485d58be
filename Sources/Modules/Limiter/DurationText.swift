// SPDX-License-Identifier: Apache-2.0

import Core

/// Durations as OpenAI writes them in `x-ratelimit-reset-*`: `6m0s`, `1h30m0s`, `20ms`.
enum DurationText {
    static func of(_ duration: Duration) -> String {
        let milliseconds = max(0, duration.milliseconds)
        guard milliseconds >= 1000 else { return "\(milliseconds)ms" }
        // Rounded up: who comes back at the end of a second that was rounded down is refused again.
        let seconds = (milliseconds + 999) / 1000
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
        let minutesText = minutes > 0 || hours > 0 ? "\(minutes)m" : ""
        return (hours > 0 ? "\(hours)h" : "") + minutesText + "\(seconds % 60)s"
    }
}
