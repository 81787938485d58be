// SPDX-License-Identifier: Apache-2.0

import Core
import Platform

/// One limit over a length of time, and what is counted of it.
struct Limit: Sendable {
    let rate: Rate
    var window = RollingWindow()
}

/// What a limit says without its list of windows: taken first, so that nothing is called while the list is read, and no
/// reference to it is counted.
struct LimitSummary {
    let rate: Rate
    let total: Int
    /// The newest granule, if something is counted in it.
    let newest: UInt64?

    /// What is left where something has just been counted and as much again fits, as mostly.
    @inline(__always)
    func standing(of kind: SubjectKind, asking amount: Int, at now: Instant) -> Standing? {
        guard let newest, amount <= rate.limit - total else { return nil }
        return Standing(
            subject: kind, limiter: .rate(rate), limit: rate.limit, remaining: max(0, rate.limit - total),
            resetAfter: rate.expiry(of: newest, from: now), nextAfter: .zero)
    }
}

extension [Limit] {
    /// Whether so much more fits into each of them; counts nothing, and brings all of them to the time.
    @inline(__always)
    mutating func fit(_ amount: Int, at time: Instant) -> Bool {
        var fits = true
        // In place and without a reference to the list for each of them.
        var limits = mutableSpan
        for index in 0..<limits.count {
            limits[index].window.advance(to: time, limits[index].rate)
            if limits[index].window.total > limits[index].rate.limit - amount { fits = false }
        }
        return fits
    }

    /// Counts in each of them, behind ``fit(_:at:)``.
    ///
    /// - Returns: in which of them.
    @inline(__always)
    @discardableResult
    mutating func count(_ amount: Int) -> PeriodSet {
        var periods = PeriodSet()
        var limits = mutableSpan
        for index in 0..<limits.count {
            limits[index].window.count(amount)
            periods.insert(limits[index].rate.period)
        }
        return periods
    }

    /// Puts right what was counted.
    @inline(__always)
    mutating func correct(_ place: Place, by amount: Int) {
        var limits = mutableSpan
        for index in 0..<limits.count where place.periods.contains(limits[index].rate.period) {
            let granule = limits[index].window.granule(at: place.time, limits[index].rate)
            limits[index].window.correct(granule, by: amount)
        }
    }

    /// The one with the least left; `nil` where there is none.
    @inline(__always)
    var tightest: (index: Int, remaining: Int)? {
        guard !isEmpty else { return nil }
        var tightest = (index: 0, remaining: Int.max)
        let limits = span
        for index in 0..<limits.count {
            let remaining = Swift.max(0, limits[index].rate.limit - limits[index].window.total)
            if remaining < tightest.remaining { tightest = (index, remaining) }
        }
        return tightest
    }

    /// The one of which the greatest part is used.
    @inline(__always)
    var fullest: (index: Int, share: Double) {
        var fullest = (index: 0, share: -1.0)
        let limits = span
        for index in 0..<limits.count {
            let share = Double(limits[index].window.total) / Double(Swift.max(limits[index].rate.limit, 1))
            if share > fullest.share { fullest = (index, share) }
        }
        return fullest
    }

    /// What is left of one of them.
    @inline(never)
    func standing(_ index: Int, of kind: SubjectKind, asking amount: Int, at now: Instant) -> Standing {
        // In place: a copy of a window counts a reference to its list.
        let limits = span
        let rate = limits[index].rate
        return Standing(
            subject: kind, limiter: .rate(rate), limit: rate.limit,
            remaining: Swift.max(0, rate.limit - limits[index].window.total),
            resetAfter: limits[index].window.waitUntilIdle(at: now, rate),
            nextAfter: limits[index].window.wait(for: amount, at: now, rate))
    }

    /// What one of them says by itself.
    @inline(__always)
    func summary(_ index: Int) -> LimitSummary {
        let limits = span
        return LimitSummary(
            rate: limits[index].rate, total: limits[index].window.total, newest: limits[index].window.newestCounted)
    }

    /// What was counted over the same time stays counted.
    func taken(over rates: [Rate]) -> [Limit] {
        rates.map { rate in
            Limit(rate: rate, window: first { $0.rate.period == rate.period }?.window ?? RollingWindow())
        }
    }

    mutating func restore(_ entry: WindowCounts.Entry, after pause: Duration, at now: Instant) {
        guard let index = firstIndex(where: { $0.rate.period == entry.period }) else { return }
        let counts = entry.slots.map { (age: $0.age + pause, count: $0.count) }
        self[index].window.restore(counts, at: now, self[index].rate)
    }
}

/// Some of the four lengths of time; in one list of limits each stands once.
struct PeriodSet: Sendable {
    private var bits: UInt8 = 0

