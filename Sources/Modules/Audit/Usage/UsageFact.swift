// SPDX-License-Identifier: Apache-2.0

import Core

/// What one record of the log says about usage.
struct UsageFact: Sendable {
    private(set) var tenant: TenantID
    let sequence: Int
    private(set) var cell: UsageCell
    /// Without its durations: sums hold histograms, and one of those for each fact would be an allocation.
    private var figures = UsageSums()
    /// Milliseconds.
    private var latency: Int?
    private var firstByte: Int?

    /// Nil for records that say nothing about it: intents, acts, the house's own, and refusals of callers nobody knows.
    init?(_ record: AuditRecord) {
        var texts = TextCache()
        self.init(record, &texts)
    }

    /// The same with the texts of earlier ones at hand.
    init?(_ record: AuditRecord, _ texts: inout TextCache) {
        let entry = record.entry
        guard entry.kind == .outcome || entry.kind == .refusal || entry.kind == .flood else { return nil }
        var tenant: String?
        cell = UsageCell(start: UsageCell.start(of: record.place.time, .hour))
        (sequence, self.tenant) = (record.place.sequence, TenantID(""))
        var (isKey, hasCost) = (false, false)
        let isOutcome = entry.kind == .outcome
        let bytes = entry.bytes.span
        entry.forEachField { number, place in
            switch AuditField(rawValue: number) {
            case .tenant: tenant = texts.text(bytes.extracting(place))
            case .actorKind: isKey = entry.isText(place, "key")
            case .actorID where isKey: cell.key = texts.text(bytes.extracting(place))
            case .endUser: cell.user = Array(entry.bytes[place])
            case .node: cell.node = texts.text(bytes.extracting(place))
            case .model: cell.model = texts.text(bytes.extracting(place))
            case .provider: cell.provider = texts.text(bytes.extracting(place))
            case .cost where isOutcome: hasCost = true
            default: break
            }
            if isOutcome { take(number, place, of: entry) }
        }
        guard let tenant else { return nil }
        self.tenant = TenantID(tenant)
        figures.requests = 1
        if isOutcome {
            if !hasCost, figures.inputTokens > 0 || figures.outputTokens > 0 { figures.unpriced = 1 }
        } else {
            if entry.kind == .flood { figures.requests = entry.number(.count) ?? 1 }
            figures.refusals = figures.requests
        }
    }

    /// The same of nobody in particular.
    var withoutUser: UsageFact {
        var fact = self
        fact.cell.user = []
        return fact
    }

    /// Adds it to what was used.
    func add(to other: inout UsageSums) {
        other.add(figures)
        if let latency { other.latency.add(milliseconds: latency) }
        if let firstByte { other.firstByte.add(milliseconds: firstByte) }
    }

    /// Takes a figure of an outcome.
    private mutating func take(_ number: UInt8, _ place: Range<Int>, of entry: AuditEntry) {
        guard number >= AuditField.inputTokens.rawValue else { return }
        switch AuditField(rawValue: number) {
        case .inputTokens: figures.inputTokens = entry.number(place)
        case .outputTokens: figures.outputTokens = entry.number(place)
        case .cachedTokens: figures.cachedTokens = entry.number(place)
        case .cost: figures.cost = Int64(clamping: entry.number(place))
        case .isEstimated: figures.estimated = entry.number(place) == 1 ? 1 : 0
        case .outcome:
            if entry.isText(place, "refused") { figures.refusals = 1 }
            if entry.isText(place, "failed") { figures.errors = 1 }
            if entry.isText(place, "abandoned") || entry.isText(place, "interrupted") { figures.abandoned = 1 }
        case .latency: latency = entry.number(place)
        case .firstByte: firstByte = entry.number(place)
        default: break
        }
    }
}
