// SPDX-License-Identifier: Apache-2.0

import Bytes
import Crypto
import Testing

@testable import Audit

/// A tree that keeps all its leaves and is asked naively: what the others are compared with.
struct Leaves: MerkleSource {
    let leaves: [Digest]

    func hash(level: Int, index: Int) -> Digest {
        Self.root(leaves[index << level..<(index + 1) << level])
    }

    /// RFC 6962 §2.1, as it stands there.
    static func root(_ leaves: ArraySlice<Digest>) -> Digest {
        if leaves.isEmpty { return MerkleHash.empty }
        if leaves.count == 1 { return leaves[leaves.startIndex] }
        var split = 1
        while split * 2 < leaves.count { split *= 2 }
        return MerkleHash.node(root(leaves.prefix(split)), root(leaves.dropFirst(split)))
    }
}

struct MerkleTests {
    private static func leaves(_ count: Int) -> [Digest] {
        (0..<count).map { number in
            let record = Array("record \(number)".utf8)
            return MerkleHash.leaf(record.span)
        }
    }

    @Test func `the roots of RFC 6962's reference implementation come out`() throws {
        // Inputs and roots of the reference test vectors of Certificate Transparency (merkletree, 8 leaves).
        let inputs = [
            "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
        ]
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ]
        var edge = TileEdge()
        #expect(Hex.encode(edge.root.bytes) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        for (input, root) in zip(inputs, roots) {
            let bytes = try #require(Hex.decode(input))
            _ = edge.append(MerkleHash.leaf(bytes.span))
            #expect(Hex.encode(edge.root.bytes) == root)
        }
    }

    @Test func `a growing edge has the root of the whole tree at every size`() {
        let leaves = Self.leaves(600)
        var edge = TileEdge()
        for size in 0...600 {
            #expect(edge.root == Leaves.root(leaves.prefix(size)))
            if size < 600 { _ = edge.append(leaves[size]) }
        }
    }

    @Test func `every leaf is proved in every tree, and nowhere else`() {
        let leaves = Self.leaves(40)
        for size in 1...40 {
            let tree = MerkleTree(source: Leaves(leaves: leaves), size: size)
            let root = tree.root()
            for index in 0..<size {
                let path = tree.inclusionProof(of: index)
                #expect(MerkleProof.includes(leaves[index], at: index, path: path, size: size, root: root))
                let other = (index + 1) % size
                if other != index {
                    #expect(!MerkleProof.includes(leaves[index], at: other, path: path, size: size, root: root))
                }
                #expect(!MerkleProof.includes(leaves[(index + 1) % 40], at: index, path: path, size: size, root: root))
                if !path.isEmpty {
                    #expect(
                        !MerkleProof.includes(
                            leaves[index], at: index, path: Array(path.dropLast()), size: size, root: root))
                }
                #expect(
                    !MerkleProof.includes(
                        leaves[index], at: index, path: path + [leaves[0]], size: size, root: root))
            }
        }
    }

    @Test func `every earlier tree is proved a prefix, and no other tree is`() {
        let leaves = Self.leaves(40)
        var changed = leaves
        changed[0] = leaves[39]
        for later in 1...40 {
            let tree = MerkleTree(source: Leaves(leaves: leaves), size: later)
            let root = tree.root()
            for earlier in 0...later {
                let path = tree.consistencyProof(from: earlier)
                let before = Leaves.root(leaves.prefix(earlier))
                #expect(
                    MerkleProof.isConsistent(earlier: earlier, root: before, later: later, root: root, path: path))
                guard earlier > 0 else { continue }
                let forged = Leaves.root(changed.prefix(earlier))
                #expect(
                    !MerkleProof.isConsistent(earlier: earlier, root: forged, later: later, root: root, path: path))
                if earlier < later {
                    #expect(
                        !MerkleProof.isConsistent(
                            earlier: earlier, root: before, later: later, root: root, path: Array(path.dropLast())))
                    #expect(
                        !MerkleProof.isConsistent(
                            earlier: earlier, root: before, later: later, root: root, path: path + [before]))
                }
            }
        }
    }

    @Test func `tiles hold the tree: roots and proofs come out of them as out of the leaves`() {
        let count = 70_000
        let leaves = Self.leaves(count)
        var edge = TileEdge()
        var tiles: [Tile: [Digest]] = [:]
        for leaf in leaves { for (tile, hashes) in edge.append(leaf) { tiles[tile] = hashes } }
        #expect(tiles.count == count / 256 + 1)
        for (level, row) in edge.rows.enumerated() where !row.isEmpty {
            tiles[Tile(level: level, index: count >> (8 * (level + 1)))] = row
        }
        #expect(TileEdge(size: count, rows: edge.rows)?.rows == edge.rows)
        #expect(TileEdge(size: count + 1, rows: edge.rows) == nil)
        let tiled = MerkleTree(source: TiledTree<Never> { tiles[$0] ?? [] }, size: count)
        let naive = MerkleTree(source: Leaves(leaves: leaves), size: count)
        #expect(tiled.root() == Leaves.root(leaves[...]))
        for index in [0, 1, 255, 256, 65_535, 65_536, count - 1] {
            #expect(tiled.inclusionProof(of: index) == naive.inclusionProof(of: index))
        }
        for earlier in [1, 255, 256, 257, 65_536, count - 1] {
            #expect(tiled.consistencyProof(from: earlier) == naive.consistencyProof(from: earlier))
        }
    }

    @Test func `tiles are named as transparency logs name them`() {
        #expect(Tile(level: 0, index: 0).path() == "tile/0/000")
        #expect(Tile(level: 0, index: 1_234_067).path() == "tile/0/x001/x234/067")
        #expect(Tile(level: 1, index: 42).path(hashes: 7) == "tile/1/042.p/7")
        #expect(Tile.hashes(in: [UInt8](repeating: 1, count: 33)) == nil)
        #expect(Tile.hashes(in: []) == nil)
        let hashes = Self.leaves(3)
        #expect(Tile.hashes(in: hashes.flatMap(\.bytes)) == hashes)
    }
}
