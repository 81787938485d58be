// SPDX-License-Identifier: Apache-2.0

import Crypto
import Glibc
import Platform

/// Lays the tree out as transparency logs publish it (C2SP, tlog-tiles): a folder that any web server can serve, and any tool that
/// reads such logs can check, without a secret. Of the records it has their hashes only.
///
///     checkpoint            the last one, signed
///     tile/0/x001/x234/067  a whole tile
///     tile/0/x001/x234/068.p/17  the tile at the right edge, with so many hashes
struct TilePublisher {
    let directory: LogDirectory

    /// What is there now.
    struct Published: Equatable, Sendable {
        let checkpoint: Checkpoint
        /// Tiles that were not there before.
        let new: Int
    }

    /// Publishes what the last checkpoint vouches for. Whole tiles never change: those that are there are left as they are, so
    /// that it can be done again and again. The checkpoint comes last: whoever reads meanwhile finds all that it names.
    ///
    /// - Parameters:
    ///   - target: a folder, made where there is none.
    ///   - progress: told before each tile: its place, and how many there are.
    /// - Throws: where the log has no checkpoint of this key, its files do not make the tree, or `target` cannot be written.
    func publish(
        to target: String, under key: NoteKey, progress: (Int, Int) -> Void
    ) throws(LogDirectory.Damage) -> Published {
        guard let note = try directory.checkpoint(), let checkpoint = Checkpoint(note: note, signedBy: key) else {
            throw .init(file: LogDirectory.checkpointName, what: "is missing, or not signed by \(key.name)'s key")
        }
        let tiles = EdgeTiles(directory: directory, size: checkpoint.size)
        let tree = TiledTree<LogDirectory.Damage> { tile throws(LogDirectory.Damage) in try tiles.hashes(of: tile) }
        guard try MerkleTree(source: tree, size: checkpoint.size).root() == checkpoint.root else {
            throw .init(file: "tile", what: "the files do not lead to the root that was signed: gatehouse audit verify")
        }
        let all = Self.tiles(ofSize: checkpoint.size)
        var new = 0
        for (place, (tile, count)) in all.enumerated() {
            progress(place, all.count)
            let path = "\(target)/\(tile.path(hashes: count))"
            if (try? FileStatus(path: path))?.size == count * Digest.byteCount { continue }
            let hashes = try tiles.hashes(of: tile)
            // Of those that are not at the right edge the root above has shown nothing yet.
            let signed = count < Tile.width ? nil : try tree.hash(of: tile)
            guard signed == nil || signed == Tile.root(of: hashes[...]) else {
                throw .init(file: tile.path(), what: "does not hold what was signed: gatehouse audit verify")
            }
            try write(hashes.flatMap(\.bytes), to: path)
            new += 1
        }
        try write(Array(note.utf8), to: "\(target)/\(LogDirectory.checkpointName)")
        return Published(checkpoint: checkpoint, new: new)
    }

    /// All tiles of a tree, the lowest level first, and how many hashes each has.
    static func tiles(ofSize size: Int) -> [(tile: Tile, count: Int)] {
        var tiles: [(tile: Tile, count: Int)] = []
        var (count, level) = (size, 0)
        while count > 0 {
            for index in 0..<count / Tile.width { tiles.append((Tile(level: level, index: index), Tile.width)) }
            if count % Tile.width > 0 {
                tiles.append((Tile(level: level, index: count / Tile.width), count % Tile.width))
            }
            (count, level) = (count / Tile.width, level + 1)
        }
        return tiles
    }

    /// Puts a file in its place, and makes the folders on the way. What is published is for everybody to read.
    private func write(_ bytes: [UInt8], to path: String) throws(LogDirectory.Damage) {
        do throws(Errno) {
            var place = path.utf8.startIndex
            while let slash = path.utf8[path.utf8.index(after: place)...].firstIndex(of: UInt8(ascii: "/")) {
                try AtomicFile.makeDirectory(path: String(path[..<slash]), mode: 0o755)
                place = slash
            }
            try AtomicFile.write(path: path, bytes: bytes, mode: 0o644)
        } catch {
            throw .init(file: path, what: "cannot be written: \(error)")
        }
    }
}

extension TiledTree {
    /// What the level above says of a whole tile.
    fileprivate func hash(of tile: Tile) throws(Failure) -> Digest {
        try hash(level: (tile.level + 1) * Tile.height, index: tile.index)
    }
}
