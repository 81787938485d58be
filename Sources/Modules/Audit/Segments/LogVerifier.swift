// SPDX-License-Identifier: Apache-2.0

import Crypto

/// Reads a log from its oldest segment to its end and finds what is not as it was written, with no secret: the segments'
/// own bytes, the tiles, and a checkpoint that the log's key has signed.
struct LogVerifier {
    let directory: LogDirectory

    /// What a log turned out to hold.
    struct Report: Equatable, Sendable {
        var damages: [LogDirectory.Damage] = []
        /// The first record that is still there; those before it have gone by retention.
        var first = 0
        /// Records ever.
        var size = 0
        /// Records that the last checkpoint vouches for.
        var signed = 0
        var segments = 0
        /// Whether the last segment ends in the middle of a piece, as after a power cut.
        var hasTornEnd = false
        /// Whether nothing but a torn end was found. That each intent has its outcome can be seen only with the key.
        var isSound: Bool { damages.isEmpty }
    }

    /// Checks everything there is.
    ///
    /// - Parameters:
    ///   - key: the log's public key; without it signatures are not looked at, and only what stands in the files is compared.
    ///   - notes: checkpoints kept elsewhere (the journal, a second path, a backup): truncation and roll-back can be seen
    ///     from outside only.
    ///   - progress: told of each segment before it is read: its place and how many there are.
    func verify(
        key: NoteKey?, against notes: [String] = [], progress: @escaping (Int, Int) -> Void = { _, _ in }
    ) -> Report {
        var report = Report()
        do throws(LogDirectory.Damage) {
            let checkpoints = if let key { try checkpoints(key, notes, &report) } else { [NamedCheckpoint]() }
            var walk = Walk(directory: directory, checkpoints: checkpoints, progress: progress)
            try walk.run(&report)
        } catch {
            report.damages.append(error)
        }
        return report
    }

    fileprivate typealias NamedCheckpoint = (name: String, checkpoint: Checkpoint)

    private func checkpoints(
        _ key: NoteKey, _ notes: [String], _ report: inout Report
    ) throws(LogDirectory.Damage) -> [NamedCheckpoint] {
        var checkpoints: [NamedCheckpoint] = []
        if let note = try directory.checkpoint() {
            if let checkpoint = Checkpoint(note: note, signedBy: key) {
                checkpoints.append((LogDirectory.checkpointName, checkpoint))
                report.signed = checkpoint.size
            } else {
                report.damages.append(
                    .init(file: LogDirectory.checkpointName, what: "is not signed by \(key.name)'s key"))
            }
        }
        for (place, note) in notes.enumerated() {
            let name = "checkpoint \(place + 1) given"
            if let checkpoint = Checkpoint(note: note, signedBy: key) {
                checkpoints.append((name, checkpoint))
            } else {
                report.damages.append(.init(file: name, what: "is not signed by \(key.name)'s key"))
            }
        }
        return checkpoints
    }
}

/// One pass over the records.
private struct Walk {
    let directory: LogDirectory
    let checkpoints: [LogVerifier.NamedCheckpoint]
    let progress: (Int, Int) -> Void
    private var edge = LogEdge()

    init(
        directory: LogDirectory, checkpoints: [LogVerifier.NamedCheckpoint], progress: @escaping (Int, Int) -> Void
    ) {
        (self.directory, self.checkpoints, self.progress) = (directory, checkpoints, progress)
    }

    mutating func run(_ report: inout LogVerifier.Report) throws(LogDirectory.Damage) {
        let numbers = try directory.segmentNumbers()
        report.segments = numbers.count
        for (place, number) in numbers.enumerated() {
            if place > 0, numbers[place - 1] + 1 != number {
                throw .init(file: SegmentHeader.name(number: numbers[place - 1] + 1), what: LogDirectory.isMissing)
            }
        }
        if let first = numbers.first { try begin(at: first, &report) }
        for (place, number) in numbers.enumerated() {
            progress(place, numbers.count)
            let next = place + 1 < numbers.count ? try directory.header(numbers[place + 1]) : nil
            try read(number, before: next, &report)
        }
        report.size = edge.size
        for (name, checkpoint) in checkpoints where checkpoint.size > edge.size {
            let what = "vouches for \(checkpoint.size) records, and there are \(edge.size): it was cut or rolled back"
            report.damages.append(.init(file: name, what: what))
        }
    }

