// SPDX-License-Identifier: Apache-2.0

import Crypto
import Platform

/// Reads records with the segments' keys: for the start after a crash, for usage, for search.
struct LogReader {
    let directory: LogDirectory
    /// The key of a segment by its number; nil where it has been destroyed.
    let key: (Int) throws(AuditFailure) -> SecretBytes?

    enum Failure: Error, Equatable, Sendable {
        case damaged(LogDirectory.Damage)
        case keys(AuditFailure)
    }

    /// Where a log that was read ends.
    struct Tail: Sendable {
        var edge = LogEdge()
        var lastNumber = 0
        /// Bytes at the end that are no record: torn by a power cut, or by a hand.
        var tornBytes = 0
    }

    /// Gives every record from a sequence on, in order, checked against its place and what stands before it.
    ///
    /// - Parameters:
    ///   - first: the first sequence wanted; what has gone by retention is left out.
    ///   - checkpoints: compared with the tree where it has their sizes.
    func replay(
        from first: Int, checking checkpoints: [Checkpoint] = [], _ body: (AuditRecord) -> Void
    ) throws(Failure) -> Tail {
        do throws(LogDirectory.Damage) {
            let numbers = try directory.segmentNumbers()
            var headers: [SegmentHeader] = []
            for number in numbers { headers.append(try directory.header(number)) }
            // The last segment that begins at or before it, or else the oldest.
            let start = headers.lastIndex { $0.firstSequence <= first } ?? 0
            var tail = Tail()
            tail.lastNumber = numbers.last ?? 0
            guard start < headers.count else { return tail }
            tail.edge = try edge(of: headers[start].firstSequence, headers[..<start])
            for place in start..<headers.count {
                let end = place + 1 < headers.count ? headers[place + 1].firstSequence : nil
                try read(headers[place], upTo: end, checkpoints, &tail) { record in
                    if record.place.sequence >= first { body(record) }
                }
            }
            return tail
        } catch {
            throw .damaged(error)
        }
    }

    private func read(
        _ header: SegmentHeader, upTo end: Int?, _ checkpoints: [Checkpoint], _ tail: inout Tail,
        _ body: (AuditRecord) -> Void
    ) throws(LogDirectory.Damage) {
        var pieces = try directory.segment(header.number).pieces
        guard header.firstSequence == tail.edge.size, header.previous == tail.edge.last else {
            throw .init(file: header.name, what: "does not follow the record before it")
        }
        guard let key = try? key(header.number), let seal = try? SegmentSeal(header, key: key) else {
            throw .init(file: header.name, what: "has no key: its records cannot be read")
        }
        while tail.edge.size != end {
            let offset = pieces.offset
            let sequence = tail.edge.size
            // It opens at its own place only, behind the leaf that it was sealed behind.
            guard let piece = pieces.next(), piece.count <= (end ?? .max) - sequence,
                let records = seal.open(piece, first: sequence, after: tail.edge.last)
            else {
                // A power cut tears only what was not flushed, and that is at the very end.
                guard end == nil else { throw .init(file: header.name, what: "does not hold record \(sequence)") }
                tail.tornBytes = pieces.bytesInUse(from: offset)
                return
            }
            for (leaf, record) in zip(piece.leaves, records) {
                tail.edge.append(leaf: leaf)
                for checkpoint in checkpoints
                where checkpoint.size == tail.edge.size && checkpoint.root != tail.edge.root {
                    throw .init(
                        file: header.name, what: "does not lead to what was signed over \(checkpoint.size) records")
                }
                body(record)
            }
        }
    }

    /// The edge before a segment: from whole tiles, and from the records that are in none yet.
    private func edge(
        of size: Int, _ earlier: ArraySlice<SegmentHeader>
    ) throws(LogDirectory.Damage) -> LogEdge {
        let first = size - size % Tile.width
        var leaves: [Int: Digest] = [:]
        for (place, header) in earlier.enumerated().reversed() {
            let end = place + 1 < earlier.count ? earlier[earlier.startIndex + place + 1].firstSequence : size
            guard end > first else { break }
            var (pieces, sequence) = (try directory.segment(header.number).pieces, header.firstSequence)
            while sequence < end, let piece = pieces.next() {
                let found = sequence + piece.count > first ? piece.leaves : []
                for (place, leaf) in found.enumerated() where sequence + place < end { leaves[sequence + place] = leaf }
                sequence += piece.count
            }
        }
        return try LogEdge(of: size, from: directory) { sequence throws(LogDirectory.Damage) in
            if let leaf = leaves[sequence] { return leaf }
            return try directory.tile(Tile(level: 0, index: sequence / Tile.width))[sequence % Tile.width]
        }
    }
}
