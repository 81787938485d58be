// SPDX-License-Identifier: Apache-2.0

import Crypto

/// All that is kept in memory of the tree over the records: its right edge, and the tiles that became whole and are not on
/// the disk yet.
struct LogEdge: Sendable {
    private var tiles: TileEdge
    /// Records so far, and the sequence of the next one.
    private(set) var size: Int
    /// Whole tiles in the order in which they became so.
    private(set) var whole: [(tile: Tile, hashes: [Digest])] = []
    /// Hash of the last sealed record; nil for none.
    private(set) var last: Digest?

    init() { (tiles, size) = (TileEdge(), 0) }

    init(size: Int, tiles: TileEdge, last: Digest?) {
        (self.size, self.tiles, self.last) = (size, tiles, last)
    }

    /// Made when it is asked for, which is at checkpoints: kept up to date it would cost a hash more for each record.
    var root: Digest { tiles.root }

    mutating func append(leaf: Digest) {
        let whole = tiles.append(leaf)
        if !whole.isEmpty { self.whole += whole }
        size += 1
        last = leaf
    }

    /// Forgets the first so many whole tiles.
    mutating func dropWhole(_ count: Int) { whole.removeFirst(min(count, whole.count)) }

    /// Gives away the whole tiles: they are on the disk.
    mutating func takeWhole() -> [(tile: Tile, hashes: [Digest])] {
        defer { whole = [] }
        return whole
    }
}
