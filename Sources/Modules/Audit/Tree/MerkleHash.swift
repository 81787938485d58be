// SPDX-License-Identifier: Apache-2.0

import Crypto

/// The hashes of a Merkle tree as transparency logs have it (RFC 6962 §2.1). Leaves and nodes are hashed behind different
/// bytes, so that nobody passes a node off as a leaf.
enum MerkleHash {
    /// Of a tree without leaves: SHA-256 of nothing.
    static let empty = SHA256.digest([UInt8]())

    static func leaf(_ record: Span<UInt8>) -> Digest { SHA256.digest(0, record) }

    /// The same of a record in two parts.
    static func leaf(_ head: Span<UInt8>, _ rest: Span<UInt8>) -> Digest {
        var hash = SHA256()
        hash.update([0].span)
        hash.update(head)
        hash.update(rest)
        return hash.finish()
    }

    static func node(_ left: Digest, _ right: Digest) -> Digest { SHA256.digest(1, left, right) }
}
