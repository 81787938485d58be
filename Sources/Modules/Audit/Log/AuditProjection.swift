// SPDX-License-Identifier: Apache-2.0

/// What is made of the log's records and kept in memory: open intents, usage. It can be thrown away and made again.
protocol AuditProjection: AnyObject, Sendable {
    /// The first sequence that it has not seen: the replay at the start begins there. 0 for a projection without a snapshot.
    var next: Int { get }

    /// Takes the next records. In order, each once, and only what is on the disk: a power cut takes what is not, and its
    /// sequence is then another's. At the start on the main thread, then on the log's own.
    func apply(_ records: AuditRecords)
}

extension AuditProjection {
    func apply(_ record: AuditRecord) { apply(AuditRecords(CollectionOfOne(record))) }
}

/// Intents whose outcome has not been written. After a crash they are closed at the next start.
final class OpenIntents: AuditProjection, @unchecked Sendable {
    /// Those that are closed are thrown away once there are so many of them for each that is open.
    private static let closedPerOpen = 4
    /// Room that is kept where none is open.
    private static let keptMax = 4096

    // Touched by one thread at a time: the main thread until the log's own begins.
    private(set) var next: Int
    /// In the order of the log; the record of one that is closed has gone.
    private var intents: [(sequence: Int, record: AuditRecord?)] = []
    /// The first that is open.
    private var head = 0
    /// How many are open.
    private(set) var count = 0
    /// Of the records that are taken together: whether they are intents whose end is there too. Kept for its room.
    private var closedAtOnce: [Bool] = []

    /// - Parameter first: no intent before it is open.
    init(from first: Int) { next = first }

    func apply(_ records: AuditRecords) {
        guard let begin = records.marks.first?.place.sequence else { return }
        let bytes = records.bytes.span
        // Most end in the same moment in which they began, and need not be kept.
        closedAtOnce.removeAll(keepingCapacity: true)
        closedAtOnce.append(contentsOf: repeatElement(false, count: records.count))
        for mark in records.marks where mark.kind != .intent {
            // To look is to fetch what has left the processor's memory since.
            guard let intent = mark.intent ?? Self.intent(bytes.extracting(mark.fields).extracting(mark.figures...))
            else { continue }
            let place = intent - begin
            // In their order and without gaps; but nothing is taken for granted of what stands in a file.
            if closedAtOnce.indices.contains(place), records.marks[place].kind == .intent,
                records.marks[place].place.sequence == intent, intent < mark.place.sequence
            {
                closedAtOnce[place] = true
            } else {
                close(intent)
            }
        }
        for index in closedAtOnce.indices where records.marks[index].kind == .intent && !closedAtOnce[index] {
            intents.append((records.marks[index].place.sequence, records.record(index)))
            count += 1
        }
        next = records.marks[records.count - 1].place.sequence + 1
    }

    /// The intent that a record is the end of.
    ///
    /// - Parameter fields: its last ones, which that is one of.
    private static func intent(_ fields: Span<UInt8>) -> Int? {
        var intent: Int?
        fields.forEachField { number, place in
            if number == AuditField.intent.rawValue { intent = fields.number(at: place) }
        }
        return intent
    }

    private func close(_ sequence: Int) {
        // They are few and in order: sooner found than by a hash.
        var (place, end) = (head, intents.count)
        while place < end {
            let middle = (place + end) / 2
            if intents[middle].sequence < sequence { place = middle + 1 } else { end = middle }
        }
        guard place < intents.count, intents[place].sequence == sequence, intents[place].record != nil else { return }
        intents[place].record = nil
        count -= 1
        while head < intents.count, intents[head].record == nil { head += 1 }
        if count == 0 {
            intents.removeAll(keepingCapacity: intents.capacity <= Self.keptMax)
            head = 0
        } else if intents.count >= (count + Self.keptMax / Self.closedPerOpen) * Self.closedPerOpen {
            intents.removeAll { $0.record == nil }
            head = 0
        }
    }

    /// Those that are open, by their sequence.
    var open: [Int: AuditRecord] {
        intents[head...].reduce(into: [:]) { open, intent in open[intent.sequence] = intent.record }
    }

    /// The first sequence from which a replay finds every intent that is open now.
    var first: Int { head < intents.count ? intents[head].sequence : next }
}
