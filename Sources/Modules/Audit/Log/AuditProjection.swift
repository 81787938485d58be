// SPDX-License-Identifier: Apache-2.0

/// What is made of the log's records and kept in memory: open intents, usage. It can be thrown away and made again.
protocol AuditProjection: AnyObject, Sendable {
    /// The first sequence that it has not seen: the replay at the start begins there. 0 for a projection without a snapshot.
    var next: Int { get }

    /// Takes the next records. In order, each once, and only what is on the disk: a power cut takes what is not, and its
    /// sequence is then another's. At the start on the main thread, then on the log's own.
    func apply(_ records: [AuditRecord])
}

extension AuditProjection {
    func apply(_ record: AuditRecord) { apply([record]) }
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

    /// - Parameter first: no intent before it is open.
    init(from first: Int) { next = first }

    func apply(_ records: [AuditRecord]) {
        for record in records {
            next = record.place.sequence + 1
            if record.kind == .intent {
                intents.append((record.place.sequence, record))
                count += 1
            } else if let intent = record.number(.intent) {
                close(intent)
            }
        }
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
