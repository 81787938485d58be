// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import JSON
import Platform

/// What is asked of usage: a stretch of time, one thing by which it is told apart, and what it is limited to.
struct UsageQuery: Sendable {
    enum Grouping: String, CaseIterable, Sendable {
        case day, hour, key, node, model, provider, user
    }

    /// Groups of one page, at most and where nothing is said.
    static let groupsMax = 1_000
    static let groupsStandard = 100
    /// Days that one query may cover: more than ten years.
    static let daysMax = 4_000
    static let nameBytesMax = 256

    static let names = [
        "from", "to", "group_by", "key", "node", "model", "provider", "user", "prices", "limit", "after",
    ]

    /// Starts of hours.
    var times: Range<Int64>
    var grouping = Grouping.day
    var key: String?
    var node: String?
    var model: String?
    var provider: String?
    var user: [UInt8]?
    /// Costs by today's prices instead of those that held when it was settled.
    var isRepriced = false
    var limit = UsageQuery.groupsStandard
    var after: String?

    /// - Parameter user: the digest of the end user's name that the query has.
    init(_ query: Query, now: WallTime, user: [UInt8]?) throws(Failure) {
        let end = try Self.time(query, "to", roundsUp: true) ?? UsageCell.start(of: now, .hour) + 3_600
        let month = UsageCell.start(of: WallTime(seconds: end - 30 * 86_400), .day)
        let start = try Self.time(query, "from", roundsUp: false) ?? month
        guard start < end else { throw Failure(.invalidParameter, "must be before \"to\"", param: "from") }
        guard end - start <= Int64(Self.daysMax) * 86_400 else {
            throw Failure(.invalidParameter, "covers more than \(Self.daysMax) days", param: "from")
        }
        times = start..<end
        if let text = query["group_by"] {
            guard let choice = Grouping(rawValue: text) else {
                let words = Grouping.allCases.map(\.rawValue).joined(separator: ", ")
                throw Failure(.invalidParameter, "must be one of \(words)", param: "group_by")
            }
            grouping = choice
        }
        if let text = query["prices"] {
            guard text == "settled" || text == "current" else {
                throw Failure(.invalidParameter, "must be settled or current", param: "prices")
            }
            isRepriced = text == "current"
        }
        key = try query.string("key", bytesMax: Self.nameBytesMax)
        node = try query.string("node", bytesMax: Self.nameBytesMax)
        model = try query.string("model", bytesMax: Self.nameBytesMax)
        provider = try query.string("provider", bytesMax: Self.nameBytesMax)
        self.user = user
        if let number = try query.int("limit", in: 1...Self.groupsMax) { limit = number }
        after = try query.string("after", bytesMax: Self.nameBytesMax)
    }

    /// A date, or a date and time; rounded to the hour that it is in, or to the next.
    private static func time(_ query: Query, _ name: String, roundsUp: Bool) throws(Failure) -> Int64? {
        guard let text = query[name] else { return nil }
        guard let time = WallTime(rfc3339: text) ?? WallTime(rfc3339: text + "T00:00:00Z"), time.seconds >= 0 else {
            throw Failure(.invalidParameter, "must be a date, or a date and time of RFC 3339", param: name)
        }
        let start = UsageCell.start(of: time, .hour)
        return roundsUp && WallTime(seconds: start) < time ? start + 3_600 : start
    }

    func takes(_ cell: UsageCell) -> Bool {
        (key ?? cell.key) == cell.key && (node ?? cell.node) == cell.node && (model ?? cell.model) == cell.model
            && (provider ?? cell.provider) == cell.provider && (user ?? cell.user) == cell.user
    }

    /// The name of the group that a cell belongs to; empty where it has none.
    func group(of cell: UsageCell) -> String {
        switch grouping {
        case .day:
            String(WallTime(seconds: UsageCell.start(of: WallTime(seconds: cell.start), .day)).rfc3339.prefix(10))
        case .hour: WallTime(seconds: cell.start).rfc3339
        case .key: cell.key
        case .node: cell.node
        case .model: cell.model
        case .provider: cell.provider
        case .user: Hex.encode(cell.user)
        }
    }
}

/// Sums by group, as they are added up from cells.
struct UsageReport: Sendable {
    /// Groups that one report can have; what comes beyond is in its total alone, and the report says that there is such.
    static let groupsMax = 100_000

    let query: UsageQuery
    private let groupsMax: Int
    /// What is in the total and in no group.
    private(set) var ungrouped = UsageSums()
    private(set) var groups: [String: UsageSums] = [:]
    private(set) var total = UsageSums()

    init(_ query: UsageQuery, groupsMax: Int = groupsMax) { (self.query, self.groupsMax) = (query, groupsMax) }

    /// - Parameter prices: what tokens cost today; asked only where the query wants it.
    mutating func add(_ cell: UsageCell, _ sums: UsageSums, prices: (any PriceBook)?) {
        guard query.takes(cell) else { return }
        var sums = sums
        if query.isRepriced, let prices, sums.inputTokens > 0 || sums.outputTokens > 0 {
            let cost = prices.cost(
                model: cell.model, inputTokens: sums.inputTokens, outputTokens: sums.outputTokens,
                cachedTokens: sums.cachedTokens)
            if let cost {
                (sums.cost, sums.unpriced) = (cost, 0)
            } else {
                (sums.cost, sums.unpriced) = (0, sums.requests)
            }
        }
        total.add(sums)
        let name = query.group(of: cell)
        if groups[name] != nil || groups.count < groupsMax {
            groups[name, default: UsageSums()].add(sums)
        } else {
            ungrouped.add(sums)
        }
    }

    /// A page of the groups: days and hours in their order, everything else by name.
    var json: JSONObject {
        let names = groups.keys.filter { name in query.after.map { name > $0 } ?? true }.sorted()
        let page = names.prefix(query.limit)
        let data = page.map { name -> JSONValue in
            var object: JSONObject = ["object": "usage"]
            object[query.grouping.rawValue] = name.isEmpty ? .null : .string(name)
            for (member, value) in (groups[name] ?? UsageSums()).json.members { object[member] = value }
            return .object(object)
        }
        var object: JSONObject = [
            "object": "list", "data": .array(data), "has_more": .bool(names.count > page.count),
            "next_cursor": names.count > page.count ? page.last.map(JSONValue.string) ?? .null : .null,
            "from": .string(WallTime(seconds: query.times.lowerBound).rfc3339),
            "to": .string(WallTime(seconds: query.times.upperBound).rfc3339), "total": .object(total.json),
        ]
        if ungrouped.requests > 0 { object["ungrouped"] = .object(ungrouped.json) }
        return object
    }
}
