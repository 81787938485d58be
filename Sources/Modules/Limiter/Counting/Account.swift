// SPDX-License-Identifier: Apache-2.0

import Core
import Platform

/// What is counted for one subject. Touched under its shard's lock only: hence `@unchecked Sendable`.
final class Account: @unchecked Sendable {
    let subject: Subject
    /// Its tenant; `nil` for an address.
    let tenant: TenantID?
    private(set) var rules: Rules
    /// Which state of the rule book `rules` are from.
    private var generation: Int
    /// In the order of the rules.
    private(set) var requests: [RollingWindow]
    private(set) var tokens: [RollingWindow]
    var units: [RollingWindow]
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
    /// What budgets are kept by.
    var spent: SpentSums
    /// Of which day or month its budgets were warned of, in the order of the rules.
    private var warned: [Int]

    init(
        _ subject: Subject, tenant: TenantID?, _ rules: Rules, generation: Int, spent: SpentSums = SpentSums()
    ) {
        (self.subject, self.tenant, self.rules, self.generation) = (subject, tenant, rules, generation)
        self.spent = spent
        requests = rules.requests.map { _ in RollingWindow() }
        tokens = rules.tokens.map { _ in RollingWindow() }
        units = rules.units.map { _ in RollingWindow() }
        warned = rules.budgets.map { _ in -1 }
    }

    /// Takes over other rules if there are. What was counted over the same time stays counted.
    func refresh(from book: RuleBook) {
        let now = book.generation
        guard now != generation else { return }
        generation = now
        let new = book.rules(for: subject, of: tenant)
        guard new !== rules else { return }
        requests = Self.windows(requests, of: rules.requests, for: new.requests)
        tokens = Self.windows(tokens, of: rules.tokens, for: new.tokens)
        units = Self.windows(units, of: rules.units, for: new.units)
        warned = new.budgets.map { _ in -1 }
        rules = new
    }

    private static func windows(
        _ windows: [RollingWindow], of old: [Rate], for new: [Rate]
    ) -> [RollingWindow] {
        new.map { rate in
            old.firstIndex { $0.period == rate.period }.map { windows[$0] } ?? RollingWindow()
        }
    }

    // MARK: Asking

    /// Whether one more request fits, and so many tokens; counts nothing.
    func fits(requests count: Int, tokens amount: Int, at now: Instant) -> Bool {
        var fits = true
        for index in rules.requests.indices {
            requests[index].advance(to: now, rules.requests[index])
            if requests[index].total > rules.requests[index].limit - count { fits = false }
        }
        guard amount > 0 else { return fits }
        for index in rules.tokens.indices {
            tokens[index].advance(to: now, rules.tokens[index])
            if tokens[index].total > rules.tokens[index].limit - amount { fits = false }
        }
        return fits
    }

    /// Of the limits into which it does not fit, the one for which one has to wait longest: to come back after another would
    /// be in vain. Behind ``fits(requests:tokens:at:)``.
    func refusal(requests count: Int, tokens amount: Int, at now: Instant) -> Standing? {
        var worst: Standing?
        for (index, rate) in rules.requests.enumerated() where requests[index].total > rate.limit - count {
            let standing = standing(rate, requests[index], asking: count, at: now)
            if worst.map({ $0.nextAfter < standing.nextAfter }) ?? true { worst = standing }
        }
        for (index, rate) in rules.tokens.enumerated() where amount > 0 && tokens[index].total > rate.limit - amount {
            let standing = standing(rate, tokens[index], asking: amount, at: now)
            if worst.map({ $0.nextAfter < standing.nextAfter }) ?? true { worst = standing }
        }
        return worst
    }

    // MARK: Counting

    /// Counts a request in every window, which ``fits(requests:tokens:at:)`` has brought to the time.
    func countRequest() {
        for index in requests.indices { requests[index].count(1) }
        isFresh = true
    }

    /// The same for tokens.
    ///
    /// - Returns: where they are counted, to be put right later.
    func count(tokens amount: Int) -> [TokenPlace] {
        isFresh = true
        return rules.tokens.indices.map { TokenPlace(rules.tokens[$0].period, tokens[$0].count(amount)) }
    }

    struct TokenPlace: Sendable {
        let period: Rate.Period
        let granule: UInt64

        init(_ period: Rate.Period, _ granule: UInt64) { (self.period, self.granule) = (period, granule) }
    }

    /// Puts right what was counted as tokens.
    func correct(_ places: [TokenPlace], by amount: Int) {
        guard amount != 0 else { return }
        isFresh = true
        for place in places {
            guard let index = rules.tokens.firstIndex(where: { $0.period == place.period }) else { continue }
            tokens[index].correct(place.granule, by: amount)
        }
    }

