// SPDX-License-Identifier: Apache-2.0

import Crypto

/// Where the hashes of a tree's whole subtrees come from: leaves in memory, or tiles on the disk.
protocol MerkleSource {
    associatedtype Failure: Error
    /// The root of the subtree of 2^`level` leaves that is the `index`-th of its level. Asked for whole subtrees only.
    func hash(level: Int, index: Int) throws(Failure) -> Digest
}

/// Roots and proofs over a source (RFC 6962 §2.1). Sizes and indices count leaves.
struct MerkleTree<Source: MerkleSource> {
    let source: Source
    let size: Int

    /// The root of the first `size` leaves.
    func root() throws(Source.Failure) -> Digest {
        size == 0 ? MerkleHash.empty : try root(of: 0..<size)
    }

    /// The audit path of a leaf, from its sibling upwards (RFC 6962 §2.1.1).
    ///
    /// - Precondition: the leaf is one of the tree's.
    func inclusionProof(of leaf: Int) throws(Source.Failure) -> [Digest] {
        precondition(0 <= leaf && leaf < size, "a leaf of the tree")
        var path: [Digest] = []
        var range = 0..<size
        while range.count > 1 {
            let middle = Self.middle(of: range)
            if leaf < middle {
                path.append(try root(of: middle..<range.upperBound))
                range = range.lowerBound..<middle
            } else {
                path.append(try root(of: range.lowerBound..<middle))
                range = middle..<range.upperBound
            }
        }
        return path.reversed()
    }

    /// That the first `earlier` leaves are a prefix of this tree (RFC 6962 §2.1.2).
    ///
    /// - Precondition: `earlier` is between 0 and the size. Nothing needs proof for 0 and for the size itself.
    func consistencyProof(from earlier: Int) throws(Source.Failure) -> [Digest] {
        precondition(0 <= earlier && earlier <= size, "an earlier size of the tree")
        guard earlier > 0, earlier < size else { return [] }
        var path: [Digest] = []
        var range = 0..<size
        // Whether the earlier tree is a whole subtree that the verifier has the root of.
        var isKnown = true
        while range.upperBound != earlier {
            let middle = Self.middle(of: range)
            if earlier <= middle {
                path.append(try root(of: middle..<range.upperBound))
                range = range.lowerBound..<middle
            } else {
                path.append(try root(of: range.lowerBound..<middle))
                range = middle..<range.upperBound
                isKnown = false
            }
        }
        if !isKnown { path.append(try root(of: range)) }
        return path.reversed()
    }

    /// Splits at the largest power of two below the count.
    private static func middle(of range: Range<Int>) -> Int {
        let count = range.count
        return range.lowerBound + 1 << (Int.bitWidth - 1 - (count - 1).leadingZeroBitCount)
    }

    private func root(of range: Range<Int>) throws(Source.Failure) -> Digest {
        let count = range.count
        // Ranges come from splits at powers of two: a count that is one begins at a multiple of itself.
        if count & (count - 1) == 0 {
            let level = count.trailingZeroBitCount
            return try source.hash(level: level, index: range.lowerBound >> level)
        }
        let middle = Self.middle(of: range)
        let left = try root(of: range.lowerBound..<middle)
        return MerkleHash.node(left, try root(of: middle..<range.upperBound))
    }
}
