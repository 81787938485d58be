// SPDX-License-Identifier: Apache-2.0

import Platform

/// What one subject has spent, told twice.
struct SpentSums: Sendable {
    /// What budgets are kept by: what is held, and what was used from the moment at which that is known.
    var known = Meter()
    /// The same as the audit log tells it, which is what is written down: a tenth of a second later, when it is on the disk.
    var told = Meter()
}

/// What one subject has spent today, this month and at all, and what is held back for calls that are under way. A value
/// without a clock. Days and months that go back count as the latest seen.
struct Meter: Equatable, Sendable {
    /// Nano-dollars and tokens.
    struct Sum: Equatable, Sendable {
        var cost = 0
        var tokens = 0

        /// Sums stop at the end of the type: a budget is then spent, not open.
        mutating func add(_ other: Sum) {
            cost = Self.capped(cost, other.cost)
            tokens = Self.capped(tokens, other.tokens)
        }

        static func capped(_ left: Int, _ right: Int) -> Int {
            let (sum, isBeyond) = left.addingReportingOverflow(max(right, 0))
            return isBeyond ? .max : sum
        }
    }

    /// Which day and month the sums are of.
    private(set) var day = Int.min
    private(set) var month = 0
    private(set) var today = Sum()
    private(set) var thisMonth = Sum()
    private(set) var total = Sum()
    /// At the worst case.
    private(set) var held = Sum()

    init() {}

    /// What was written down of it.
    init(day: Int, month: Int, today: Sum, thisMonth: Sum, total: Sum) {
        (self.day, self.month, self.today, self.thisMonth, self.total) = (day, month, today, thisMonth, total)
    }

    /// Begins a new day or month if one has begun.
    mutating func advance(to date: UTCDate) {
        // Of the day that was seen last the month is known: to tell a month takes the calendar.
        guard date.day > day else { return }
        (day, today) = (date.day, Sum())
        if date.month > month { (month, thisMonth) = (date.month, Sum()) }
    }

    /// Adds what was used at a time. What is of a day or month that is over counts in the total alone.
    mutating func spend(_ sum: Sum, at date: UTCDate) {
        advance(to: date)
        if date.day == day { today.add(sum) }
        if date.day == day || date.month == month { thisMonth.add(sum) }
        total.add(sum)
    }

    mutating func hold(_ sum: Sum) { held.add(sum) }

    mutating func release(_ sum: Sum) {
        held.cost = max(0, held.cost - sum.cost)
        held.tokens = max(0, held.tokens - sum.tokens)
    }

    /// What counts against a budget, at the date of the last ``advance(to:)``.
    func counted(against budget: Budget) -> Int {
        let sum =
            switch budget.period {
            case .day: today
            case .month: thisMonth
            case .total: total
            }
        return budget.unit == .dollars ? Sum.capped(sum.cost, held.cost) : Sum.capped(sum.tokens, held.tokens)
    }

    /// Whether there is room for so much in all of some budgets.
    @inline(__always)
    func fits(_ amount: Sum, into budgets: [Budget]) -> Bool {
        let budgets = budgets.span
        for index in 0..<budgets.count where !fits(amount, into: budgets[index]) { return false }
        return true
    }

    @inline(__always)
    func fits(_ amount: Sum, into budget: Budget) -> Bool {
        let asked = budget.unit == .dollars ? amount.cost : amount.tokens
        // What costs nothing is no spending, however much was spent before.
        return asked <= 0 || counted(against: budget) <= budget.limit - asked
    }

    /// How much of a budget is spent or held.
    func percent(of budget: Budget) -> Int {
        Int(Double(counted(against: budget)) / Double(max(budget.limit, 1)) * 100)
    }

    /// Whether that much or more is of any of them.
    @inline(__always)
    func isFuller(than percent: Int, _ budgets: [Budget]) -> Bool {
        let budgets = budgets.span
        for index in 0..<budgets.count where self.percent(of: budgets[index]) >= percent { return true }
        return false
    }
}
