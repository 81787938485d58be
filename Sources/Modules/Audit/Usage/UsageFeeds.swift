// SPDX-License-Identifier: Apache-2.0

import Core

/// What those who watch `/v1/usage/live` have not been told yet. Without any of them it costs nothing.
struct UsageFeeds: Sendable {
    /// Who may watch at once: in all, and of one tenant, so that none keeps the others out.
    static let feedsMax = 256
    static let feedsPerTenantMax = 8
    /// Models that one event tells apart; the others are in its sums alone.
    static let modelsMax = 64

    struct Interval: Sendable {
        var all = UsageSums()
        var models: [String: UsageSums] = [:]
    }

    private struct Feed: Sendable {
        let tenant: TenantID
        var interval = Interval()
    }

    private var feeds: [Int: Feed] = [:]
    private var last = 0

    /// Whether nobody watches.
    var isEmpty: Bool { feeds.isEmpty }

    mutating func open(of tenant: TenantID) -> Int? {
        guard feeds.count < Self.feedsMax, feeds.values.count(where: { $0.tenant == tenant }) < Self.feedsPerTenantMax
        else { return nil }
        last += 1
        feeds[last] = Feed(tenant: tenant)
        return last
    }

    mutating func close(_ number: Int) { feeds[number] = nil }

    mutating func drain(_ number: Int) -> Interval {
        guard let interval = feeds[number]?.interval else { return Interval() }
        feeds[number]?.interval = Interval()
        return interval
    }

    mutating func take(_ fact: UsageFact) {
        guard !feeds.isEmpty else { return }
        for (number, feed) in feeds where feed.tenant == fact.tenant {
            var interval = feed.interval
            fact.add(to: &interval.all)
            let name = fact.cell.model
            if interval.models[name] != nil || interval.models.count < Self.modelsMax {
                fact.add(to: &interval.models[name, default: UsageSums()])
            }
            feeds[number]?.interval = interval
        }
    }
}
