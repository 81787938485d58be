// SPDX-License-Identifier: Apache-2.0
//
// A rolling window that never admits more than its limit in any window of its length, whatever the times of arrival.
//
// The last window is cut into slots of equal length ("granules"); each holds how many were admitted in it. A granule is
// forgotten only when the *whole* of it is older than the window, so at any moment the sum counts every admission of the
// last `length` and at most one granule more:
//
//       now - length - granule      now - length                     now
//              |-------- partly old ------|------------- the window ----|
//                   counted still              counted
//
// Never over: let an admission at time t see the sum S ≤ limit afterwards. Every admission in (t - length, t] lies in a
// granule that is not wholly older than the window, so it is part of S. Any window of that length that is full would have
// its last admission at some such t; so none holds more than the limit.
// Under by at most: what was admitted in [t - length - granule, t - length] may still count, so a unit is free again at
// the latest `granule` after it could have been. With 3,600 granules an hour that is one second.
//
// A fixed window (a counter that is set to zero on the hour) admits twice its limit astride the hour: that is the toy.

import Platform

/// How many of something were admitted lately. A value without a clock: the time is an argument. Times that go back count
/// as the latest time seen.
struct RollingWindow: Sendable {
    /// Slots a window is cut into. More would be sharper and larger.
    static let granulesPerWindow = 3600

    /// What was admitted within one granule.
    private struct Slot: Sendable {
        let granule: UInt64
        var count: Int
    }

    /// In ascending order of granules, only those in which something was admitted: a quiet key costs a few bytes, and
    /// the busiest as many slots as its limit, at most 3,601.
    private var slots: [Slot] = []
    /// The newest granule seen, counted from the beginning of the monotonic clock.
    private var newest: UInt64 = 0
    /// The sum of the slots.
    private(set) var total = 0

    /// Forgets what is too old. Call before asking or counting.
    mutating func advance(to now: Instant, _ rate: Rate) {
        newest = max(newest, rate.granule(at: now))
        // Mostly nothing has become too old since the last request.
        guard let oldest = slots.first, isOld(oldest) else { return }
        let old = slots.prefix(while: isOld)
        total -= old.reduce(0) { $0 + $1.count }
        slots.removeFirst(old.count)
    }

    private func isOld(_ slot: Slot) -> Bool { slot.granule + UInt64(Self.granulesPerWindow) < newest }

    /// Counts admissions at the time of the last ``advance(to:_:)``.
    mutating func count(_ units: Int) {
        if slots.last?.granule == newest {
            slots[slots.count - 1].count += units
        } else {
            slots.append(Slot(granule: newest, count: units))
        }
        total += units
    }

    /// How long until `units` more fit under the limit, from the time of the last ``advance(to:_:)``; zero if they do now.
    func wait(for units: Int, at now: Instant, _ rate: Rate) -> Duration {
        var excess = total + units - rate.limit
        guard excess > 0 else { return .zero }
        for slot in slots {
            excess -= slot.count
            if excess <= 0 { return rate.expiry(of: slot.granule, from: now) }
        }
        // More than the limit asked at once: it never fits. The longest honest answer is a whole window.
        return rate.length
    }

    /// How long until nothing is counted any more, if nothing is added.
    func waitUntilIdle(at now: Instant, _ rate: Rate) -> Duration {
        slots.last.map { rate.expiry(of: $0.granule, from: now) } ?? .zero
    }
}

/// A limit over a length of time.
struct Rate: Sendable, Equatable {
    /// The most that is admitted in any window.
    var limit: Int
    /// The window's length.
    let length: Duration
    /// Nanoseconds of one granule, rounded up so that the granules cover the window.
    private let granuleNanoseconds: UInt64

    /// - Parameter length: a second at least.
    init(limit: Int, per length: Duration) {
        self.limit = limit
        self.length = length
        let (seconds, attoseconds) = length.components
        let nanoseconds = UInt64(clamping: seconds) * 1_000_000_000 + UInt64(clamping: attoseconds / 1_000_000_000)
        let granules = UInt64(RollingWindow.granulesPerWindow)
        granuleNanoseconds = max(1, (nanoseconds + granules - 1) / granules)
    }

    func granule(at time: Instant) -> UInt64 {
        time.nanoseconds / granuleNanoseconds
    }

    /// How long until a granule is wholly older than the window.
    func expiry(of granule: UInt64, from now: Instant) -> Duration {
        let end = (granule + UInt64(RollingWindow.granulesPerWindow) + 1) * granuleNanoseconds
        return end > now.nanoseconds ? .nanoseconds(Int64(clamping: end - now.nanoseconds)) : .zero
    }
}
