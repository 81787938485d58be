// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Platform

/// Hands what records tell of money and tokens to whoever keeps budgets.
final class SpendingProjection: AuditProjection, @unchecked Sendable {
    private let book: any SpendingBook
    // Touched by one thread at a time: the main thread until the log's own begins.
    private(set) var next: Int
    private var texts = TextCache()
    /// What the records of a moment tell, in one sum for all that count for the same.
    private var sums: [Sum] = []
    /// Sums at once: a search among more would cost more than it spares.
    private static let sumsMax = 8

    /// - Parameter first: the first record that is wanted.
    init(_ book: any SpendingBook, from first: Int) { (self.book, next) = (book, first) }

    /// The log has been read: these intents a crash has left open, and what comes from now on is new.
    func begin(leftOpen intents: some Sequence<AuditRecord>) {
        book.begin(leftOpen: intents.compactMap(Self.held))
    }

    func apply(_ records: AuditRecords) {
        guard let last = records.marks.last else { return }
        next = last.place.sequence + 1
        let bytes = records.bytes.span
        // Many count for the same as the one before: that is found once for all of them.
        var latest: Sum?
        for mark in records.marks where mark.kind == .outcome {
            let fields = bytes.extracting(mark.fields)
            let figures = Figures(fields.extracting(mark.figures...))
            guard figures.tokens != 0 || figures.cost ?? 0 != 0 else { continue }
            if let latest, !figures.isInterrupted, latest.isAlike(mark.place, figures, fields) {
                latest.add(mark.place, figures)
            } else {
                latest = take(mark.place, figures, fields)
            }
        }
        // All of it before the book hears how far it has been told.
        for sum in sums { book.take(sum.spending) }
        sums.removeAll(keepingCapacity: true)
        book.told(through: next)
    }

    /// Adds what an outcome tells to what was told of the same before.
    ///
    /// - Returns: the sum that it is in, if it is in any.
    private func take(_ place: AuditRecord.Place, _ figures: Figures, _ fields: Span<UInt8>) -> Sum? {
        if !figures.isInterrupted, let like = sums.first(where: { $0.isAlike(place, figures, fields) }) {
            like.add(place, figures)
            return like
        }
        guard let first = spending(place, figures, fields) else { return nil }
        guard !figures.isInterrupted else {
            book.take(first)
            return nil
        }
        if sums.count == Self.sumsMax { book.take(sums.removeFirst().spending) }
        let sum = Sum(first, fields)
        sums.append(sum)
        return sum
    }

    /// The figures of an outcome.
    private struct Figures {
        var tokens = 0
        var cost: Int?
        var intent: Int?
        var isHeld = false
        var isInterrupted = false

        init(_ fields: Span<UInt8>) {
            fields.forEachField { number, place in
                guard number >= AuditField.inputTokens.rawValue else { return }
                switch AuditField(rawValue: number) {
                case .inputTokens, .outputTokens: tokens = tokens.addingClamped(fields.number(at: place))
                case .cost: cost = fields.number(at: place)
                case .isHeld: isHeld = fields.number(at: place) == 1
                case .outcome: isInterrupted = fields.isText(at: place, "interrupted")
                case .intent: intent = fields.number(at: place)
                default: break
                }
            }
        }
    }

    /// Outcomes that count for the same, in the same day: they may be told as one. An object, so that looking through them copies
    /// nothing.
    private final class Sum {
        private static let subject = FieldSet(.tenant, .actorKind, .actorID, .endUser, .node)

        private let first: Spending
        /// ``subject`` of its outcomes.
        private let fields: [UInt8]
        private let day: Int64
        private var sequence: Int
        private var time: WallTime
        private var tokens: Int
        private var cost: Int?

        init(_ first: Spending, _ fields: Span<UInt8>) {
            (self.first, self.fields, day) = (first, fields.fields(Self.subject), Self.day(first.time))
            (sequence, time, tokens, cost) = (first.sequence, first.time, first.tokens, first.cost)
        }

        private static func day(_ time: WallTime) -> Int64 { time.seconds / 86_400 }

        func isAlike(_ place: AuditRecord.Place, _ figures: Figures, _ fields: Span<UInt8>) -> Bool {
            let own = self.fields
            return first.isHeld == figures.isHeld && (cost == nil) == (figures.cost == nil)
                && day == Self.day(place.time)
                && fields.hasFields(Self.subject, own.span)
        }

        func add(_ place: AuditRecord.Place, _ figures: Figures) {
            (sequence, time) = (place.sequence, place.time)
            tokens = tokens.addingClamped(figures.tokens)
            if let other = figures.cost { cost = cost?.addingClamped(other) }
        }

        /// All of them together, under the last place.
        var spending: Spending {
            Spending(
                sequence: sequence, time: time, tenant: first.tenant, key: first.key, node: first.node,
                endUser: first.endUser, tokens: tokens, cost: cost, isHeld: first.isHeld)
        }
    }

    /// What an outcome tells; nil for one of nobody.
    private func spending(
        _ place: AuditRecord.Place, _ figures: Figures, _ fields: Span<UInt8>
    ) -> Spending? {
        var (tenant, key, node, endUser) = (String?.none, String?.none, String?.none, [UInt8]?.none)
        var isKey = false
        fields.forEachField { number, place in
            switch AuditField(rawValue: number) {
            case .tenant: tenant = texts.text(fields.extracting(place))
            case .actorKind: isKey = fields.isText(at: place, "key")
            case .actorID where isKey: key = texts.text(fields.extracting(place))
            case .endUser: endUser = Array(copying: fields.extracting(place))
            case .node: node = texts.text(fields.extracting(place))
            default: break
            }
        }
        guard let tenant else { return nil }
        return Spending(
            sequence: place.sequence, time: place.time, tenant: TenantID(tenant), key: key.map(KeyID.init), node: node,
            endUser: endUser, tokens: figures.tokens, cost: figures.cost, isHeld: figures.isHeld,
            interrupted: figures.isInterrupted ? figures.intent : nil)
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
