// SPDX-License-Identifier: Apache-2.0

import Core

/// The limits that those who manage a key set for it, beside the operator's: of two that count the same, the smaller holds.
struct KeyRules: KeyLimits {
    let book: RuleBook
    /// Without the audit log there are no budgets.
    let isRecorded: Bool

    func problem(with limits: [String]) -> String? {
        do throws(RuleError) {
            let rules = try Rules(narrowing: limits)
            guard isRecorded || rules.budgets.isEmpty else {
                return "a budget is kept by what the audit log tells, and there is none"
            }
            return nil
        } catch {
            return [error.message, error.hint].compactMap(\.self).joined(separator: "; ")
        }
    }

    func set(_ limits: [String], of key: KeyID, _ tenant: TenantID) {
        let rules: Rules?
        do throws(RuleError) {
            rules = limits.isEmpty ? nil : try Rules(narrowing: limits)
        } catch {
            // Written by another version: a key whose limits cannot be read asks for nothing.
            rules = Rules(requests: [Rate(0, .requests, per: .day)])
        }
        book.narrow(.key(key), of: tenant, by: rules)
    }
}

extension Rules {
    /// Reads limits and budgets in one list: `100 requests/minute`, `5 concurrent`, `$20/month`.
    package convenience init(narrowing texts: [String]) throws(RuleError) {
        var (rates, budgets): ([String], [String]) = ([], [])
        for text in texts {
            let isBudget = text.hasPrefix("$") || text.hasSuffix("/month") || text.hasSuffix(" total")
            if isBudget { budgets.append(text) } else { rates.append(text) }
        }
        let limits = try Rules(rates)
        self.init(
            requests: limits.requests, tokens: limits.tokens, units: limits.units, concurrentMax: limits.concurrentMax,
            budgets: try Rules.budgets(budgets))
    }

    /// Both: of what counts the same, the smaller.
    func narrowed(by other: Rules) -> Rules {
        Rules(
            requests: Self.both(requests, other.requests), tokens: Self.both(tokens, other.tokens),
            units: Self.both(units, other.units), concurrentMax: min(concurrentMax, other.concurrentMax),
            budgets: Self.both(budgets, other.budgets))
    }

    private static func both(_ first: [Rate], _ second: [Rate]) -> [Rate] {
        let kept = first.map { rate in
            second.first { $0.period == rate.period && $0.limit < rate.limit } ?? rate
        }
        return kept + second.filter { rate in !first.contains { $0.period == rate.period } }
    }

    private static func both(_ first: [Budget], _ second: [Budget]) -> [Budget] {
        let kept = first.map { budget in
            second.first { $0.name == budget.name && $0.limit < budget.limit } ?? budget
        }
        return kept + second.filter { budget in !first.contains { $0.name == budget.name } }
    }
}
