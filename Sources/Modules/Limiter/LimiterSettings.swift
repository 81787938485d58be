// SPDX-License-Identifier: Apache-2.0

import Configuration

/// The keys of the section.
struct LimiterSettings {
    /// For each subject of a kind.
    let rules: [SubjectKind: Rules]
    /// Whether somebody has a budget.
    var hasBudgets: Bool { rules.values.contains { !$0.budgets.isEmpty } }
    /// `unauthenticated`: attempts without a valid credential, for each address.
    let unauthenticated: Rules
    /// `block_points`, `block_half_life`, `block_time`
    let strikes: StrikeRules
    /// `call_units` and so on.
    let units: UnitSettings

    init(_ section: Section) throws(ConfigurationError) {
        let perHour = try section.takeInt("requests_per_hour", in: 1...1_000_000_000, default: 1000)
        let unitsPerHour = try section.takeInt("units_per_hour", in: 1...Rate.limitMax, default: 200_000)
        var rules: [SubjectKind: Rules] = [:]
        for kind in SubjectKind.allCases {
            let texts = try section.takeStrings(kind.rawValue, bytes: 1...64, count: 0...Rules.countMax, default: [])
            // Whoever says something else about the hour means that.
            let saysHour = texts.contains { $0.hasSuffix(" requests/hour") }
            var standard: [String] = []
            if kind == .key || kind == .tenant {
                if !saysHour { standard.append("\(perHour) requests/hour") }
                if !texts.contains(where: { $0.hasSuffix(" units/hour") }) {
                    standard.append("\(unitsPerHour) units/hour")
                }
            }
            rules[kind] = try Self.rules(standard + texts, kind.rawValue, section)
            guard kind != .address, kind != .instance else { continue }
            let key = "\(kind.rawValue)_budget"
            let budgets = try section.takeStrings(key, bytes: 1...64, count: 0...Rules.countMax, default: [])
            do throws(RuleError) {
                rules[kind] = rules[kind]?.with(budgets: try Rules.budgets(budgets))
            } catch {
                throw section.error(at: key, error.message, hint: error.hint)
            }
        }
        for kind in [SubjectKind.node, .user, .address, .instance] where rules[kind]?.concurrentMax != .max {
            throw section.error(at: kind.rawValue, "what is under way at once is counted for keys and tenants")
        }
        guard rules[.address]?.tokens.isEmpty ?? true else {
            throw section.error(at: "address", "tokens are counted for those who are known: key, tenant, node, user")
        }
        guard let whole = rules[.instance], whole.requests.isEmpty, whole.tokens.isEmpty else {
            throw section.error(at: "instance", "of the whole server units are counted")
        }
        self.rules = rules
        units = try UnitSettings(section)
        strikes = StrikeRules(
            pointsMax: try section.takeInt("block_points", in: 0...1_000_000, default: 100),
            halfLife: try section.takeDuration(
                "block_half_life", in: .seconds(1) ... .seconds(86_400), default: .seconds(600)),
            pause: try section.takeDuration("block_time", in: .seconds(1) ... .seconds(86_400), default: .seconds(600)))
        unauthenticated = try Self.rules(
            try section.takeStrings(
                "unauthenticated", bytes: 1...64, count: 0...Rules.countMax, default: ["600 requests/minute"]),
            "unauthenticated", section)
        guard unauthenticated.tokens.isEmpty, unauthenticated.concurrentMax == .max else {
            throw section.error(at: "unauthenticated", "attempts are counted as requests")
        }
    }

    private static func rules(_ texts: [String], _ key: String, _ section: Section) throws(ConfigurationError) -> Rules
    {
        do throws(RuleError) {
            return try Rules(texts)
        } catch {
            throw section.error(at: key, error.message, hint: error.hint)
        }
    }
}
