// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Core

@Suite struct RetentionTests {
    private static let day = 86_400

    /// Days; nil: nothing is said.
    private static func rule(_ days: Int?) -> RetentionRule {
        RetentionRule(days.map { [.threads: Retention(seconds: $0 * day)] } ?? [:])
    }

    @Test(
        arguments: [
            // plan, tenant, node → days
            (nil, nil, nil, 30), (90, nil, nil, 30), (7, nil, nil, 7), (nil, 90, nil, 30), (nil, 7, nil, 7),
            (nil, nil, 7, 7),
            (nil, nil, 90, 30), (90, 60, nil, 60), (90, nil, 60, 60), (90, 60, 45, 45), (90, 45, 60, 45),
            (30, 60, 90, 30),
            (365, 365, 365, 365), (0, 60, 60, 0), (90, 0, 60, 0), (90, 60, 0, 0), (nil, nil, 0, 0),
        ] as [(Int?, Int?, Int?, Int)])
    func `the shortest of plan, tenant and node holds`(_ plan: Int?, _ tenant: Int?, _ node: Int?, _ days: Int) {
        let effective = RetentionRule.effective(
            .threads, plan: Self.rule(plan), tenant: Self.rule(tenant), node: Self.rule(node))
        #expect(effective == Retention(seconds: days * Self.day))
    }

    @Test func `what one class says, no other hears`() {
        let rule = RetentionRule([.files: .none])
        #expect(RetentionRule.effective(.threads, plan: rule, tenant: rule) == .standard)
        #expect(RetentionRule.effective(.files, plan: rule, tenant: RetentionRule()) == .none)
    }

    @Test func `where nobody says anything, the instance does`() {
        let hour = Retention(seconds: 3600)
        let nothing = RetentionRule()
        #expect(RetentionRule.effective(.logs, plan: nothing, tenant: nothing, standard: hour) == hour)
        // A wish for longer needs a plan that allows it.
        let wish = RetentionRule([.logs: .standard])
        #expect(RetentionRule.effective(.logs, plan: nothing, tenant: wish, standard: hour) == hour)
        #expect(RetentionRule.effective(.logs, plan: wish, tenant: wish, standard: hour) == .standard)
    }

    @Test(arguments: [(-5, 0), (0, 0), (Int.max, Retention.secondsMax)])
    func `a period is brought into its range`(_ seconds: Int, _ kept: Int) {
        #expect(Retention(seconds: seconds).seconds == kept)
    }
}
