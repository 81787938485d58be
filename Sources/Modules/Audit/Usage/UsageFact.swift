// SPDX-License-Identifier: Apache-2.0

import Core

/// What one record of the log says about usage.
struct UsageFact: Sendable {
    let tenant: TenantID
    let sequence: Int
    let cell: UsageCell
    let sums: UsageSums

    /// Nil for records that say nothing about it: intents, acts, the house's own, and refusals of callers nobody knows.
    init?(_ record: AuditRecord) {
        guard let tenant = record.text(.tenant) else { return nil }
        var sums = UsageSums()
        switch record.kind {
        case .outcome: Self.take(record, &sums)
        case .refusal: (sums.requests, sums.refusals) = (1, 1)
        case .flood:
            let count = record.number(.count) ?? 1
            (sums.requests, sums.refusals) = (count, count)
        case .intent, .act, .house: return nil
        }
        self.tenant = TenantID(tenant)
        self.sums = sums
        sequence = record.place.sequence
        cell = UsageCell(
            start: UsageCell.start(of: record.place.time, .hour),
            key: record.text(.actorKind) == "key" ? record.text(.actorID) ?? "" : "", node: record.text(.node) ?? "",
            model: record.text(.model) ?? "", provider: record.text(.provider) ?? "",
            user: record.digest(.endUser) ?? [])
    }

    private static func take(_ record: AuditRecord, _ sums: inout UsageSums) {
        sums.requests = 1
        switch record.text(.outcome) {
        case "refused": sums.refusals = 1
        case "failed": sums.errors = 1
        case "abandoned", "interrupted": sums.abandoned = 1
        default: break
        }
        sums.inputTokens = record.number(.inputTokens) ?? 0
        sums.outputTokens = record.number(.outputTokens) ?? 0
        sums.cachedTokens = record.number(.cachedTokens) ?? 0
        if let cost = record.number(.cost) {
            sums.cost = Int64(clamping: cost)
        } else if sums.inputTokens > 0 || sums.outputTokens > 0 {
            sums.unpriced = 1
        }
        if record.number(.isEstimated) == 1 { sums.estimated = 1 }
        if let latency = record.number(.latency) { sums.latency.add(milliseconds: latency) }
        if let first = record.number(.firstByte) { sums.firstByte.add(milliseconds: first) }
    }
}
