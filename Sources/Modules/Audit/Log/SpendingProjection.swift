// SPDX-License-Identifier: Apache-2.0

import Core

/// Hands what records tell of money and tokens to whoever keeps budgets.
final class SpendingProjection: AuditProjection, @unchecked Sendable {
    private let book: any SpendingBook
    // Touched by one thread at a time: the main thread until the log's own begins.
    private(set) var next: Int

    /// - Parameter first: the first record that is wanted.
    init(_ book: any SpendingBook, from first: Int) { (self.book, next) = (book, first) }

    /// The log has been read: these intents a crash has left open, and what comes from now on is new.
    func begin(leftOpen intents: some Sequence<AuditRecord>) {
        book.begin(
            leftOpen: intents.compactMap {
                Self.spending($0, .reservedInputTokens, .reservedOutputTokens, .reservedCost, interrupted: nil)
            })
    }

    func apply(_ record: AuditRecord) {
        next = record.place.sequence + 1
        if record.kind == .outcome {
            let isInterrupted = record.text(.outcome) == "interrupted"
            let spending = Self.spending(
                record, .inputTokens, .outputTokens, .cost, interrupted: isInterrupted ? record.number(.intent) : nil)
            if let spending { book.take(spending) }
        }
        book.told(through: next)
    }

    /// Nil for a record that tells nothing of it.
    private static func spending(
        _ record: AuditRecord, _ input: AuditField, _ output: AuditField, _ cost: AuditField, interrupted: Int?
    ) -> Spending? {
        guard let tenant = record.text(.tenant) else { return nil }
        let (tokens, isTooMany) = (record.number(input) ?? 0).addingReportingOverflow(record.number(output) ?? 0)
        guard tokens != 0 || record.number(cost) ?? 0 != 0 else { return nil }
        return Spending(
            sequence: record.place.sequence, time: record.place.time, tenant: TenantID(tenant),
            key: record.text(.actorKind) == "key" ? record.text(.actorID).map(KeyID.init) : nil,
            node: record.text(.node), endUser: record.digest(.endUser), tokens: isTooMany ? .max : tokens,
            cost: record.number(cost), isHeld: record.number(.isHeld) == 1, interrupted: interrupted)
    }
}