    var isEmpty: Bool { bits == 0 }

    mutating func insert(_ period: Rate.Period) { bits |= period.bit }
    func contains(_ period: Rate.Period) -> Bool { bits & period.bit != 0 }
}

extension Rate.Period {
    fileprivate var bit: UInt8 {
        switch self {
        case .second: 1
        case .minute: 2
        case .hour: 4
        case .day: 8
        }
    }
}

/// Where something is counted, to be put right later. The time tells the granule of each window: since all windows of an
/// account see the same times, the newest granule of each is that of the account's latest time.
struct Place: Sendable {
    var time = Instant(nanoseconds: 0)
    var periods = PeriodSet()
}

/// What is counted for one subject. Touched under its shard's lock only: hence `@unchecked Sendable`.
final class Account: Counters, @unchecked Sendable {
    let subject: Subject
    /// Its tenant; `nil` for an address.
    let tenant: TenantID?
    /// The number of its shard.
    let shard: Int
    private(set) var rules: Rules
    /// Which state of the rule book `rules` are from.
    private var generation: Int
    /// The latest time at which anything was asked: one that goes back counts as this one.
    private(set) var time = Instant(nanoseconds: 0)
    /// In the order of the rules.
    private(set) var requests: [Limit]
    private(set) var tokens: [Limit]
    private(set) var units: [Limit]
    /// As its rules have them.
    private(set) var concurrentMax: Int
    private(set) var hasBudgets: Bool
    /// When its units were warned of last.
    var unitsWarnedAt: Instant?
    /// Requests that are under way.
    var underWay = 0
    /// Holds that have not been settled.
    var holds = 0
    /// True once the table has forgotten it: whoever still has it must ask for the one that counts.
    var isForgotten = false
    /// Whether something was counted since that was last written down.
    var isFresh = false
    /// Whether the log has told more of it than is written down.
    var isUnwritten = false
    /// What budgets are kept by.
    var spent: SpentSums
    /// Of which day or month its budgets were warned of, in the order of the rules.
    private var warned: [Int]

    init(
        _ subject: Subject, tenant: TenantID?, shard: Int, _ rules: Rules, generation: Int,
        spent: SpentSums = SpentSums()
    ) {
        (self.subject, self.tenant, self.shard) = (subject, tenant, shard)
        (self.rules, self.generation) = (rules, generation)
        self.spent = spent
        (concurrentMax, hasBudgets) = (rules.concurrentMax, !rules.budgets.isEmpty)
        requests = rules.requests.map { Limit(rate: $0) }
        tokens = rules.tokens.map { Limit(rate: $0) }
        units = rules.units.map { Limit(rate: $0) }
        warned = rules.budgets.map { _ in -1 }
    }

    /// Takes over other rules if there are. What was counted over the same time stays counted.
    ///
    /// - Returns: whether there were.
    @inline(__always)
    @discardableResult
    func refresh(from book: RuleBook) -> Bool {
        let now = book.generation
        return now != generation && refresh(from: book, now)
    }

    private func refresh(from book: RuleBook, _ now: Int) -> Bool {
        generation = now
        let new = book.rules(for: subject, of: tenant)
        guard new !== rules else { return false }
        requests = requests.taken(over: new.requests)
        tokens = tokens.taken(over: new.tokens)
        units = units.taken(over: new.units)
        (concurrentMax, hasBudgets) = (new.concurrentMax, !new.budgets.isEmpty)
        warned = new.budgets.map { _ in -1 }
        rules = new
        return true
    }

    // MARK: Asking

    @inline(__always)
    private func advance(to now: Instant) {
        if now > time { time = now }
    }

    /// Whether so many more requests fit; counts nothing.
    @inline(__always)
    func fits(requests count: Int, at now: Instant) -> Bool {
        advance(to: now)
        return requests.fit(count, at: time)
    }

    /// The same for tokens, of which none fit always.
    @inline(__always)
    func fits(tokens amount: Int, at now: Instant) -> Bool {
        advance(to: now)
        return amount <= 0 || tokens.fit(amount, at: time)
    }

    /// The same for units.
    @inline(__always)
    func fits(units amount: Int, at now: Instant) -> Bool {
        advance(to: now)
        return units.fit(amount, at: time)
    }

    /// Of the limits into which it does not fit, the one for which one has to wait longest: to come back after another would
    /// be in vain. Behind ``fits(requests:at:)`` and ``fits(tokens:at:)``.
    func refusal(requests count: Int, tokens amount: Int, at now: Instant) -> Standing? {
        let refusing = refusals(in: requests, asking: count, at: now)
        return (refusing + (amount > 0 ? refusals(in: tokens, asking: amount, at: now) : [])).longest
    }

