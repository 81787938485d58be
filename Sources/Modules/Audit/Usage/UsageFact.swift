// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core

/// What one record of the log says about usage.
struct UsageFact: Sendable {
    private(set) var tenant: TenantID
    let sequence: Int
    private(set) var cell: UsageCell
    private let figures: UsageFigures

    /// Nil for records that say nothing about it: intents, acts, the house's own, and refusals of callers nobody knows.
    init?(_ record: AuditRecord) {
        var texts = TextCache()
        self.init(record.kind, record.place, record.entry.bytes.span, &texts)
    }

    /// The same with the texts of earlier ones at hand, of a record whose fields lie somewhere else.
    init?(_ kind: AuditKind, _ place: AuditRecord.Place, _ fields: Span<UInt8>, _ texts: inout TextCache) {
        guard let figures = UsageFigures(kind, fields) else { return nil }
        var tenant: String?
        var cell = UsageCell(start: UsageCell.start(of: place.time, .hour))
        var isKey = false
        fields.forEachField { number, place in
            switch AuditField(rawValue: number) {
            case .tenant: tenant = texts.text(fields.extracting(place))
            case .actorKind: isKey = fields.isText(at: place, "key")
            case .actorID where isKey: cell.key = texts.text(fields.extracting(place))
            case .endUser: cell.user = Array(copying: fields.extracting(place))
            case .node: cell.node = texts.text(fields.extracting(place))
            case .model: cell.model = texts.text(fields.extracting(place))
            case .provider: cell.provider = texts.text(fields.extracting(place))
            default: break
            }
        }
        guard let tenant else { return nil }
        (self.tenant, self.cell, self.figures, sequence) = (TenantID(tenant), cell, figures, place.sequence)
    }

    /// Whether records of that kind may tell of usage.
    static func mayTell(_ kind: AuditKind) -> Bool { kind == .outcome || kind == .refusal || kind == .flood }

    /// The fields that say whose it is and what of: records of one hour that are alike in them are of one cell.
    static let cellFields = FieldSet(.tenant, .actorKind, .actorID, .endUser, .node, .model, .provider)

    /// The same of nobody in particular.
    var withoutUser: UsageFact {
        var fact = self
        fact.cell.user = []
        return fact
    }

    /// Adds it to what was used.
    func add(to sums: inout UsageSums) { figures.add(to: &sums) }
}

/// The figures of one record, without any memory of their own.
struct UsageFigures: Sendable {
    private var requests = 1
    private var refusals = 0
    private var errors = 0
    private var abandoned = 0
    private var inputTokens = 0
    private var outputTokens = 0
    private var cachedTokens = 0
    private var cost: Int?
    private var isEstimated = false
    /// Milliseconds.
    private var latency: Int?
    private var firstByte: Int?

    /// Nil for a record that says nothing about usage.
    init?(_ kind: AuditKind, _ fields: Span<UInt8>) {
        switch kind {
        case .outcome: take(fields)
        case .refusal: refusals = 1
        case .flood:
            fields.forEachField { number, place in
                if number == AuditField.count.rawValue { requests = fields.number(at: place) }
            }
            refusals = requests
        case .intent, .act, .house: return nil
        }
    }

    /// Takes the figures of an outcome.
    private mutating func take(_ fields: Span<UInt8>) {
        fields.forEachField { number, place in
            guard number >= AuditField.inputTokens.rawValue else { return }
            switch AuditField(rawValue: number) {
            case .inputTokens: inputTokens = fields.number(at: place)
            case .outputTokens: outputTokens = fields.number(at: place)
            case .cachedTokens: cachedTokens = fields.number(at: place)
            case .cost: cost = fields.number(at: place)
            case .isEstimated: isEstimated = fields.number(at: place) == 1
            case .outcome:
                if fields.isText(at: place, "answered") { return }
                if fields.isText(at: place, "refused") { refusals = 1 }
                if fields.isText(at: place, "failed") { errors = 1 }
                if fields.isText(at: place, "abandoned") || fields.isText(at: place, "interrupted") { abandoned = 1 }
            case .latency: latency = fields.number(at: place)
            case .firstByte: firstByte = fields.number(at: place)
            default: break
            }
        }
    }

    /// Adds them to what was used.
    func add(to sums: inout UsageSums) {
        sums.requests = sums.requests.addingClamped(requests)
        sums.refusals = sums.refusals.addingClamped(refusals)
        sums.errors = sums.errors.addingClamped(errors)
        sums.abandoned = sums.abandoned.addingClamped(abandoned)
        sums.inputTokens = sums.inputTokens.addingClamped(inputTokens)
        sums.outputTokens = sums.outputTokens.addingClamped(outputTokens)
        sums.cachedTokens = sums.cachedTokens.addingClamped(cachedTokens)
        if let cost {
            sums.cost = sums.cost.addingClamped(Int64(cost))
        } else if inputTokens > 0 || outputTokens > 0 {
            sums.unpriced = sums.unpriced.addingClamped(1)
        }
        if isEstimated { sums.estimated = sums.estimated.addingClamped(1) }
        if let latency { sums.latency.add(milliseconds: latency) }
        if let firstByte { sums.firstByte.add(milliseconds: firstByte) }
    }
}
