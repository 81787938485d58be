// SPDX-License-Identifier: Apache-2.0

import Crypto
import Platform

/// Puts whole tiles on the disk, many at once: a busy log makes hundreds a second.
///
/// Each appears whole under its name or not at all, also after a power cut in the middle, as ``AtomicFile`` has it. But the disk
/// is given the bytes of a group before the first of them is waited for, and each folder is flushed once, at the end.
struct TileFiles {
    /// Files that are open at once.
    private static let groupMax = 64

    private let directory: String
    /// The folders in which names are not flushed yet, by one of the tiles there. There are few.
    private var folders: [(tile: Tile, folder: AtomicFolder)] = []

    init(in directory: String) { self.directory = directory }

    /// Writes tiles. Some may be there already, after a crash: the same hashes give the same bytes.
    mutating func write(_ tiles: [(tile: Tile, hashes: [Digest])]) throws(Errno) {
        var rest = tiles[...]
        while !rest.isEmpty {
            try write(group: rest.prefix(Self.groupMax))
            rest = rest.dropFirst(Self.groupMax)
        }
        for (_, folder) in folders { try folder.flush() }
        folders = []
    }

    private mutating func write(group: ArraySlice<(tile: Tile, hashes: [Digest])>) throws(Errno) {
        var drafts: [AtomicDraft] = []
        drafts.reserveCapacity(group.count)
        for (tile, hashes) in group {
            // Digests side by side are their bytes, borrowed for the length of the call.
            let bytes = unsafe Span<UInt8>(_bytes: hashes.span.bytes)
            let draft = try AtomicDraft(tile.name, in: folder(of: tile), bytes: bytes, mode: 0o600)
            draft.beginFlush()
            drafts.append(draft)
        }
        for draft in drafts { try draft.flush() }
        for draft in drafts { try draft.takeName() }
    }

    private mutating func folder(of tile: Tile) throws(Errno) -> AtomicFolder {
        for (other, folder) in folders where tile.isBeside(other) { return folder }
        var path = directory
        for part in tile.folder.split(separator: "/") {
            path += "/\(part)"
            try AtomicFile.makeDirectory(path: path, mode: 0o700)
        }
        let folder = try AtomicFolder(path: path)
        folders.append((tile, folder))
        return folder
    }
}