    /// The same for units, behind ``fits(units:at:)``.
    func refusal(units amount: Int, at now: Instant) -> Standing? {
        refusals(in: units, asking: amount, at: now).longest
    }

    private func refusals(in limits: [Limit], asking amount: Int, at now: Instant) -> [Standing] {
        limits.indices.filter { limits[$0].window.total > limits[$0].rate.limit - amount }
            .map { limits.standing($0, of: subject.kind, asking: amount, at: now) }
    }

    // MARK: Counting

    /// Counts a request in every window, which ``fits(requests:at:)`` has brought to the time.
    @inline(__always)
    func countRequest() {
        requests.count(1)
        isFresh = true
    }

    /// The same for tokens.
    ///
    /// - Returns: where they are counted, to be put right later.
    @inline(__always)
    func count(tokens amount: Int) -> Place {
        isFresh = true
        return Place(time: time, periods: tokens.count(amount))
    }

    /// The same for units; `nil` where there is no limit of them.
    ///
    /// - Returns: where they are counted, and the limit of which the greatest part is used now.
    @inline(__always)
    func countedFullest(_ amount: Int) -> (place: Place, index: Int, share: Double)? {
        guard !units.isEmpty else { return nil }
        isFresh = true
        let periods = units.count(amount)
        let (index, share) = units.fullest
        return (Place(time: time, periods: periods), index, share)
    }

    /// Puts right what was counted as tokens.
    @inline(__always)
    func correct(tokens place: Place, by amount: Int) {
        guard amount != 0 else { return }
        isFresh = true
        tokens.correct(place, by: amount)
    }

    /// The same for units.
    @inline(__always)
    func correct(units place: Place, by amount: Int) {
        guard amount != 0 else { return }
        isFresh = true
        units.correct(place, by: amount)
    }

    // MARK: Money and tokens

    /// The budget into which an amount does not fit, and would not for the longest time.
    @inline(__always)
    func refusal(of amount: Meter.Sum, at date: UTCDate) -> Standing? {
        guard hasBudgets else { return nil }
        spent.known.advance(to: date)
        // SAFETY: `rules` is replaced under the same lock alone, and not in here.
        let fits = unsafe Unmanaged.passUnretained(rules)._withUnsafeGuaranteedRef {
            spent.known.fits(amount, into: $0.budgets)
        }
        return fits ? nil : worstRefusal(of: amount, at: date.time)
    }

    private func worstRefusal(of amount: Meter.Sum, at time: WallTime) -> Standing? {
        var worst: Standing?
        for budget in rules.budgets {
            guard !spent.known.fits(amount, into: budget) else { continue }
            let standing = standing(budget, at: time)
            if worst.map({ $0.nextAfter < standing.nextAfter }) ?? true { worst = standing }
        }
        return worst
    }

    func hold(_ amount: Meter.Sum) { spent.known.hold(amount) }

    /// Puts what was used in the place of what was held: at no moment is it counted nowhere.
    func settle(_ held: Meter.Sum, used: Meter.Sum, at date: UTCDate) {
        spent.known.release(held)
        spent.known.spend(used, at: date)
    }

    /// The budget of which more than a share is spent or held; the fullest of them.
    ///
    /// - Returns: `isNew` the first time in its day or month.
    @inline(__always)
    func warning(above percent: Int, at date: UTCDate) -> (standing: Standing, percent: Int, isNew: Bool)? {
        guard hasBudgets else { return nil }
        // SAFETY: `rules` is replaced under the same lock alone, and not in here.
        let isFuller = unsafe Unmanaged.passUnretained(rules)._withUnsafeGuaranteedRef {
            spent.known.isFuller(than: percent, $0.budgets)
        }
        return isFuller ? fullestBudget(above: percent, at: date) : nil
    }

    private func fullestBudget(
        above percent: Int, at date: UTCDate
    ) -> (standing: Standing, percent: Int, isNew: Bool)? {
        var fullest: (index: Int, percent: Int)?
        for (index, budget) in rules.budgets.enumerated() {
            let part = spent.known.percent(of: budget)
            if part >= percent, part > fullest?.percent ?? -1 { fullest = (index, part) }
        }
        guard let fullest else { return nil }
        let budget = rules.budgets[fullest.index]
        let mark =
            switch budget.period {
            case .day: date.day
            case .month: date.month
            case .total: 0
            }
        let isNew = warned[fullest.index] != mark
        warned[fullest.index] = mark
        return (standing(budget, at: date.time), fullest.percent, isNew)
    }

    /// What is left of every budget.
    func budgetStandings(at time: WallTime) -> [Standing] {
        spent.known.advance(to: UTCDate(time))
        return rules.budgets.map { standing($0, at: time) }
    }