    /// The tree over what retention has taken away stands in the tiles.
    private mutating func begin(at number: Int, _ report: inout LogVerifier.Report) throws(LogDirectory.Damage) {
        let header = try directory.header(number)
        report.first = header.firstSequence
        for (name, checkpoint) in checkpoints
        where name == LogDirectory.checkpointName && checkpoint.oldest < header.firstSequence {
            let what =
                "begins with record \(header.firstSequence); \(checkpoint.oldest) and those behind it are missing"
            report.damages.append(.init(file: header.name, what: what))
        }
        guard header.firstSequence > 0 else {
            if number != 1 { throw .init(file: SegmentHeader.name(number: 1), what: LogDirectory.isMissing) }
            return check(&report)
        }
        let directory = directory
        edge = try LogEdge(of: header.firstSequence, from: directory) { sequence throws(LogDirectory.Damage) in
            // Whole by now: a segment goes only when the tiles over its records are.
            try directory.tile(Tile(level: 0, index: sequence / Tile.width))[sequence % Tile.width]
        }
        check(&report)
    }

    private mutating func read(
        _ number: Int, before next: SegmentHeader?, _ report: inout LogVerifier.Report
    ) throws(LogDirectory.Damage) {
        var (header, pieces) = try directory.segment(number)
        let end = next?.firstSequence
        guard header.firstSequence == edge.size else {
            throw .init(
                file: header.name, what: "begins with record \(header.firstSequence); expected is \(edge.size)")
        }
        if header.previous != edge.last {
            report.damages.append(.init(file: header.name, what: "does not follow the record before it"))
        }
        while edge.size != end, let piece = pieces.next() {
            // What a segment takes the place of, and what a kill has cut off, are whole pieces.
            guard piece.count <= (end ?? .max) - edge.size else {
                throw .init(file: header.name, what: "holds more than its records")
            }
            for leaf in piece.leaves {
                edge.append(leaf: leaf)
                try compareTiles(&report)
                check(&report)
            }
        }
        if let end, edge.size < end {
            let what = "ends with record \(edge.size - 1); the next segment begins with \(end)"
            throw .init(file: header.name, what: what)
        }
        guard !pieces.endsInZeros else { return }
        switch next?.replaces {
        case nil: report.hasTornEnd = true
        // What could not be flushed was written again in the next one.
        case true?: break
        case false?: report.damages.append(.init(file: header.name, what: "holds more than its records"))
        }
    }

    private mutating func compareTiles(_ report: inout LogVerifier.Report) throws(LogDirectory.Damage) {
        for (tile, hashes) in edge.takeWhole() {
            do throws(LogDirectory.Damage) {
                guard try directory.tile(tile) != hashes else { continue }
                report.damages.append(.init(file: tile.path(), what: "does not hold the hashes of the records"))
            } catch {
                // Tiles are written at checkpoints.
                guard error.what == LogDirectory.isMissing, edge.size > report.signed else { throw error }
            }
        }
    }

    private func check(_ report: inout LogVerifier.Report) {
        for (name, checkpoint) in checkpoints where checkpoint.size == edge.size && checkpoint.root != edge.root {
            report.damages.append(
                .init(
                    file: name,
                    what: "has another root over the first \(checkpoint.size) records: one of them was changed"))
        }
    }
}

extension LogEdge {
    /// The edge of the first `size` records, from the tiles; `leaf` gives the hash of a record that is in no whole tile.
    init(
        of size: Int, from directory: LogDirectory, leaf: (Int) throws(LogDirectory.Damage) -> Digest
    ) throws(LogDirectory.Damage) {
        var rows: [[Digest]] = []
        var count = size
        while count > 0 {
            let level = rows.count
            var row: [Digest] = []
            for index in count - count % Tile.width..<count {
                if level == 0 {
                    row.append(try leaf(index))
                } else {
                    row.append(Tile.root(of: try directory.tile(Tile(level: level - 1, index: index))[...]))
                }
            }
            rows.append(row)
            count /= Tile.width
        }
        let last: Digest?
        if size == 0 {
            last = nil
        } else if let hash = rows[0].last {
            last = hash
        } else {
            last = try directory.tile(Tile(level: 0, index: size / Tile.width - 1)).last
        }
        guard let tiles = TileEdge(size: size, rows: rows) else {
            throw .init(file: "tile", what: "the tiles do not make a tree of \(size) records")
        }
        self.init(size: size, tiles: tiles, last: last)
    }
}
