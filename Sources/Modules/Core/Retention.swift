// SPDX-License-Identifier: Apache-2.0

/// A kind of content that is kept for a time of its own, and only with its owner's consent.
package enum DataClass: String, CaseIterable, Sendable {
    /// Threads and their messages.
    case threads
    case files
    /// What was remembered of threads.
    case memory
    /// Logged prompts and answers.
    case logs
}

/// How long something is kept.
package struct Retention: Hashable, Comparable, Sendable {
    /// From its making to its deletion; 0 is `none`: nothing is kept.
    package let seconds: Int

    /// A hundred years, the most that can be said.
    package static let secondsMax = 3_155_760_000
    /// Nothing is kept.
    package static let none = Retention(seconds: 0)
    /// Where nobody has said anything: 30 days.
    package static let standard = Retention(seconds: 30 * 86_400)

    /// - Parameter seconds: brought into 0…``secondsMax``.
    package init(seconds: Int) {
        self.seconds = min(max(seconds, 0), Retention.secondsMax)
    }

    package static func < (left: Retention, right: Retention) -> Bool { left.seconds < right.seconds }
}

/// What one party says about each class of data: a plan as a cap, a tenant or a node as a wish. Absent: nothing was said.
package struct RetentionRule: Equatable, Sendable {
    private var periods: [DataClass: Retention] = [:]

    package init(_ periods: [DataClass: Retention] = [:]) {
        self.periods = periods
    }

    package subscript(_ kind: DataClass) -> Retention? {
        get { periods[kind] }
        set { periods[kind] = newValue }
    }

    /// How long data of a class is kept: the least of the plan's cap, the tenant's wish and the node's wish.
    ///
    /// - A plan without a cap caps at `standard`: longer than that is the operator's to allow.
    /// - Without any wish it is `standard`, or the cap if that is less: a plan that allows a year does not ask for one.
    package static func effective(
        _ kind: DataClass, plan: RetentionRule, tenant: RetentionRule, node: RetentionRule = RetentionRule(),
        standard: Retention = .standard
    ) -> Retention {
        let cap = plan[kind] ?? standard
        let wish = [tenant[kind], node[kind]].compactMap(\.self).min() ?? standard
        return min(cap, wish)
    }
}
