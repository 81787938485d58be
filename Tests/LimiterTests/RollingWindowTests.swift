// SPDX-License-Identifier: Apache-2.0

import Bytes
import Platform
import Support
import Testing

@testable import Limiter

/// A list of every admission: slow, obvious, and right.
private struct NaiveWindow {
    var admitted: [UInt64] = []

    /// How many lie in (now - length, now].
    func count(at now: UInt64, length: UInt64) -> Int {
        // Ascending, so a search from the end suffices.
        var count = 0
        for time in admitted.reversed() {
            guard time + length > now else { break }
            count += 1
        }
        return count
    }
}

@Suite struct RollingWindowTests {
    private func admit(_ window: inout RollingWindow, _ rate: Rate, at nanoseconds: UInt64) -> Bool {
        let now = Instant(nanoseconds: nanoseconds)
        window.advance(to: now, rate)
        guard window.total < rate.limit else { return false }
        window.count(1)
        return true
    }

    @Test(arguments: [(1, Rate.Period.second), (5, .minute), (40, .hour), (1000, .hour), (7, .day)])
    func `never admits more than the limit in any window, and is late by a granule at most`(
        limit: Int, period: Rate.Period
    ) {
        let seed = SeededGenerator.seed
        var random = SeededGenerator()
        let length = UInt64(period.seconds) * 1_000_000_000
        let granule = (length + 119) / 120
        let rate = Rate(limit, .requests, per: period)
        var window = RollingWindow()
        var model = NaiveWindow()
        var now = length * 3
        for event in 0..<250_000 {
            // Bursts, a steady rate near the limit, and pauses longer than a window.
            switch random.next() % 20 {
            case 0..<12: now += random.next() % max(1, length / UInt64(limit * 2))
            case 12..<19: now += random.next() % 3
            default: now += random.next() % (length * 2)
            }
            if admit(&window, rate, at: now) {
                model.admitted.append(now)
                let inWindow = model.count(at: now, length: length)
                #expect(inWindow <= limit, "seed \(seed), event \(event)")
            } else {
                // Refused: then the limit is full in the window and the granule before it.
                let inWindow = model.count(at: now, length: length + granule)
                #expect(inWindow >= limit, "seed \(seed), event \(event)")
            }
            if model.admitted.count > 4 * limit + 1000 { model.admitted.removeFirst(model.admitted.count / 2) }
        }
    }

    @Test func `a fixed window fails the same property`() {
        // The control: a counter reset on the hour admits twice its limit astride the hour.
        var model = NaiveWindow()
        let hour: UInt64 = 3_600_000_000_000
        var counted = (hour: UInt64(0), count: 0)
        for minute in [59, 61] as [UInt64] {
            for _ in 0..<10 {
                let now = minute * 60_000_000_000
                if now / hour != counted.hour { counted = (now / hour, 0) }
                guard counted.count < 10 else { continue }
                counted.count += 1
                model.admitted.append(now)
            }
        }
        #expect(model.count(at: 61 * 60_000_000_000, length: hour) == 20)
    }

    @Test func `says when the next unit is free, and keeps its word`() {
        let rate = Rate(3, .requests, per: .minute)
        var window = RollingWindow()
        let start: UInt64 = 1_000_000_000_000
        for offset in [0, 10, 20] as [UInt64] {
            #expect(admit(&window, rate, at: start + offset * 1_000_000_000))
        }
        let now = Instant(nanoseconds: start + 30_000_000_000)
        window.advance(to: now, rate)
        let wait = window.wait(for: 1, at: now, rate)
        #expect(wait > .seconds(29) && wait <= .milliseconds(30_500))
        let early = now + wait - .milliseconds(1)
        let late = now + wait
        #expect(!admit(&window, rate, at: early.nanoseconds))
        #expect(admit(&window, rate, at: late.nanoseconds))
    }

    @Test func `a clock that goes back gives nothing away`() {
        let rate = Rate(2, .requests, per: .minute)
        var window = RollingWindow()
        #expect(admit(&window, rate, at: 900_000_000_000))
        #expect(admit(&window, rate, at: 100_000_000_000))
        #expect(!admit(&window, rate, at: 100_000_000_000))
        #expect(!admit(&window, rate, at: 900_000_000_000))
    }

    @Test func `what is corrected is free where it was counted`() {
        let rate = Rate(1000, .tokens, per: .minute)
        var window = RollingWindow()
        window.advance(to: Instant(nanoseconds: 1_000_000_000), rate)
        let granule = window.count(1000)
        window.advance(to: Instant(nanoseconds: 9_000_000_000), rate)
        window.correct(granule, by: -900)
        #expect(window.total == 100)
        window.correct(granule, by: -900)
        #expect(window.total == 0)
        window.correct(granule + 1, by: 500)
        #expect(window.total == 0)
    }

    @Test func `writes durations as OpenAI does`() {
        let table: [(Duration, String)] = [
            (.zero, "0ms"), (.milliseconds(20), "20ms"), (.milliseconds(999), "999ms"), (.seconds(1), "1s"),
            (.milliseconds(1001), "2s"), (.seconds(60), "1m0s"), (.seconds(360), "6m0s"), (.seconds(3600), "1h0m0s"),
            (.seconds(5405), "1h30m5s"), (.seconds(-4), "0ms"),
        ]
        for (duration, text) in table {
            #expect(DurationText(duration).withSpan { $0.equals(text) })
        }
    }
}
