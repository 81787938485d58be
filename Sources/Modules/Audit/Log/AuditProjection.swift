// SPDX-License-Identifier: Apache-2.0

/// What is made of the log's records and kept in memory: open intents, usage. It can be thrown away and made again.
protocol AuditProjection: AnyObject, Sendable {
    /// The first sequence that it has not seen: the replay at the start begins there. 0 for a projection without a snapshot.
    var next: Int { get }

    /// Takes the next record. In order, each once, and only what is on the disk: a power cut takes what is not, and its
    /// sequence is then another's. At the start on the main thread, then on the log's own.
    func apply(_ record: AuditRecord)
}

/// Intents whose outcome has not been written. After a crash they are closed at the next start.
final class OpenIntents: AuditProjection, @unchecked Sendable {
    // Touched by one thread at a time: the main thread until the log's own begins.
    private(set) var open: [Int: AuditRecord] = [:]
    private(set) var next: Int

    /// - Parameter first: no intent before it is open.
    init(from first: Int) { next = first }

    func apply(_ record: AuditRecord) {
        next = record.place.sequence + 1
        if record.kind == .intent {
            open[record.place.sequence] = record
        } else if let intent = record.number(.intent) {
            open[intent] = nil
        }
    }

    /// The first sequence from which a replay finds every intent that is open now.
    var first: Int { open.keys.min() ?? next }
}
