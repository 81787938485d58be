// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

struct InstantTests {
    @Test func `moves with durations and stops at the ends`() {
        let instant = Instant(nanoseconds: 1_000)
        #expect(instant + .microseconds(1) == Instant(nanoseconds: 2_000))
        #expect(instant - .nanoseconds(400) == Instant(nanoseconds: 600))
        #expect(instant - .seconds(1) == Instant(nanoseconds: 0))
        #expect(Instant(nanoseconds: .max) + .seconds(1) == Instant(nanoseconds: .max))
        #expect(instant - Instant(nanoseconds: 3_000) == .nanoseconds(-2_000))
        #expect(Instant(nanoseconds: 3_000) - instant == .nanoseconds(2_000))
        #expect(Duration.seconds(Int64.max).clampedNanoseconds == .max)
        #expect(Duration.seconds(-Int64.max).clampedNanoseconds == .min)
    }

    @Test func `is counted in nanoseconds without an error`() {
        let counts: [Int64] = [
            0, 1, 999_999_999, 1_000_000_000, 18_446_744_072, 18_446_744_073, 18_446_744_074, 86_400_000_000_000,
            4_611_686_018_427_387_904, .max - 1, .max,
        ]
        for count in counts {
            #expect(Duration.nanoseconds(count).clampedNanoseconds == count)
            #expect(Duration.nanoseconds(-count).clampedNanoseconds == -count)
            // What is less than a nanosecond does not count.
            let little = Duration(secondsComponent: 0, attosecondsComponent: 999_999_999)
            #expect((Duration.nanoseconds(count) + little).clampedNanoseconds == count)
        }
        for shift in 0..<63 {
            let count = Int64.max >> shift
            #expect(Duration.nanoseconds(count).clampedNanoseconds == count)
            #expect((Duration.nanoseconds(Int64.max) + Duration.nanoseconds(count)).clampedNanoseconds == .max)
        }
    }

    @Test func `never goes back`() {
        var last = Instant.now()
        for _ in 0..<10_000 {
            let now = Instant.now()
            #expect(now >= last)
            last = now
        }
    }
}

struct WallTimeTests {
    static let pairs: [(Int64, String)] = [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (951_868_799_999, "2000-02-29T23:59:59.999Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (1_795_227_327_045, "2026-11-21T02:15:27.045Z"),
        (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ]

    @Test(arguments: pairs) func `writes and reads RFC 3339`(milliseconds: Int64, text: String) {
        #expect(WallTime(milliseconds: milliseconds).rfc3339 == text)
        #expect(WallTime(rfc3339: text)?.milliseconds == milliseconds)
    }

    static let readable: [(String, Int64)] = [
        ("1985-04-12T23:20:50.52Z", 482_196_050_520),
        ("1996-12-19T16:39:57-08:00", 851_042_397_000),
        ("1990-12-31T23:59:60Z", 662_687_999_000),
        ("1937-01-01T12:00:27.87+00:20", -1_041_337_172_130),
        ("1970-01-01 00:00:00.1239999z", 123),
    ]

    @Test(arguments: readable) func `reads offsets, fractions and a leap second`(text: String, milliseconds: Int64) {
        #expect(WallTime(rfc3339: text)?.milliseconds == milliseconds)
    }

    @Test(arguments: [
        "", "1970", "1970-01-01", "1970-13-01T00:00:00Z", "1970-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
        "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z", "1970-01-01T00:00:61Z", "1970-01-01T00:00:00",
        "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00ZZ", "1970-01-01T00:00:00+24:00", "+970-01-01T00:00:00Z",
        "1970-01-01T00:00:00.0000000000000000000000000000000000000000000000000000000000000000000000Z",
        "１970-01-01T00:00:00Z",
    ]) func `refuses what is no RFC 3339 date-time`(text: String) {
        #expect(WallTime(rfc3339: text) == nil)
    }

    @Test func `every day of eight centuries goes there and back`() {
        var seconds: Int64 = -12_622_780_800
        var weekday = CivilTime(secondsSince1970: seconds).weekday
        while seconds < 12_622_780_800 {
            let civil = CivilTime(secondsSince1970: seconds)
            #expect(civil.weekday == weekday)
            #expect(
                CivilTime.secondsSince1970(
                    year: civil.year, month: civil.month, day: civil.day, hour: civil.hour, minute: civil.minute,
                    second: civil.second) == seconds)
            seconds += 86_400
            weekday = (weekday + 1) % 7
        }
        #expect(CivilTime(secondsSince1970: 1_795_227_327).weekday == 6)
    }

    @Test func `the ends of the range do not trap`() {
        for milliseconds in [Int64.min, Int64.min + 1, Int64.max] {
            let time = WallTime(milliseconds: milliseconds)
            #expect(time.rfc3339.utf8.count == 24)
            #expect((time + .seconds(Int64.max)) >= time)
            #expect((time - .seconds(Int64.max)) <= time)
        }
        #expect(WallTime(seconds: .max).milliseconds == .max)
    }
}
