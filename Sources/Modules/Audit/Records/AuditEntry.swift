// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Crypto

/// What a record is about.
enum AuditKind: UInt8, CaseIterable, Sendable {
    /// Something is about to leave the house.
    case intent = 1
    /// How that ended. Exactly one for each intent.
    case outcome = 2
    /// Refused before anything left: an outcome that needs no intent.
    case refusal = 3
    /// Many refusals that are alike, counted.
    case flood = 4
    /// An act of administration.
    case act = 5
    /// Of the house itself: start, stop, a new segment, a torn end.
    case house = 6
}

/// What one record says, before the log gives it its place: fields in their binary form.
///
///     field       1   its number; each at most once, ascending
///     length      1   0 to 255
///     value           text in UTF-8; a number big endian without leading zeros; the bytes of a digest
struct AuditEntry: FieldSink, Equatable, Sendable {
    /// Bytes that all fields together should have at most: room is kept for so many. Nothing forbids more.
    static let bytesMax = 2048
    /// Bytes of one value. Longer text is cut at a character.
    static let valueBytesMax = 255

    /// Bytes of a name from the configuration or a client: with it an outcome fits into what is reserved for one.
    static let nameBytesMax = 96

    let kind: AuditKind
    private(set) var bytes: [UInt8] = []
    private var last: UInt8 = 0

    /// Room that most entries do with.
    private static let bytesUsual = 320

    init(_ kind: AuditKind) {
        self.kind = kind
        bytes.reserveCapacity(Self.bytesUsual)
    }

    /// Takes up bytes that were checked by ``AuditRecord``.
    init(_ kind: AuditKind, checked bytes: [UInt8]) {
        self.kind = kind
        self.bytes = bytes
    }

    mutating func begin(_ head: Span<UInt8>, upTo field: AuditField) {
        precondition(bytes.isEmpty, "a head comes first")
        bytes.append(addingCapacity: head.count) { $0.append(head) }
        last = field.rawValue
    }

    mutating func put(_ field: AuditField, _ value: Span<UInt8>) {
        begin(field)
        bytes.append(addingCapacity: 2 + value.count) { room in
            room.append(field.rawValue)
            room.append(UInt8(value.count))
            room.append(value)
        }
    }

    mutating func put(_ field: AuditField, _ number: UInt64, count: Int) {
        begin(field)
        bytes.append(addingCapacity: 2 + count) { room in
            room.append(field.rawValue)
            room.append(UInt8(count))
            for place in (0..<count).reversed() { room.append(UInt8(truncatingIfNeeded: number >> (8 * place))) }
        }
    }

    /// Something of the house itself.
    ///
    /// - Parameters:
    ///   - file: of the data directory.
    ///   - generation: of what was changed.
    static func house(
        _ action: String, file: String? = nil, bytes: Int? = nil, generation: Int? = nil
    ) -> AuditEntry {
        var entry = AuditEntry(.house)
        entry.set(.actorKind, "house")
        entry.set(.action, action)
        entry.set(.file, file)
        entry.set(.bytes, bytes)
        entry.set(.generation, generation)
        return entry
    }

    /// That the house has blocked somebody for what they did.
    static func block(_ subject: BlockSubject, of tenant: TenantID?, _ digester: Digester) -> AuditEntry {
        var entry = AuditEntry(.house)
        entry.set(.tenant, tenant?.text)
        entry.set(.actorKind, "house")
        if case .address(let bytes) = subject { entry.set(.address, digest: digester.digest("address", bytes)) }
        if case .user(let digest) = subject { entry.set(.endUser, digest: digest) }
        entry.set(.action, "block")
        if case .key(let id) = subject { entry.set(.object, id.text) }
        return entry
    }

    /// What the house did to something of a tenant's.
    static func house(_ action: String, of tenant: TenantID, object: String) -> AuditEntry {
        var entry = AuditEntry(.house)
        entry.set(.tenant, tenant.text)
        entry.set(.actorKind, "house")
        entry.set(.action, action)
        entry.set(.object, object)
        return entry
    }

    /// That this log was begun where another could not be continued, and what that one had signed for.
    static func followed(_ earlier: Checkpoint) -> AuditEntry {
        var entry = house("begin-anew")
        entry.set(.earlierSize, earlier.size)
        entry.set(.earlierRoot, digest: earlier.root.bytes)
        return entry
    }

    /// The outcome of an intent that a crash has left open: settled at what was reserved, since nobody knows better.
    static func interrupted(_ intent: AuditRecord) -> AuditEntry {
        outcome(of: intent.place.sequence, intent.entry) { entry in
            guard let output = intent.number(.reservedOutputTokens) else { return }
            entry.set(.inputTokens, intent.number(.reservedInputTokens))
            entry.set(.outputTokens, output)
            entry.set(.cost, intent.number(.reservedCost))
            entry.set(.isEstimated, 1)
        } end: { entry in
            entry.set(.outcome, "interrupted")
        }
    }

    /// The outcome of an intent that was written too late for anything to come of it.
    static func unbegun(_ sequence: Int, _ intent: AuditEntry) -> AuditEntry {
        outcome(of: sequence, intent) { _ in
        } end: { entry in
            entry.set(.outcome, "failed")
            entry.set(.status, 503)
            entry.set(.code, "audit_unavailable")
        }
    }

    /// An outcome that repeats what its intent says.
    private static func outcome(
        of sequence: Int, _ intent: AuditEntry, figures: (inout AuditEntry) -> Void, end: (inout AuditEntry) -> Void
    ) -> AuditEntry {
        var entry = AuditEntry(.outcome)
        let repeated: [AuditField] = [
            .tenant, .actorKind, .actorID, .keyPrefix, .address, .endUser, .action, .object, .objectDigest, .requestID,
            .route, .node, .model, .provider, .upstreamModel, .isStreamed,
        ]
        for field in repeated {
            switch field.form {
            case .text: entry.set(field, intent.text(field))
            case .number: entry.set(field, intent.number(field))
            case .digest: entry.set(field, digest: intent.digest(field))
            }
        }
        figures(&entry)
        end(&entry)
        entry.set(.intent, sequence)
        return entry
    }

    private mutating func begin(_ field: AuditField) {
        precondition(field.rawValue > last, "fields are written in the order of their numbers, each once")
        last = field.rawValue
    }

    // MARK: Reading

    func text(_ field: AuditField) -> String? {
        place(of: field).map { String(decoding: bytes[$0], as: UTF8.self) }
    }

    /// A number too large for `Int` is its largest.
    func number(_ field: AuditField) -> Int? { place(of: field).map { bytes.span.number(at: $0) } }

    func digest(_ field: AuditField) -> [UInt8]? { place(of: field).map { Array(bytes[$0]) } }

    private func place(of field: AuditField) -> Range<Int>? {
        var offset = 0
        while offset + 2 <= bytes.count {
            let end = min(offset + 2 + Int(bytes[offset + 1]), bytes.count)
            if bytes[offset] == field.rawValue { return offset + 2..<end }
            offset = end
        }
        return nil
    }
}
