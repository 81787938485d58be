// SPDX-License-Identifier: Apache-2.0

import Bytes
import Crypto

/// Entries on their way into the log, their fields one behind the other in one piece of memory: a turn's worth of them takes
/// no allocation and no count of references for each.
struct AuditEntries: Sendable {
    struct Mark: Sendable {
        let kind: AuditKind
        let claim: LogWriter.Claim
        /// Where its fields are, in ``AuditEntries/bytes``.
        let place: Range<Int>
        /// How many of those bytes are known to be of fields before the figures.
        var figures = 0
        /// The intent that it is the end of, where that is known without looking.
        var intent: Int?
    }

    private(set) var marks: [Mark] = []
    private(set) var bytes: [UInt8] = []

    init() {}

    init(_ items: [LogWriter.Item]) { for item in items { append(item.entry, item.claim) } }

    var count: Int { marks.count }
    var isEmpty: Bool { marks.isEmpty }

    /// The same one by one.
    var items: [LogWriter.Item] {
        marks.map { (AuditEntry($0.kind, checked: Array(bytes[$0.place])), $0.claim) }
    }

    mutating func append(_ entry: borrowing AuditEntry, _ claim: LogWriter.Claim) {
        let (fields, start) = (entry.bytes.span, bytes.count)
        bytes.append(addingCapacity: fields.count) { $0.append(fields) }
        marks.append(Mark(kind: entry.kind, claim: claim, place: start..<bytes.count))
    }

    /// Adds an entry whose fields `write` writes where they will stand.
    @inline(__always)
    mutating func append(_ kind: AuditKind, _ claim: LogWriter.Claim, _ write: (inout FieldWriter) -> Void) {
        let start = bytes.count
        var figures = 0
        var intent: Int?
        bytes.append(addingCapacity: FieldWriter.byteCountMax) { room in
            unsafe room.withUnsafeMutableBufferPointer { buffer, initialized in
                // Room was asked for, so there is an address; what is written there is the writer's alone meanwhile.
                guard let base = buffer.baseAddress else { return }
                var writer = unsafe FieldWriter(at: UnsafeMutableRawPointer(base + initialized))
                write(&writer)
                initialized += writer.count
                (figures, intent) = (writer.figures, writer.intent)
            }
        }
        marks.append(
            Mark(kind: kind, claim: claim, place: start..<bytes.count, figures: figures, intent: intent))
    }

    /// Forgets all of them and keeps their room.
    mutating func removeAll() {
        marks.removeAll(keepingCapacity: true)
        bytes.removeAll(keepingCapacity: true)
    }
}

/// Records in the order of the log, in the same form: so they wait for the disk, and are then told to whatever is made of them.
struct AuditRecords: Sendable {
    struct Mark: Sendable {
        let kind: AuditKind
        let claim: LogWriter.Claim
        var place: AuditRecord.Place
        /// Where its fields are, in ``AuditRecords/bytes``.
        let fields: Range<Int>
        /// How many of those bytes are known to be of fields before the figures (``AuditField/isFigure``).
        var figures = 0
        /// The intent that it is the end of, where that is known without looking.
        var intent: Int?
    }

    private(set) var marks: [Mark] = []
    private(set) var bytes: [UInt8] = []

    init() {}

    init(_ records: some Sequence<AuditRecord>) {
        for record in records {
            let entry = record.entry
            append(entry.kind, .plain, record.place, entry.bytes.span)
        }
    }

    var count: Int { marks.count }
    var isEmpty: Bool { marks.isEmpty }

    mutating func append(
        _ kind: AuditKind, _ claim: LogWriter.Claim, _ place: AuditRecord.Place, _ fields: Span<UInt8>,
        figures: Int = 0, intent: Int? = nil
    ) {
        let start = bytes.count
        bytes.append(addingCapacity: fields.count) { $0.append(fields) }
        marks.append(
            Mark(
                kind: kind, claim: claim, place: place, fields: start..<bytes.count, figures: figures, intent: intent))
    }

    mutating func append(_ other: AuditRecords) {
        guard !isEmpty else { return self = other }
        let fields = other.bytes.span
        for mark in other.marks {
            append(
                mark.kind, mark.claim, mark.place, fields.extracting(mark.fields), figures: mark.figures,
                intent: mark.intent)
        }
    }

    /// Says of one what it follows.
    mutating func follow(_ previous: Digest?, at index: Int) { marks[index].place.previous = previous }

    /// Keeps the first `count`.
    mutating func truncate(to count: Int) {
        bytes.removeLast(bytes.count - (count > 0 ? marks[count - 1].fields.upperBound : 0))
        marks.removeLast(marks.count - count)
    }

    /// Gives all of it away.
    mutating func take() -> AuditRecords { exchange(&self, with: AuditRecords()) }

    /// Forgets all of them and keeps their room.
    mutating func removeAll() {
        marks.removeAll(keepingCapacity: true)
        bytes.removeAll(keepingCapacity: true)
    }

    /// Bytes of the room that is kept for fields.
    var roomByteCount: Int { bytes.capacity }

    /// One by itself.
    func record(_ index: Int) -> AuditRecord {
        let mark = marks[index]
        return AuditRecord(AuditEntry(mark.kind, checked: Array(bytes[mark.fields])), at: mark.place)
    }
}
