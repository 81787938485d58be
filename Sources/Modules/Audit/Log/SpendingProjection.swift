// SPDX-License-Identifier: Apache-2.0

import Core
import Platform

/// Hands what records tell of money and tokens to whoever keeps budgets.
final class SpendingProjection: AuditProjection, @unchecked Sendable {
    private let book: any SpendingBook
    // Touched by one thread at a time: the main thread until the log's own begins.
    private(set) var next: Int
    private var texts = TextCache()
    /// What the records of a moment tell, in one sum for all that count for the same.
    private var sums: [Spending] = []
    /// Sums at once: a search among more would cost more than it spares.
    private static let sumsMax = 8

    /// - Parameter first: the first record that is wanted.
    init(_ book: any SpendingBook, from first: Int) { (self.book, next) = (book, first) }

    /// The log has been read: these intents a crash has left open, and what comes from now on is new.
    func begin(leftOpen intents: some Sequence<AuditRecord>) {
        book.begin(leftOpen: intents.compactMap(Self.held))
    }

    func apply(_ records: [AuditRecord]) {
        guard let last = records.last else { return }
        next = last.place.sequence + 1
        for record in records where record.kind == .outcome { take(record) }
        // All of it before the book hears how far it has been told.
        for spending in sums { book.take(spending) }
        sums.removeAll(keepingCapacity: true)
        book.told(through: next)
    }

    /// Adds what an outcome tells to what was told of the same before.
    private func take(_ record: AuditRecord) {
        guard let spending = outcome(record) else { return }
        guard spending.interrupted == nil else { return book.take(spending) }
        for place in sums.indices where sums[place].isAlike(spending) {
            sums[place] = sums[place].adding(spending)
            return
        }
        if sums.count == Self.sumsMax { book.take(sums.removeFirst()) }
        sums.append(spending)
    }

    /// What an outcome tells, read in one pass; nil for one that tells nothing of money and tokens.
    private func outcome(_ record: AuditRecord) -> Spending? {
        let entry = record.entry
        var (tenant, key, node, endUser) = (String?.none, String?.none, String?.none, [UInt8]?.none)
        var (tokens, cost, intent) = (0, Int?.none, Int?.none)
        var (isKey, isHeld, isInterrupted) = (false, false, false)
        let bytes = entry.bytes.span
        entry.forEachField { number, place in
            switch AuditField(rawValue: number) {
            case .tenant: tenant = texts.text(bytes.extracting(place))
            case .actorKind: isKey = entry.isText(place, "key")
            case .actorID where isKey: key = texts.text(bytes.extracting(place))
            case .endUser: endUser = Array(entry.bytes[place])
            case .node: node = texts.text(bytes.extracting(place))
            case .inputTokens, .outputTokens:
                let (sum, isTooMany) = tokens.addingReportingOverflow(entry.number(place))
                tokens = isTooMany ? .max : sum
            case .cost: cost = entry.number(place)
            case .isHeld: isHeld = entry.number(place) == 1
            case .outcome: isInterrupted = entry.isText(place, "interrupted")
            case .intent: intent = entry.number(place)
            default: break
            }
        }
        guard let tenant, tokens != 0 || cost ?? 0 != 0 else { return nil }
        return Spending(
            sequence: record.place.sequence, time: record.place.time, tenant: TenantID(tenant),
            key: key.map(KeyID.init), node: node, endUser: endUser, tokens: tokens, cost: cost, isHeld: isHeld,
            interrupted: isInterrupted ? intent : nil)
    }

    /// What an intent held back; nil for one that tells nothing of it.
    private static func held(_ record: AuditRecord) -> Spending? {
        guard let tenant = record.text(.tenant) else { return nil }
        let (input, output) = (record.number(.reservedInputTokens) ?? 0, record.number(.reservedOutputTokens) ?? 0)
        let (tokens, isTooMany) = input.addingReportingOverflow(output)
        let cost = record.number(.reservedCost)
        guard tokens != 0 || cost ?? 0 != 0 else { return nil }
        return Spending(
            sequence: record.place.sequence, time: record.place.time, tenant: TenantID(tenant),
            key: record.text(.actorKind) == "key" ? record.text(.actorID).map(KeyID.init) : nil,
            node: record.text(.node), endUser: record.digest(.endUser), tokens: isTooMany ? .max : tokens,
            cost: cost, isHeld: record.number(.isHeld) == 1)
    }
}

extension Spending {
    /// Whether it counts for the same, in the same day: then both may be told as one.
    fileprivate func isAlike(_ other: Spending) -> Bool {
        key == other.key && tenant == other.tenant && node == other.node && endUser == other.endUser
            && isHeld == other.isHeld && (cost == nil) == (other.cost == nil)
            && time.seconds / 86_400 == other.time.seconds / 86_400
    }

    /// Both together, under the later place.
    fileprivate func adding(_ other: Spending) -> Spending {
        Spending(
            sequence: other.sequence, time: other.time, tenant: tenant, key: key, node: node, endUser: endUser,
            tokens: tokens.addingClamped(other.tokens), cost: cost.map { $0.addingClamped(other.cost ?? 0) },
            isHeld: isHeld)
    }
}
