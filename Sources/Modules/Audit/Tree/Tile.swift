// SPDX-License-Identifier: Apache-2.0

import Crypto

/// A square of a tree: up to 256 hashes that lie side by side, as transparency logs publish them (C2SP, tlog-tiles).
///
///     level 0   hashes of leaves
///     level n   roots of the whole tiles of level n - 1
///     file      32 bytes a hash, in order
///
/// Tiles that are whole never change. They stay when the records they were made of have gone.
struct Tile: Hashable, Sendable {
    static let width = 256
    /// Levels of hashes that one tile spans.
    static let height = 8
    static let byteCount = width * Digest.byteCount

    let level: Int
    let index: Int

    /// `tile/0/x001/x234/067`: what it is called where a log is published, in groups of three digits, so that no directory grows
    /// beyond a thousand entries.
    ///
    /// - Parameter hashes: how many a tile at the right edge has; 256 for a whole one.
    func path(hashes: Int = width) -> String {
        var groups = [Self.digits(index % 1000)]
        var rest = index / 1000
        while rest > 0 {
            groups.append("x" + Self.digits(rest % 1000))
            rest /= 1000
        }
        let path = "tile/\(level)/" + groups.reversed().joined(separator: "/")
        return hashes == Self.width ? path : "\(path).p/\(hashes)"
    }

    private static func digits(_ number: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: 3 - text.utf8.count) + text
    }

    /// The hashes in the bytes of a tile; nil unless they are 1 to 256 whole ones.
    static func hashes(in bytes: [UInt8]) -> [Digest]? {
        guard !bytes.isEmpty, bytes.count <= byteCount, bytes.count % Digest.byteCount == 0 else { return nil }
        let span = bytes.span
        return (0..<bytes.count / Digest.byteCount).compactMap { place in
            Digest(span.extracting(place * Digest.byteCount..<(place + 1) * Digest.byteCount))
        }
    }

    /// The root over 2^n hashes side by side.
    static func root(of hashes: ArraySlice<Digest>) -> Digest {
        var row = Array(hashes)
        var count = row.count
        while count > 1 {
            // In place: what is written was read before.
            count /= 2
            for index in 0..<count { row[index] = MerkleHash.node(row[2 * index], row[2 * index + 1]) }
        }
        return row[0]
    }
}

/// The tiles of a growing tree, of which whole ones leave memory: at most 255 hashes of each level stay.
struct TileEdge: Sendable {
    /// Hashes of the unfinished tile of each level.
    private(set) var rows: [[Digest]] = []
    private var counts: [Int] = []

    init() {}

    /// The edge of a tree whose unfinished tiles hold `rows`, for a tree of `size` leaves; nil where the two do not fit.
    init?(size: Int, rows: [[Digest]]) {
        var (rest, level) = (size, 0)
        while rest > 0 {
            guard level < rows.count, rows[level].count == rest % Tile.width else { return nil }
            counts.append(rest)
            rest /= Tile.width
            level += 1
        }
        guard rows.count == level else { return nil }
        self.rows = rows
    }

    /// The root of the whole tree: over the subtrees that lie in the unfinished tiles, the smallest first. Their sizes are the
    /// ones in the binary form of the tree's.
    var root: Digest {
        var root: Digest?
        for row in rows {
            var end = row.count
            for bit in 0..<Tile.height where row.count >> bit & 1 == 1 {
                let peak = Tile.root(of: row[end - 1 << bit..<end])
                end -= 1 << bit
                root = root.map { MerkleHash.node(peak, $0) } ?? peak
            }
        }
        return root ?? MerkleHash.empty
    }

    /// Adds a leaf.
    ///
    /// - Returns: the tiles that are whole now, lowest first.
    mutating func append(_ leaf: Digest) -> [(tile: Tile, hashes: [Digest])] {
        var whole: [(tile: Tile, hashes: [Digest])] = []
        var (hash, level) = (leaf, 0)
        while true {
            if level == rows.count {
                rows.append([])
                counts.append(0)
            }
            rows[level].append(hash)
            counts[level] += 1
            guard rows[level].count == Tile.width else { return whole }
            whole.append((Tile(level: level, index: counts[level] / Tile.width - 1), rows[level]))
            hash = Tile.root(of: rows[level][...])
            rows[level] = []
            level += 1
        }
    }
}

/// Hashes read from tiles. The tiles asked for last are kept.
final class TiledTree<Failure: Error>: MerkleSource {
    /// Tiles kept in memory: 8 KiB each.
    private static var keptMax: Int { 64 }

    private let read: (Tile) throws(Failure) -> [Digest]
    private var kept: [Tile: [Digest]] = [:]

    /// - Parameter read: the hashes of a tile, all that there are; a caller asks for places that it knows to be there.
    init(read: @escaping (Tile) throws(Failure) -> [Digest]) { self.read = read }

    func hash(level: Int, index: Int) throws(Failure) -> Digest {
        let within = level % Tile.height
        let first = index << within
        let tile = Tile(level: level / Tile.height, index: first / Tile.width)
        let hashes = try hashes(of: tile)
        let start = first % Tile.width
        // A short tile here is damage that the caller's root will not survive: the empty tree's hash fits nothing.
        guard start + 1 << within <= hashes.count else { return MerkleHash.empty }
        return Tile.root(of: hashes[start..<start + 1 << within])
    }

    private func hashes(of tile: Tile) throws(Failure) -> [Digest] {
        if let hashes = kept[tile] { return hashes }
        let hashes = try read(tile)
        if kept.count == Self.keptMax { kept.removeAll(keepingCapacity: true) }
        kept[tile] = hashes
        return hashes
    }
}
