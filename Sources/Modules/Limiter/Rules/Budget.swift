// SPDX-License-Identifier: Apache-2.0

import Core
import Platform

/// The most that may be spent in a day or a month (UTC), or at all.
struct Budget: Sendable, Equatable {
    enum Unit: String, Sendable {
        /// In nano-dollars.
        case dollars
        /// Model tokens, in and out.
        case tokens
    }

    enum Period: String, CaseIterable, Sendable {
        case day, month, total
    }

    let unit: Unit
    let period: Period
    /// Nano-dollars or tokens.
    let limit: Int

    /// The most that a budget of money can be: a billion dollars.
    static let nanoDollarsMax = 1_000_000_000_000_000_000

    /// Reads a budget as people write it: `$5/day`, `$99.50/month`, `$1000 total`, `2000000 tokens/month`.
    init(_ text: String) throws(RuleError) {
        let wrong = RuleError(
            "a budget is an amount and its time",
            hint: "for example $5/day, $99.50/month, $1000 total, 2000000 tokens/month, 9000000 tokens total")
        var words = text.split(separator: " ")
        let period: Substring
        if words.count > 1, words.last == "total" {
            period = words.removeLast()
        } else {
            guard let parts = words.last?.split(separator: "/", omittingEmptySubsequences: false), parts.count == 2,
                parts[1] != "total"
            else { throw wrong }
            period = parts[1]
            words[words.count - 1] = parts[0]
        }
        guard let period = Period(rawValue: String(period)), let amount = words.first else { throw wrong }
        self.period = period
        if amount.hasPrefix("$"), words.count == 1 {
            guard let limit = Self.nanoDollars(amount.dropFirst()) else { throw wrong }
            (unit, self.limit) = (.dollars, limit)
        } else {
            guard words.count == 2, words[1] == "tokens", let limit = Self.digits(amount), limit <= Rate.limitMax else {
                throw wrong
            }
            (unit, self.limit) = (.tokens, limit)
        }
    }

    private static func digits(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int(text)
    }

    private static func nanoDollars(_ text: Substring) -> Int? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = digits(parts[0]), whole <= nanoDollarsMax / 1_000_000_000 else { return nil }
        guard parts.count == 2 else { return whole * 1_000_000_000 }
        guard (1...9).contains(parts[1].utf8.count), let places = digits(parts[1]) else { return nil }
        let scaled = (parts[1].utf8.count..<9).reduce(places) { value, _ in value * 10 }
        return whole * 1_000_000_000 + scaled
    }

    /// As people write it.
    var text: String {
        let amount = unit == .dollars ? "$" + NanoDollars.text(Int64(limit)) : "\(limit) tokens"
        return period == .total ? "\(amount) total" : "\(amount)/\(period.rawValue)"
    }

    /// As clients and the operator are told: `budget_dollars_per_day`.
    var name: String {
        period == .total ? "budget_\(unit.rawValue)_total" : "budget_\(unit.rawValue)_per_\(period.rawValue)"
    }
}

/// Days and months of UTC, as numbers.
struct UTCDate: Equatable, Sendable {
    let time: WallTime
    /// Since 1970-01-01.
    let day: Int
    /// Since January of the year 0.
    var month: Int {
        let civil = time.civil
        return civil.year * 12 + civil.month - 1
    }

    init(_ time: WallTime) {
        self.time = time
        day = Int(time.seconds >= 0 ? time.seconds / 86_400 : -1)
    }

    /// Whether it is the same day.
    static func == (left: UTCDate, right: UTCDate) -> Bool { left.day == right.day }

    /// How long until a period that began before is over; `nil` for one without an end.
    static func remainder(of period: Budget.Period, at time: WallTime) -> Duration? {
        let date = UTCDate(time)
        let sinceMidnight = time.milliseconds - Int64(date.day) * 86_400_000
        let today = Duration.milliseconds(86_400_000 - sinceMidnight)
        switch period {
        case .day: return today
        case .month:
            let civil = time.civil
            return today + .seconds(86_400 * (CivilTime.days(in: civil.month, of: civil.year) - civil.day))
        case .total: return nil
        }
    }
}
