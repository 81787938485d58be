// SPDX-License-Identifier: Apache-2.0

import Crypto
import Glibc
import Platform

/// Whole tiles on the disk: those that lie side by side in one file, each at its place.
///
/// A busy log makes hundreds of tiles a second. A file for each cost more to make, by its inode, its name and its flush, than all
/// that was written into it; published one by one, as transparency logs are read, they are on request (``TilePublisher``).
///
/// A tile is there once its file was flushed, and a checkpoint that vouches for it comes later. What a power cut leaves of one that
/// was not has hashes of zeros, which nothing hashes to, or an end too early: it is not there, and is written again.
struct TileFiles {
    /// Tiles of one file: 8 MiB.
    static let tilesPerFile = 1024
    /// Tiles that are written with one call.
    private static let tilesPerWrite = 64

    private let directory: String

    init(in directory: String) { self.directory = directory }

    /// `tile/0/000000007`: the tiles of a level from 7 · 1024 on.
    static func name(of tile: Tile) -> String {
        let number = String(tile.index / tilesPerFile)
        return "tile/\(tile.level)/" + String(repeating: "0", count: max(0, 9 - number.utf8.count)) + number
    }

    private static func place(of tile: Tile) -> Int { tile.index % tilesPerFile * Tile.byteCount }

    // MARK: Reading

    /// The hashes of a tile; nil where it is not there, `ENOENT` where its file is not.
    func read(_ tile: Tile) throws(Errno) -> [Digest]? {
        let file = try Self.open("\(directory)/\(Self.name(of: tile))", O_RDONLY)
        do throws(Errno) {
            let hashes = Tile.hashes(in: try file.read(at: Self.place(of: tile), count: Tile.byteCount))
            return hashes.flatMap { $0.contains(Digest.zero) ? nil : $0 }
        } catch .invalidArgument {
            return nil
        }
    }

    // MARK: Writing

    /// Writes tiles, and brings them to the disk. Some may be there already, after a crash: the same hashes give the same bytes.
    ///
    /// - Throws: where some may not be there: they can be written again.
    func write(_ tiles: [(tile: Tile, hashes: [Digest])]) throws(Errno) {
        let sorted = tiles.sorted { ($0.tile.level, $0.tile.index) < ($1.tile.level, $1.tile.index) }
        var rest = sorted[...]
        while let first = rest.first {
            let beside = rest.prefix { Self.name(of: $0.tile) == Self.name(of: first.tile) }
            try write(beside, to: Self.name(of: first.tile))
            rest = rest.dropFirst(beside.count)
        }
    }

    private func write(_ tiles: ArraySlice<(tile: Tile, hashes: [Digest])>, to name: String) throws(Errno) {
        let path = "\(directory)/\(name)"
        let isNew = try make(path)
        let file = try Self.open(path, O_WRONLY)
        var rest = tiles
        while let first = rest.first {
            var bytes: [UInt8] = []
            var count = 0
            for (tile, hashes) in rest.prefix(Self.tilesPerWrite) where tile.index == first.tile.index + count {
                // Digests side by side are their bytes, borrowed for the length of the call.
                unsafe hashes.span.bytes.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
                count += 1
            }
            try file.write(bytes.span, at: Self.place(of: first.tile))
            rest = rest.dropFirst(count)
        }
        try Errno.check { fdatasync(file.rawValue) }
        if isNew { try AtomicFile.flushDirectory(of: path) }
    }

    /// Makes a file and its folder where they are not there.
    ///
    /// - Returns: whether the file was made.
    private func make(_ path: String) throws(Errno) -> Bool {
        let folder = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[..<$0]) } ?? directory
        try AtomicFile.makeDirectory(path: "\(directory)/tile", mode: 0o700)
        try AtomicFile.makeDirectory(path: folder, mode: 0o700)
        return try AtomicFile.makeEmpty(path: path, mode: 0o600)
    }

    /// A link that somebody put there is not followed.
    private static func open(_ path: String, _ mode: CInt) throws(Errno) -> FileDescriptor {
        FileDescriptor(
            owning: try Errno.check { unsafe Glibc.open(path, mode | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY) })
    }
}
