// SPDX-License-Identifier: Apache-2.0

/// Everything that limits one subject. Never changes: other rules are another object.
package final class Rules: Sendable {
    /// Of one list.
    static let countMax = 16

    let requests: [Rate]
    let tokens: [Rate]
    let units: [Rate]
    /// Requests that may be under way at once.
    let concurrentMax: Int
    let budgets: [Budget]
    let hasMoney: Bool

    static let none = Rules(requests: [])

    init(
        requests: [Rate], tokens: [Rate] = [], units: [Rate] = [], concurrentMax: Int = .max, budgets: [Budget] = []
    ) {
        (self.requests, self.tokens, self.units, self.concurrentMax) = (requests, tokens, units, concurrentMax)
        self.budgets = budgets
        hasMoney = budgets.contains { $0.unit == .dollars }
    }

    /// The same limits with other budgets.
    func with(budgets: [Budget]) -> Rules {
        Rules(requests: requests, tokens: tokens, units: units, concurrentMax: concurrentMax, budgets: budgets)
    }

    /// The same limits with others of units.
    func with(units: [Rate]) -> Rules {
        Rules(requests: requests, tokens: tokens, units: units, concurrentMax: concurrentMax, budgets: budgets)
    }

    /// Reads budgets as people write them.
    static func budgets(_ texts: [String]) throws(RuleError) -> [Budget] {
        let budgets = try texts.map { text throws(RuleError) in try Budget(text) }
        for (index, budget) in budgets.enumerated() {
            guard !budgets[..<index].contains(where: { $0.name == budget.name }) else {
                throw RuleError("two budgets are of the same thing over the same time", hint: "which of them is meant?")
            }
        }
        return budgets
    }

    /// Reads rules as people write them: `1000 requests/hour`, `200000 tokens/minute`, `5000 units/hour`, `32 concurrent`.
    convenience init(_ texts: [String]) throws(RuleError) {
        var (requests, tokens, units, concurrentMax) = ([Rate](), [Rate](), [Rate](), Int.max)
        for text in texts {
            switch try Rules.rule(text) {
            case .rate(let rate):
                switch rate.unit {
                case .requests: requests.append(rate)
                case .tokens: tokens.append(rate)
                case .units: units.append(rate)
                }
            case .concurrent(let most): concurrentMax = min(concurrentMax, most)
            }
        }
        for rates in [requests, tokens, units] where Set(rates.map(\.period)).count < rates.count {
            throw RuleError("two limits count the same over the same time", hint: "which of them is meant?")
        }
        self.init(requests: requests, tokens: tokens, units: units, concurrentMax: concurrentMax)
    }

    /// As people write them.
    var texts: [String] {
        (requests + tokens + units).map { "\($0.limit) \($0.unit.rawValue)/\($0.period.rawValue)" }
            + (concurrentMax == .max ? [] : ["\(concurrentMax) concurrent"])
    }

    private enum Rule {
        case rate(Rate)
        case concurrent(Int)
    }

    private static func rule(_ text: String) throws(RuleError) -> Rule {
        let wrong = RuleError(
            "a limit is a number and what it counts",
            hint: "for example 1000 requests/hour, 200000 tokens/minute, 5000 units/hour, 32 concurrent")
        let words = text.split(separator: " ")
        guard words.count == 2, words[0].utf8.allSatisfy({ (48...57).contains($0) }), let number = Int(words[0]) else {
            throw wrong
        }
        guard (1...Rate.limitMax).contains(number) else { throw RuleError("a limit is from 1 to \(Rate.limitMax)") }
        if words[1] == "concurrent" { return .concurrent(number) }
        let parts = words[1].split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let unit = Rate.Unit(rawValue: String(parts[0])),
            let period = Rate.Period(rawValue: String(parts[1]))
        else { throw wrong }
        return .rate(Rate(number, unit, per: period))
    }
}

/// Why a text is no rule.
package struct RuleError: Error {
    let message: String
    let hint: String?

    init(_ message: String, hint: String? = nil) { (self.message, self.hint) = (message, hint) }
}
