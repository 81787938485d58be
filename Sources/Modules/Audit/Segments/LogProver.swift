// SPDX-License-Identifier: Apache-2.0

import Crypto

/// Proves, with no secret, that a record stands in the log that a checkpoint vouches for.
struct LogProver {
    let directory: LogDirectory

    /// What a verifier needs: the checkpoint, where the record stands, its hash, and the way to the root.
    struct Proof: Equatable, Sendable {
        let note: String
        let checkpoint: Checkpoint
        let sequence: Int
        let leaf: Digest
        let path: [Digest]

        var isValid: Bool {
            MerkleProof.includes(leaf, at: sequence, path: path, size: checkpoint.size, root: checkpoint.root)
        }
    }

    /// - Throws: where the log has no such record, or its files do not make the tree.
    func proof(of sequence: Int, under key: NoteKey) throws(LogDirectory.Damage) -> Proof {
        guard let note = try directory.checkpoint(), let checkpoint = Checkpoint(note: note, signedBy: key) else {
            throw .init(file: LogDirectory.checkpointName, what: "is missing, or not signed by \(key.name)'s key")
        }
        guard (0..<checkpoint.size).contains(sequence) else {
            throw .init(
                file: LogDirectory.checkpointName,
                what: "vouches for \(checkpoint.size) records, and not for \(sequence)")
        }
        let tiles = EdgeTiles(directory: directory, size: checkpoint.size)
        let source = TiledTree<LogDirectory.Damage> { tile throws(LogDirectory.Damage) in try tiles.hashes(of: tile) }
        let tree = MerkleTree(source: source, size: checkpoint.size)
        let leaf = try source.hash(level: 0, index: sequence)
        let proof = Proof(
            note: note, checkpoint: checkpoint, sequence: sequence, leaf: leaf,
            path: try tree.inclusionProof(of: sequence))
        guard proof.isValid else {
            throw .init(file: "tile", what: "the files do not lead to the root that was signed: gatehouse audit verify")
        }
        return proof
    }
}

/// The tiles of a log of a size: whole ones as they lie on the disk, the last of each level from what is below it.
struct EdgeTiles {
    let directory: LogDirectory
    let size: Int

    func hashes(of tile: Tile) throws(LogDirectory.Damage) -> [Digest] {
        var count = size
        for _ in 0..<tile.level { count /= Tile.width }
        let start = tile.index * Tile.width
        if start + Tile.width <= count { return try directory.tile(tile) }
        guard tile.level > 0 else { return try leaves(start..<count) }
        var hashes: [Digest] = []
        for index in start..<count {
            let below = try self.hashes(of: Tile(level: tile.level - 1, index: index))
            hashes.append(Tile.root(of: below[...]))
        }
        return hashes
    }

    /// Hashes of records, from the segments.
    private func leaves(_ range: Range<Int>) throws(LogDirectory.Damage) -> [Digest] {
        var leaves = [Digest?](repeating: nil, count: range.count)
        let numbers = try directory.segmentNumbers()
        var end = Int.max
        for number in numbers.reversed() where end > range.lowerBound {
            let (header, pieces) = try directory.segment(number)
            var first = header.firstSequence
            for piece in pieces {
                let wanted = (first..<first + piece.count).clamped(to: range.lowerBound..<min(end, range.upperBound))
                let found = wanted.isEmpty ? [] : piece.leaves
                for sequence in wanted { leaves[sequence - range.lowerBound] = found[sequence - first] }
                first += piece.count
                guard first < min(end, range.upperBound) else { break }
            }
            end = min(end, header.firstSequence)
        }
        let found = leaves.compactMap { $0 }
        guard found.count == range.count else {
            throw .init(file: "segments", what: "do not hold records \(range.lowerBound) to \(range.upperBound - 1)")
        }
        return found
    }
}
