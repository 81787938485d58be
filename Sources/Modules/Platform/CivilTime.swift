// SPDX-License-Identifier: Apache-2.0

/// Date and time of day in UTC, in the proleptic Gregorian calendar, without leap seconds.
package struct CivilTime: Equatable, Sendable {
    package var year: Int
    /// 1 to 12.
    package var month: Int
    /// 1 to 31.
    package var day: Int
    /// 0 to 23.
    package var hour: Int
    /// 0 to 59.
    package var minute: Int
    /// 0 to 59.
    package var second: Int
    /// 0 is Sunday.
    package private(set) var weekday: Int

    /// The date of a number of seconds since 1970-01-01T00:00:00Z, which may be negative.
    ///
    /// Days to date as in H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`: years begin in
    /// March, so that the leap day is the last of its year, and 400 years are 146,097 days.
    package init(secondsSince1970 seconds: Int64) {
        let days = Int(seconds.flooredQuotient(by: 86_400))
        let rest = Int(seconds &- Int64(days) &* 86_400)
        let shifted = days &+ 719_468
        let era = Int(Int64(shifted).flooredQuotient(by: 146_097))
        let dayOfEra = shifted &- era &* 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra &+ era &* 400 &+ (month <= 2 ? 1 : 0)
        hour = rest / 3_600
        minute = rest / 60 % 60
        second = rest % 60
        // 1970-01-01 was a Thursday.
        weekday = Int(Int64(days &+ 4) &- Int64(days &+ 4).flooredQuotient(by: 7) &* 7)
    }

    /// Seconds since 1970-01-01T00:00:00Z of a date whose parts are in range; nil when they are not, or when the year
    /// is outside 0 to 9999.
    package static func secondsSince1970(
        year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int
    ) -> Int64? {
        guard (0...9999).contains(year), (1...12).contains(month), day >= 1, day <= days(in: month, of: year),
            (0...23).contains(hour), (0...59).contains(minute), (0...59).contains(second)
        else { return nil }
        // `days_from_civil` of the same paper.
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = Int(Int64(shiftedYear).flooredQuotient(by: 400))
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let days = era * 146_097 + dayOfEra - 719_468
        return Int64(days) * 86_400 + Int64(hour * 3_600 + minute * 60 + second)
    }

    /// How many days a month has.
    package static func days(in month: Int, of year: Int) -> Int {
        switch month {
        case 2: return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: return 30
        default: return 31
        }
    }
}

extension Int64 {
    /// Division that rounds down, also left of zero. The divisor is positive.
    fileprivate func flooredQuotient(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}