    private func standing(_ budget: Budget, at time: WallTime) -> Standing {
        let rest = UTCDate.remainder(of: budget.period, at: time)
        return Standing(
            subject: subject.kind, limiter: .budget(budget), limit: budget.limit,
            remaining: max(0, budget.limit - spent.known.counted(against: budget)), resetAfter: rest ?? .zero,
            nextAfter: rest ?? .seconds(Int64.max / 2))
    }

    // MARK: Over a restart

    /// Everything that is counted over a length of time.
    var limits: [Limit] { requests + tokens + units }

    /// Takes up what was admitted before, for the limits that there still are.
    func restore(_ entries: [WindowCounts.Entry], after pause: Duration, at now: Instant) {
        advance(to: now)
        for entry in entries {
            switch entry.unit {
            case .requests: requests.restore(entry, after: pause, at: now)
            case .tokens: tokens.restore(entry, after: pause, at: now)
            case .units: units.restore(entry, after: pause, at: now)
            }
        }
    }

    // MARK: Telling

    func requestStanding(_ index: Int, at now: Instant) -> Standing {
        requests.summary(index).standing(of: subject.kind, asking: 1, at: now)
            ?? requests.standing(index, of: subject.kind, asking: 1, at: now)
    }

    func tokenStanding(_ index: Int, at now: Instant) -> Standing {
        tokens.summary(index).standing(of: subject.kind, asking: 1, at: now)
            ?? tokens.standing(index, of: subject.kind, asking: 1, at: now)
    }

    func unitStanding(_ index: Int, at now: Instant) -> Standing {
        units.summary(index).standing(of: subject.kind, asking: 1, at: now)
            ?? units.standing(index, of: subject.kind, asking: 1, at: now)
    }

    /// Whether this is the first warning of its units within the time of the limit.
    func warnsOfUnits(_ index: Int, at now: Instant) -> Bool {
        if let unitsWarnedAt, now < unitsWarnedAt + units[index].rate.length { return false }
        unitsWarnedAt = now
        return true
    }

    var concurrency: Standing {
        Standing(
            subject: subject.kind, limiter: .concurrency, limit: concurrentMax,
            remaining: max(0, concurrentMax - underWay), resetAfter: .zero, nextAfter: .zero)
    }

    /// What is left of every limit.
    func standings(at now: Instant) -> [Standing] {
        bring(to: now)
        let limits = limits
        return limits.indices.map { limits.standing($0, of: subject.kind, asking: 1, at: now) }
            + (concurrentMax == .max ? [] : [concurrency])
    }

    /// Forgets what is too old in every window.
    private func bring(to now: Instant) {
        _ = fits(requests: 1, at: now)
        _ = fits(tokens: 1, at: now)
        _ = fits(units: 1, at: now)
    }

    // MARK: Being forgotten

    /// Whether nothing would be lost with it but what was spent.
    func isIdle(at now: Instant) -> Bool {
        guard underWay == 0, holds == 0 else { return false }
        bring(to: now)
        return limits.allSatisfy { $0.window.total == 0 }
    }
}

extension [Standing] {
    /// The one for which one has to wait longest; the first of some that are alike.
    var longest: Standing? {
        reduce(nil) { worst, standing in
            worst.map { $0.nextAfter < standing.nextAfter } ?? true ? standing : worst
        }
    }
}

/// What is left of one limit.
package struct Standing: Equatable, Sendable {
    enum Limiter: Equatable, Sendable {
        case rate(Rate)
        case concurrency
        case budget(Budget)
    }

    let subject: SubjectKind
    let limiter: Limiter
    let limit: Int
    let remaining: Int
    /// When the whole limit is free again, from now.
    let resetAfter: Duration
    /// When as much as was asked for is free, from now; zero while it is.
    let nextAfter: Duration

    /// As answers show it.
    var state: LimitState {
        var state = LimitState(
            name: name, scope: subject.rawValue, limit: limit, remaining: remaining, resetAfter: resetAfter,
            nextAfter: nextAfter)
        if case .budget(let budget) = limiter {
            state.isMoney = budget.unit == .dollars
            state.isFinal = budget.period == .total
        }
        return state
    }

    var name: String {
        switch limiter {
        case .rate(let rate): rate.name
        case .concurrency: "concurrent_requests"
        case .budget(let budget): budget.name
        }
    }

    /// What a refused client is told.
    var sentence: String {
        switch limiter {
        case .rate(let rate):
            "the limit of \(limit) \(rate.unit.rawValue) a\(rate.period == .hour ? "n" : "") \(rate.period.rawValue) is reached"
        case .concurrency: "the limit of \(limit) requests at once is reached"
        case .budget(let budget): "the budget of \(budget.text) does not have room for this call at its worst case"
        }
    }
}
