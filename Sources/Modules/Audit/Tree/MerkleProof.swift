// SPDX-License-Identifier: Apache-2.0

import Crypto

/// What a verifier does, with nothing but hashes (RFC 9162 §2.1.3.2 and §2.1.4.2). Proofs may come from anybody: a wrong one
/// is false, never a trap.
enum MerkleProof {
    /// Whether `path` leads from a leaf to the root of a tree of `size`.
    static func includes(_ leaf: Digest, at index: Int, path: [Digest], size: Int, root: Digest) -> Bool {
        guard index >= 0, index < size else { return false }
        var (node, last, hash) = (index, size - 1, leaf)
        for sibling in path {
            guard last > 0 else { return false }
            if node & 1 == 1 || node == last {
                hash = MerkleHash.node(sibling, hash)
                while node & 1 == 0, node != 0 {
                    node >>= 1
                    last >>= 1
                }
            } else {
                hash = MerkleHash.node(hash, sibling)
            }
            node >>= 1
            last >>= 1
        }
        return last == 0 && hash == root
    }

    /// Whether a tree of `earlier` leaves with one root is a prefix of a tree of `later` leaves with another.
    static func isConsistent(
        earlier: Int, root earlierRoot: Digest, later: Int, root laterRoot: Digest, path: [Digest]
    ) -> Bool {
        guard earlier >= 0, earlier <= later else { return false }
        if earlier == later { return path.isEmpty && earlierRoot == laterRoot }
        if earlier == 0 { return path.isEmpty && earlierRoot == MerkleHash.empty }
        var rest = path[...]
        // A whole subtree is its own first hash, and the proof leaves it out.
        if earlier & (earlier - 1) != 0, rest.isEmpty { return false }
        let first = earlier & (earlier - 1) == 0 ? earlierRoot : rest.removeFirst()
        var (node, last) = (earlier - 1, later - 1)
        while node & 1 == 1 {
            node >>= 1
            last >>= 1
        }
        var (old, new) = (first, first)
        for sibling in rest {
            guard last > 0 else { return false }
            if node & 1 == 1 || node == last {
                old = MerkleHash.node(sibling, old)
                new = MerkleHash.node(sibling, new)
                while node & 1 == 0, node != 0 {
                    node >>= 1
                    last >>= 1
                }
            } else {
                new = MerkleHash.node(new, sibling)
            }
            node >>= 1
            last >>= 1
        }
        return last == 0 && old == earlierRoot && new == laterRoot
    }
}
