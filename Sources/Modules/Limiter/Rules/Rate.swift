// SPDX-License-Identifier: Apache-2.0

import Platform

/// A limit over a length of time that rolls: in no stretch of that length is more admitted.
struct Rate: Sendable, Equatable {
    enum Unit: String, Sendable {
        case requests
        /// Model tokens, in and out.
        case tokens
        /// Of the ledger that all work is paid from (``Weights``).
        case units
    }

    enum Period: String, CaseIterable, Sendable {
        case second, minute, hour, day

        var seconds: Int {
            switch self {
            case .second: 1
            case .minute: 60
            case .hour: 3600
            case .day: 86_400
            }
        }
    }

    /// The most that is admitted in any window.
    var limit: Int
    let unit: Unit
    let period: Period
    /// Nanoseconds of one granule, rounded up so that the granules cover the window.
    let granuleNanoseconds: UInt64

    /// The most that a limit can be.
    static let limitMax = 1_000_000_000_000

    /// What is added to the monotonic clock, which begins with the machine: so windows that are put back at a start may hold
    /// what was admitted before that.
    private static let offset: UInt64 = 4 * 86_400 * 1_000_000_000

    init(_ limit: Int, _ unit: Unit, per period: Period) {
        (self.limit, self.unit, self.period) = (limit, unit, period)
        let granules = UInt64(RollingWindow.granulesPerWindow)
        granuleNanoseconds = (UInt64(period.seconds) * 1_000_000_000 + granules - 1) / granules
    }

    /// As clients and the operator are told: `requests_per_hour`.
    var name: String { "\(unit.rawValue)_per_\(period.rawValue)" }

    /// The window's length.
    var length: Duration { .seconds(period.seconds) }

    func granule(at time: Instant) -> UInt64 {
        (time.nanoseconds &+ Self.offset) / granuleNanoseconds
    }

    /// When a granule is over; the beginning of the clock for one before that.
    func end(of granule: UInt64) -> Instant {
        let end = (granule + 1) * granuleNanoseconds
        return Instant(nanoseconds: end > Self.offset ? end - Self.offset : 0)
    }

    /// The granule at a time before `now`, which may be before the machine's start.
    func granule(_ age: Duration, before now: Instant) -> UInt64 {
        let distance = UInt64(clamping: age.clampedNanoseconds)
        let now = now.nanoseconds &+ Self.offset
        return (now > distance ? now - distance : 0) / granuleNanoseconds
    }

    /// How long until a granule is wholly older than the window.
    func expiry(of granule: UInt64, from now: Instant) -> Duration {
        let end = (granule + UInt64(RollingWindow.granulesPerWindow) + 1) * granuleNanoseconds
        let now = now.nanoseconds &+ Self.offset
        return end > now ? .nanoseconds(Int64(clamping: end - now)) : .zero
    }

    /// How long ago a granule ended; zero for the one that is not over. What is put back at this distance counts no shorter.
    func age(of granule: UInt64, at now: Instant) -> Duration {
        let end = (granule + 1) * granuleNanoseconds
        let now = now.nanoseconds &+ Self.offset
        return now > end ? .nanoseconds(Int64(clamping: now - end)) : .zero
    }
}
