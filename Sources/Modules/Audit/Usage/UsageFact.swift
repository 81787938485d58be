// SPDX-License-Identifier: Apache-2.0

import Core

/// What one record of the log says about usage.
struct UsageFact: Sendable {
    let tenant: TenantID
    let sequence: Int
    let cell: UsageCell
    /// Without its durations: sums hold histograms, and one of those for each fact would be an allocation.
    private var figures = UsageSums()
    /// Milliseconds.
    private var latency: Int?
    private var firstByte: Int?

    /// Nil for records that say nothing about it: intents, acts, the house's own, and refusals of callers nobody knows.
    init?(_ record: AuditRecord) {
        guard let words = Words(record), let tenant = words.tenant else { return nil }
        self.tenant = TenantID(tenant)
        sequence = record.place.sequence
        cell = UsageCell(
            start: UsageCell.start(of: record.place.time, .hour), key: words.isKey ? words.actor : "",
            node: words.node, model: words.model, provider: words.provider, user: words.user)
        figures = words.sums
        (latency, firstByte) = (words.latency, words.firstByte)
    }

    /// Adds it to what was used.
    func add(to other: inout UsageSums) {
        other.add(figures)
        if let latency { other.latency.add(milliseconds: latency) }
        if let firstByte { other.firstByte.add(milliseconds: firstByte) }
    }

    /// The fields of a record, taken in one pass.
    private struct Words {
        var tenant: String?
        var isKey = false
        var actor = ""
        var user: [UInt8] = []
        var node = ""
        var model = ""
        var provider = ""
        var sums = UsageSums()
        var latency: Int?
        var firstByte: Int?

        init?(_ record: AuditRecord) {
            let entry = record.entry
            let isOutcome: Bool
            switch entry.kind {
            case .outcome: isOutcome = true
            case .refusal, .flood: isOutcome = false
            case .intent, .act, .house: return nil
            }
            sums.requests = 1
            var hasCost = false
            entry.forEachField { number, place in
                switch AuditField(rawValue: number) {
                case .tenant: tenant = entry.text(place)
                case .actorKind: isKey = entry.text(place) == "key"
                case .actorID: actor = entry.text(place)
                case .endUser: user = Array(entry.bytes[place])
                case .node: node = entry.text(place)
                case .model: model = entry.text(place)
                case .provider: provider = entry.text(place)
                case .count where entry.kind == .flood: sums.requests = entry.number(place)
                case let field? where isOutcome:
                    if field == .cost { hasCost = true }
                    take(field, entry, place)
                default: break
                }
            }
            if !isOutcome { sums.refusals = sums.requests }
            if isOutcome, !hasCost, sums.inputTokens > 0 || sums.outputTokens > 0 { sums.unpriced = 1 }
        }

        private mutating func take(_ field: AuditField, _ entry: AuditEntry, _ place: Range<Int>) {
            switch field {
            case .outcome:
                switch entry.text(place) {
                case "refused": sums.refusals = 1
                case "failed": sums.errors = 1
                case "abandoned", "interrupted": sums.abandoned = 1
                default: break
                }
            case .inputTokens: sums.inputTokens = entry.number(place)
            case .outputTokens: sums.outputTokens = entry.number(place)
            case .cachedTokens: sums.cachedTokens = entry.number(place)
            case .cost: sums.cost = Int64(clamping: entry.number(place))
            case .isEstimated: sums.estimated = entry.number(place) == 1 ? 1 : 0
            case .latency: latency = entry.number(place)
            case .firstByte: firstByte = entry.number(place)
            default: break
            }
        }
    }
}