    // MARK: Money and tokens

    /// The budget into which an amount does not fit, and would not for the longest time.
    func refusal(of amount: Meter.Sum, at time: WallTime) -> Standing? {
        guard !rules.budgets.isEmpty else { return nil }
        spent.known.advance(to: UTCDate(time))
        var worst: Standing?
        for budget in rules.budgets {
            let asked = budget.unit == .dollars ? amount.cost : amount.tokens
            // What costs nothing is no spending, however much was spent before.
            guard asked > 0, spent.known.counted(against: budget) > budget.limit - asked else { continue }
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
    func warning(above percent: Int, at time: WallTime) -> (standing: Standing, percent: Int, isNew: Bool)? {
        let date = UTCDate(time)
        var fullest: (index: Int, percent: Int)?
        for (index, budget) in rules.budgets.enumerated() {
            let part = Int(Double(spent.known.counted(against: budget)) / Double(max(budget.limit, 1)) * 100)
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
        return (standing(budget, at: time), fullest.percent, isNew)
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

    /// The windows with their rates.
    var allWindows: [(rate: Rate, window: RollingWindow)] {
        Array(zip(rules.requests, requests)) + Array(zip(rules.tokens, tokens)) + Array(zip(rules.units, units))
    }

    /// Takes up what was admitted before, for the limits that there still are.
    func restore(_ entries: [WindowCounts.Entry], after pause: Duration, at now: Instant) {
        for entry in entries {
            let counts = entry.slots.map { (age: $0.age + pause, count: $0.count) }
            if entry.unit == .requests, let index = rules.requests.firstIndex(where: { $0.period == entry.period }) {
                requests[index].restore(counts, at: now, rules.requests[index])
            } else if entry.unit == .tokens, let index = rules.tokens.firstIndex(where: { $0.period == entry.period }) {
                tokens[index].restore(counts, at: now, rules.tokens[index])
            } else if entry.unit == .units, let index = rules.units.firstIndex(where: { $0.period == entry.period }) {
                units[index].restore(counts, at: now, rules.units[index])
            }
        }
    }

    // MARK: Telling

    /// Of the limits of requests, the one with the least left; `nil` where there is none.
    var tightest: (index: Int, remaining: Int)? { Self.tightest(rules.requests, requests) }
    /// Of the limits of tokens.
    var tightestOfTokens: (index: Int, remaining: Int)? { Self.tightest(rules.tokens, tokens) }

    private static func tightest(_ rates: [Rate], _ windows: [RollingWindow]) -> (index: Int, remaining: Int)? {
        var tightest: (index: Int, remaining: Int)?
        for index in rates.indices {
            let remaining = max(0, rates[index].limit - windows[index].total)
            if tightest.map({ remaining < $0.remaining }) ?? true { tightest = (index, remaining) }
        }
        return tightest
    }

    func requestStanding(_ index: Int, at now: Instant) -> Standing {
        standing(rules.requests[index], requests[index], asking: 1, at: now)
    }

    func tokenStanding(_ index: Int, at now: Instant) -> Standing {
        standing(rules.tokens[index], tokens[index], asking: 1, at: now)
    }

    var concurrency: Standing {
        Standing(
            subject: subject.kind, limiter: .concurrency, limit: rules.concurrentMax,
            remaining: max(0, rules.concurrentMax - underWay), resetAfter: .zero, nextAfter: .zero)
    }

    /// What is left of every limit.
    func standings(at now: Instant) -> [Standing] {
        _ = fits(requests: 1, tokens: 1, at: now)
        _ = fits(units: 1, at: now)
        return rules.requests.indices.map { requestStanding($0, at: now) }
            + rules.tokens.indices.map { tokenStanding($0, at: now) }
            + rules.units.indices.map { standing(rules.units[$0], units[$0], asking: 1, at: now) }
            + (rules.concurrentMax == .max ? [] : [concurrency])
    }

    func standing(_ rate: Rate, _ window: RollingWindow, asking units: Int, at now: Instant) -> Standing {
        Standing(
            subject: subject.kind, limiter: .rate(rate), limit: rate.limit,
            remaining: max(0, rate.limit - window.total), resetAfter: window.waitUntilIdle(at: now, rate),
            nextAfter: window.wait(for: units, at: now, rate))
    }

    // MARK: Being forgotten

    /// Whether nothing would be lost with it but what was spent.
    func isIdle(at now: Instant) -> Bool {
        guard underWay == 0, holds == 0 else { return false }
        _ = fits(requests: 0, tokens: 1, at: now)
        _ = fits(units: 1, at: now)
        return (requests + tokens + units).allSatisfy { $0.total == 0 }
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
