// SPDX-License-Identifier: Apache-2.0

import Core
import Platform

/// Looks through the log from its end backwards. Blocks: on a thread of its own.
///
/// Records stand in the order of their time and in no other; so a search reads, and how much it reads is bounded: a page may
/// have fewer records than were asked for, or none, and still say that there is more behind it.
struct LogSearch: Sendable {
    /// Records that are looked at for one page.
    static let opensMax = 20_000

    let directory: LogDirectory
    let key: @Sendable (Int) throws(AuditFailure) -> SecretBytes?

    struct Found: Sendable {
        /// The newest first.
        var records: [AuditRecord] = []
        /// Where the next page begins: below this sequence. `nil` at the beginning of the log.
        var next: Int?
    }

    /// - Parameter end: only records below this sequence.
    func page(_ filter: RecordFilter, below end: Int = .max, limit: Int) throws(LogReader.Failure) -> Found {
        do throws(LogDirectory.Damage) {
            return try find(filter, below: end, limit: limit)
        } catch {
            throw .damaged(error)
        }
    }

    private func find(
        _ filter: RecordFilter, below end: Int, limit: Int
    ) throws(LogDirectory.Damage) -> Found {
        var found = Found()
        var opens = 0
        var bound = end
        for number in try directory.segmentNumbers().reversed() {
            let (header, pieces) = try directory.segment(number)
            defer { bound = min(bound, header.firstSequence) }
            guard header.firstSequence < bound else { continue }
            // Everything in it is newer than it is, and older than the one behind it.
            if let until = filter.until, until < header.created { continue }
            let sealed = Self.sealed(pieces, header, below: bound)
            guard let key = try? key(number), let seal = try? SegmentSeal(header, key: key) else {
                throw .init(file: header.name, what: "has no key: its records cannot be read")
            }
            for (place, (piece, first)) in sealed.enumerated().reversed() {
                let previous = place > 0 ? sealed[place - 1].piece.lastLeaf : header.previous
                guard found.records.count < limit, opens < Self.opensMax else {
                    found.next = min(first + piece.count, bound)
                    return found
                }
                // The last piece of a segment that is being written may be half there.
                guard let records = seal.open(piece, first: first, after: previous) else {
                    opens += piece.count
                    continue
                }
                for record in records.reversed() where record.place.sequence < bound {
                    guard found.records.count < limit, opens < Self.opensMax else {
                        found.next = record.place.sequence + 1
                        return found
                    }
                    opens += 1
                    if let since = filter.since, record.place.time < since { return found }
                    if filter.accepts(record) { found.records.append(record) }
                }
            }
        }
        return found
    }

    /// The pieces of a segment that hold records below a bound, and the first sequence of each.
    private static func sealed(
        _ pieces: SegmentPieces, _ header: SegmentHeader, below bound: Int
    ) -> [(piece: SealedPiece, first: Int)] {
        var (found, first) = ([(piece: SealedPiece, first: Int)](), header.firstSequence)
        for piece in pieces {
            guard first < bound else { break }
            found.append((piece, first))
            first += piece.count
        }
        return found
    }

    /// Gives every record from the oldest on, and says how far it is.
    func export(_ filter: RecordFilter, _ body: (AuditRecord) -> Void) throws(LogReader.Failure) {
        let reader = LogReader(directory: directory, key: key)
        _ = try reader.replay(from: 0) { record in
            if filter.accepts(record) { body(record) }
        }
    }
}
