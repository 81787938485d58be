// SPDX-License-Identifier: Apache-2.0

import Bytes
import Crypto

/// Entries on their way into the log, their texts (``AuditRecord``) one behind the other in one piece of memory: a turn's worth of
/// them takes no allocation and no count of references for each, and is copied and sealed as one.
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
        let start = bytes.appendText(entry.kind, entry.bytes.span)
        marks.append(Mark(kind: entry.kind, claim: claim, place: start..<bytes.count))
    }

    /// Adds an entry whose fields `write` writes where they will stand.
    @inline(__always)
    mutating func append(_ kind: AuditKind, _ claim: LogWriter.Claim, _ write: (inout FieldWriter) -> Void) {
        let start = bytes.count + AuditRecord.kindByteCount
        var figures = 0
        var intent: Int?
        bytes.append(addingCapacity: AuditRecord.kindByteCount + FieldWriter.byteCountMax) { room in
            room.append(kind.rawValue)
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

    /// Where the texts of some of them are, one behind the other.
    ///
    /// - Precondition: there is one at least.
    func text(of range: Range<Int>) -> Range<Int> {
        marks[range.lowerBound].place.lowerBound
            - AuditRecord.kindByteCount..<marks[range.upperBound - 1].place.upperBound
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
        let place: AuditRecord.Place
        /// Where its fields are, in ``AuditRecords/bytes``.
        let fields: Range<Int>
        /// How many of those bytes are known to be of fields before the figures (``AuditField/isFigure``).
        var figures = 0
        /// The intent that it is the end of, where that is known without looking.
        var intent: Int?

        /// Bytes of its text.
        var textByteCount: Int { AuditRecord.kindByteCount + fields.count }
    }

    private(set) var marks: [Mark] = []
    private(set) var bytes: [UInt8] = []

    init() {}

    init(_ records: some Sequence<AuditRecord>) {
        for record in records {
            let start = bytes.appendText(record.kind, record.entry.bytes.span)
            marks.append(Mark(kind: record.kind, claim: .plain, place: record.place, fields: start..<bytes.count))
        }
    }

    var count: Int { marks.count }
    var isEmpty: Bool { marks.isEmpty }

    /// Adds entries that were written in one moment.
    ///
    /// - Parameters:
    ///   - range: which of them.
    ///   - first: the place of the first.
    mutating func append(_ entries: borrowing AuditEntries, _ range: Range<Int>, at first: AuditRecord.Place) {
        guard !range.isEmpty else { return }
        let text = entries.text(of: range)
        let (shift, source) = (bytes.count - text.lowerBound, entries.bytes.span.extracting(text))
        bytes.append(addingCapacity: source.count) { $0.append(source) }
        var place = first
        for index in range {
            let mark = entries.marks[index]
            marks.append(
                Mark(
                    kind: mark.kind, claim: mark.claim, place: place,
                    fields: mark.place.lowerBound + shift..<mark.place.upperBound + shift, figures: mark.figures,
                    intent: mark.intent))
            place.sequence += 1
        }
    }

    mutating func append(_ other: AuditRecords) {
        guard !isEmpty else { return self = other }
        let (shift, source) = (bytes.count, other.bytes.span)
        bytes.append(addingCapacity: source.count) { $0.append(source) }
        for mark in other.marks {
            marks.append(
                Mark(
                    kind: mark.kind, claim: mark.claim, place: mark.place,
                    fields: mark.fields.lowerBound + shift..<mark.fields.upperBound + shift, figures: mark.figures,
                    intent: mark.intent))
        }
    }

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

    /// Where the texts of some of them are, one behind the other.
    ///
    /// - Precondition: there is one at least.
    func text(of range: Range<Int>) -> Range<Int> {
        marks[range.lowerBound].fields.lowerBound
            - AuditRecord.kindByteCount..<marks[range.upperBound - 1].fields.upperBound
    }

    /// One by itself.
    func record(_ index: Int) -> AuditRecord {
        let mark = marks[index]
        return AuditRecord(AuditEntry(mark.kind, checked: Array(bytes[mark.fields])), at: mark.place)
    }
}

extension [UInt8] {
    /// Adds the text of a record.
    ///
    /// - Returns: where its fields begin.
    fileprivate mutating func appendText(_ kind: AuditKind, _ fields: Span<UInt8>) -> Int {
        append(addingCapacity: AuditRecord.kindByteCount + fields.count) { room in
            room.append(kind.rawValue)
            room.append(fields)
        }
        return count - fields.count
    }
}
