// SPDX-License-Identifier: Apache-2.0

import Core
import Platform

/// What usage is counted by: everything that a sum can be asked for, for one hour or one day.
struct UsageCell: Hashable, Sendable {
    /// How long a cell lasts.
    enum Span: Int, Sendable {
        case hour = 3_600
        /// What hours become when detail has had its time.
        case day = 86_400
    }

    var span = Span.hour
    /// Seconds since 1970, a multiple of the span.
    var start: Int64
    /// Empty where the exchange had none, for these five.
    var key = ""
    var node = ""
    var model = ""
    var provider = ""
    /// Keyed digest of the person behind the key.
    var user: [UInt8] = []

    /// Of what tells cells of one tenant apart most. The rest are names of the configuration, and few; what a caller invents
    /// is in `user`, and that is a keyed digest: nobody can make many that meet.
    func hash(into hasher: inout Hasher) {
        hasher.combine(start)
        var word: UInt64 = 0
        for byte in user.prefix(8) { word = word << 8 | UInt64(byte) }
        hasher.combine(word)
        hasher.combine(KeyID(key))
        hasher.combine(model)
    }

    /// The start of the hour or day that holds a time.
    static func start(of time: WallTime, _ span: Span) -> Int64 {
        let (seconds, length) = (time.seconds, Int64(span.rawValue))
        let rest = seconds % length
        return seconds - (rest < 0 ? rest + length : rest)
    }
}
