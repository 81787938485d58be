// SPDX-License-Identifier: Apache-2.0

import Crypto
import Glibc
import Platform
import Support
import Testing

@testable import Audit

/// Tiles on their way to the disk, and from there to whoever reads them.
struct TileFileTests {
    private static func tiles(_ count: Int, level: Int = 0) -> [(tile: Tile, hashes: [Digest])] {
        (0..<count).map { index in
            let hashes = (0..<Tile.width).map { SHA256.digest(Array("\(level) \(index) \($0)".utf8)) }
            return (Tile(level: level, index: index), hashes)
        }
    }

    @Test func `many at once stand side by side, some of them again, and nothing else does`() throws {
        let directory = try TemporaryDirectory()
        let files = TileFiles(in: directory.path)
        let tiles = Self.tiles(1100) + Self.tiles(4, level: 1)
        try files.write(Array(tiles.prefix(70)))
        try files.write(Array(tiles.dropFirst(60)))
        try files.write([])
        for (tile, hashes) in tiles { #expect(try files.read(tile) == hashes) }
        #expect(try files.read(Tile(level: 0, index: 1100)) == nil)
        #expect(throws: Errno.noSuchFile) { try files.read(Tile(level: 0, index: 2048)) }
        #expect(TemporaryDirectory.names(of: directory("tile")).sorted() == ["0", "1"])
        #expect(TemporaryDirectory.names(of: directory("tile/0")).sorted() == ["000000000", "000000001"])
        #expect(TemporaryDirectory.names(of: directory("tile/1")) == ["000000000"])
        for name in ["tile/0/000000000", "tile/0/000000001", "tile/1/000000000"] {
            #expect(try FileStatus(path: directory(name)).mode == 0o600)
        }
        #expect(try FileStatus(path: directory("tile/0/000000001")).size == (1100 - 1024) * Tile.byteCount)
    }

    /// As checkpoints bring them: those of a level come between those of another, and not from the first place on.
    @Test func `in any order and with gaps, each is at its place`() throws {
        let directory = try TemporaryDirectory()
        let files = TileFiles(in: directory.path)
        var random = SeededGenerator()
        let tiles = (Self.tiles(300) + Self.tiles(300, level: 1)).shuffled(using: &random)
        var written: [Tile: [Digest]] = [:]
        for start in stride(from: 0, to: 450, by: 45) {
            try files.write(Array(tiles[start..<start + 45]))
            for (tile, hashes) in tiles[start..<start + 45] { written[tile] = hashes }
        }
        for (tile, _) in tiles { #expect(try files.read(tile) == written[tile]) }
        #expect(written.count == 450)
    }

    /// What a power cut may leave of what was not flushed: an end too early, or a page of zeros.
    @Test func `a tile of which a part never came to the disk is not there, and is written again`() throws {
        let directory = try TemporaryDirectory()
        let files = TileFiles(in: directory.path)
        let tiles = Self.tiles(3)
        try files.write(tiles)
        let path = directory("tile/0/000000000")
        for (zeros, isLast) in [(8192..<12288, false), (12288..<16384, false), (16384 + 8160..<24576, true)] {
            var bytes = try AtomicFile.read(path: path, bytesMax: 1 << 20)
            for place in zeros { bytes[place] = 0 }
            try AtomicFile.write(path: path, bytes: bytes, mode: 0o600)
            #expect(try files.read(tiles[isLast ? 2 : 1].tile) == nil)
            #expect(try files.read(tiles[0].tile) == tiles[0].hashes)
            try AtomicFile.write(path: path, bytes: Array(bytes[..<(zeros.upperBound - 1)]), mode: 0o600)
            #expect(try files.read(tiles[isLast ? 2 : 1].tile) == nil)
            try files.write(tiles)
            for (tile, hashes) in tiles { #expect(try files.read(tile) == hashes) }
        }
    }

    @Test func `where a file cannot be written, it can be later`() throws {
        let directory = try TemporaryDirectory()
        let files = TileFiles(in: directory.path)
        let tiles = Self.tiles(1030)
        try files.write(Array(tiles.prefix(1)))
        // A folder that is in the way of the second file.
        let taken = directory("tile/0/000000001")
        try AtomicFile.makeDirectory(path: taken, mode: 0o700)
        #expect(throws: Errno.self) { try files.write(tiles) }
        unsafe _ = rmdir(taken)
        try files.write(tiles)
        for (tile, hashes) in tiles { #expect(try files.read(tile) == hashes) }
    }

    @Test func `a link in the place of a file is not followed`() throws {
        let directory = try TemporaryDirectory()
        try AtomicFile.write(path: directory("other"), bytes: [1, 2, 3], mode: 0o600)
        try AtomicFile.makeDirectory(path: directory("tile"), mode: 0o700)
        try AtomicFile.makeDirectory(path: directory("tile/0"), mode: 0o700)
        unsafe #expect(symlink(directory("other"), directory("tile/0/000000000")) == 0)
        #expect(throws: Errno.self) { try TileFiles(in: directory.path).write(Self.tiles(1)) }
        #expect(try AtomicFile.read(path: directory("other"), bytesMax: 10) == [1, 2, 3])
    }

    // MARK: Published

    @Test func `what is published makes the root that was signed, and grows with the log`() throws {
        let log = try LogHarness(segmentBytes: 1 << 20)
        let target = log.directory("public")
        let publisher = TilePublisher(directory: log.files)
        for (records, new) in [(100, 1), (200, 2 + 1), (212, 1 + 1)] {
            log.append(records)
            let note = try log.sign()
            let done = try publisher.publish(to: target, under: log.key) { _, _ in }
            let size = done.checkpoint.size
            #expect(done.new == new)
            #expect(try AtomicFile.read(path: "\(target)/checkpoint", bytesMax: 4096) == Array(note.utf8))
            var leaves: [Digest] = []
            for (tile, count) in TilePublisher.tiles(ofSize: size) where tile.level == 0 {
                let bytes = try AtomicFile.read(path: "\(target)/\(tile.path(hashes: count))", bytesMax: 8192)
                leaves += try #require(Tile.hashes(in: bytes))
            }
            #expect(leaves.count == size && Leaves.root(leaves[...]) == done.checkpoint.root)
        }
        #expect(TilePublisher.tiles(ofSize: 512).map(\.count) == [256, 256, 2])
        #expect(TilePublisher.tiles(ofSize: 0).isEmpty)
        #expect(try publisher.publish(to: target, under: log.key) { _, _ in }.new == 0)
        #expect(try FileStatus(path: "\(target)/tile/0/000").mode == 0o644)
    }

    @Test func `what does not make the signed root is not published`() throws {
        let log = try LogHarness()
        log.append(600)
        try log.sign()
        let path = log.directory("tile/0/000000000")
        var bytes = try AtomicFile.read(path: path, bytesMax: 1 << 20)
        bytes[9000] ^= 1
        try AtomicFile.write(path: path, bytes: bytes, mode: 0o600)
        #expect(throws: LogDirectory.Damage.self) {
            try TilePublisher(directory: log.files).publish(to: log.directory("public"), under: log.key) { _, _ in }
        }
        let other = try Ed25519.PrivateKey(seed: SecretBytes(randomCount: 32))
        #expect(throws: LogDirectory.Damage.self) {
            try TilePublisher(directory: log.files).publish(
                to: log.directory("public"), under: NoteKey(name: LogHarness.origin, key: other.publicKey)
            ) { _, _ in }
        }
        #expect(!TemporaryDirectory.names(of: log.directory.path).contains("public"))
    }

    /// One far from the right edge is in no way to the root that a size has; what its level above says of it has to show it.
    @Test func `a tile in the middle that was changed is not published`() throws {
        let log = try LogHarness()
        let size = Tile.width * Tile.width + Tile.width
        var edge = LogEdge()
        for index in 0..<size { edge.append(leaf: SHA256.digest(Array("\(index)".utf8))) }
        try log.files.write(edge.takeWhole())
        try log.files.write(
            checkpoint: try Checkpoint(origin: LogHarness.origin, size: size, root: edge.root, oldest: 0)
                .signed(by: log.signer))
        let publisher = TilePublisher(directory: log.files)
        #expect(try publisher.publish(to: log.directory("public"), under: log.key) { _, _ in }.new == 257 + 2 + 1)

        let path = log.directory("tile/0/000000000")
        var bytes = try AtomicFile.read(path: path, bytesMax: 16 << 20)
        bytes[100 * Tile.byteCount + 9] ^= 1
        try AtomicFile.write(path: path, bytes: bytes, mode: 0o600)
        let damage = try #require(throws: LogDirectory.Damage.self) {
            try publisher.publish(to: log.directory("again"), under: log.key) { _, _ in }
        }
        #expect(damage.file == "tile/0/100")
        #expect(!TemporaryDirectory.names(of: log.directory("again")).contains("checkpoint"))
    }
}
