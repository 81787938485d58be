// SPDX-License-Identifier: Apache-2.0

/// Sums since the start of the process, by model and provider: what `/metrics` tells. Tenants, keys and people are no
/// labels: there are too many of them, and a scraper's store is not where they belong.
struct UsageTotals: Sendable {
    struct Series: Hashable, Sendable {
        let model: String
        let provider: String
    }

    /// Series at most; what comes beyond is counted as `other`.
    static let seriesMax = 256
    static let other = Series(model: "other", provider: "other")

    private(set) var sums: [Series: UsageSums] = [:]

    /// Takes what was counted for a cell.
    mutating func take(_ new: UsageSums, of cell: UsageCell) {
        var series = Series(model: cell.model, provider: cell.provider)
        if sums.count >= Self.seriesMax, sums[series] == nil { series = Self.other }
        sums[series, default: UsageSums()].add(new)
    }
}
