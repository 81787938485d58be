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
// the latest `granule` after it could have been. With 120 granules that is 30 seconds of an hour, half a second of a minute.
//
// A fixed window (a counter that is set to zero on the hour) admits twice its limit astride the hour: that is the toy.

import Platform

/// How many of something were admitted lately. A value without a clock: the time is an argument. Times that go back count
/// as the latest time seen.
struct RollingWindow: Sendable {
    /// Slots a window is cut into. More would be sharper and larger.
    static let granulesPerWindow = 120

    /// What was admitted within one granule.
    struct Slot: Sendable, Equatable {
        let granule: UInt64
        var count: Int
    }

    /// In ascending order of granules, only those in which something was admitted, and without the newest: whoever comes once
    /// has no memory here, a quiet key costs a few bytes, and the busiest 121 slots and as many that are waiting to be cleared away.
    private var slots: [Slot] = []
    /// The first slot that counts.
    private var first: Int32 = 0
    /// Whether something was counted in the newest granule; how much stands in ``current``.
    private var isBegun = false
    /// The newest granule seen, counted from before the beginning of the monotonic clock.
    private var newest: UInt64 = 0
    private var current = 0
    /// When the newest granule ends: until then nothing becomes too old, and no time need be divided.
    private var end = Instant(nanoseconds: 0)
    /// The sum of the slots and of the newest.
    private(set) var total = 0

    /// Forgets what is too old. Call before asking or counting.
    @inline(__always)
    mutating func advance(to now: Instant, _ rate: Rate) {
        if now >= end { begin(rate.granule(at: now), rate) }
    }

    /// Begins a granule, unless a later one has begun.
    private mutating func begin(_ granule: UInt64, _ rate: Rate) {
        if granule > newest {
            if isBegun {
                let slot = Slot(granule: newest, count: current)
                newest = granule
                if isOld(slot) { total -= slot.count } else { slots.append(slot) }
            }
            (newest, current, isBegun) = (granule, 0, false)
        }
        end = rate.end(of: newest)
        clear()
    }

    private mutating func clear() {
        var place = Int(first)
        // Mostly nothing has become too old since the last request.
        guard place < slots.count, isOld(slots[place]) else { return }
        while place < slots.count, isOld(slots[place]) {
            total -= slots[place].count
            place += 1
        }
        // Cleared away when it is half of all, so that each slot is moved once at most.
        if place * 2 >= slots.count {
            slots.removeFirst(place)
            place = 0
        }
        first = Int32(place)
    }

    private func isOld(_ slot: Slot) -> Bool { slot.granule + UInt64(Self.granulesPerWindow) < newest }

    /// Counts admissions at the time of the last ``advance(to:_:)``.
    ///
    /// - Returns: the granule in which they are counted.
    @discardableResult
    @inline(__always)
    mutating func count(_ units: Int) -> UInt64 {
        isBegun = true
        current += units
        total += units
        return newest
    }

    /// The granule at a time: mostly the newest, for which no time need be divided.
    @inline(__always)
    func granule(at time: Instant, _ rate: Rate) -> UInt64 {
        time < end && end.nanoseconds - time.nanoseconds <= rate.granuleNanoseconds ? newest : rate.granule(at: time)
    }

    /// Puts right what was counted in a granule, once it is known better. Nothing happens where that is forgotten.
    @inline(__always)
    mutating func correct(_ granule: UInt64, by units: Int) {
        guard granule == newest else { return correctOld(granule, by: units) }
        guard isBegun else { return }
        let change = max(units, -current)
        current += change
        total += change
    }

    private mutating func correctOld(_ granule: UInt64, by units: Int) {
        var place = slots.count
        while place > Int(first) {
            place -= 1
            guard slots[place].granule <= granule else { continue }
            guard slots[place].granule == granule else { return }
            let change = max(units, -slots[place].count)
            slots[place].count += change
            total += change
            return
        }
    }

    /// The newest granule, if something is counted in it: all that is counted is idle once that is.
    @inline(__always)
    var newestCounted: UInt64? { isBegun ? newest : nil }

    /// How long until `units` more fit under the limit, from the time of the last ``advance(to:_:)``; zero if they do now.
    func wait(for units: Int, at now: Instant, _ rate: Rate) -> Duration {
        var excess = total - max(rate.limit - units, 0)
        guard units <= rate.limit else { return rate.length }
        guard excess > 0 else { return .zero }
        for slot in slots[Int(first)...] {
            excess -= slot.count
            if excess <= 0 { return rate.expiry(of: slot.granule, from: now) }
        }
        return isBegun && excess <= current ? rate.expiry(of: newest, from: now) : rate.length
    }

    /// How long until nothing is counted any more, if nothing is added.
    func waitUntilIdle(at now: Instant, _ rate: Rate) -> Duration {
        if isBegun { return rate.expiry(of: newest, from: now) }
        guard Int(first) < slots.count else { return .zero }
        return rate.expiry(of: slots[slots.count - 1].granule, from: now)
    }

    // MARK: Over a restart

    /// What counts, oldest first.
    var counted: [Slot] {
        Array(slots[Int(first)...]) + (isBegun ? [Slot(granule: newest, count: current)] : [])
    }

    /// Takes up what was counted before, oldest first, before anything else is counted.
    mutating func restore(_ counts: [(age: Duration, count: Int)], at now: Instant, _ rate: Rate) {
        advance(to: now, rate)
        for (age, count) in counts where age < rate.length + rate.length {
            let granule = min(rate.granule(age, before: now), newest)
            guard granule + UInt64(Self.granulesPerWindow) >= newest else { continue }
            if granule == newest {
                isBegun = true
                current += count
            } else if slots.last?.granule == granule {
                slots[slots.count - 1].count += count
            } else if slots.last.map({ $0.granule < granule }) ?? true {
                slots.append(Slot(granule: granule, count: count))
            } else {
                continue
            }
            total += count
        }
    }
}
