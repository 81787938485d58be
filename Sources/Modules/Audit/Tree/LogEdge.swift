// SPDX-License-Identifier: Apache-2.0

import Crypto

/// All that is kept in memory of the tree over the records: its right edge, and the tiles that became whole and are not on
/// the disk yet.
struct LogEdge: Sendable {
    private var frontier: MerkleFrontier
    private var tiles: TileEdge
    /// Whole tiles in the order in which they became so.
    private(set) var whole: [(tile: Tile, hashes: [Digest])] = []
    /// Hash of the last sealed record; nil for none.
    private(set) var last: Digest?

    init() { (frontier, tiles) = (MerkleFrontier(), TileEdge()) }

    init(frontier: MerkleFrontier, tiles: TileEdge, last: Digest?) {
        (self.frontier, self.tiles, self.last) = (frontier, tiles, last)
    }

    /// Records so far, and the sequence of the next one.
    var size: Int { frontier.size }

    var root: Digest { frontier.root }

    mutating func append(_ sealed: [UInt8]) { append(leaf: MerkleHash.leaf(sealed.span)) }

    mutating func append(leaf: Digest) {
        frontier.append(leaf)
        whole += tiles.append(leaf)
        last = leaf
    }

    /// Gives away the whole tiles: they are on the disk.
    mutating func takeWhole() -> [(tile: Tile, hashes: [Digest])] {
        defer { whole = [] }
        return whole
    }
}
