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
    /// The folders that are there, and in which names are not flushed yet.
    private var folders: Set<String> = []

    init(in directory: String) { self.directory = directory }

    /// Writes tiles. Some may be there already, after a crash: the same hashes give the same bytes.
    mutating func write(_ tiles: [(tile: Tile, hashes: [Digest])]) throws(Errno) {
        var rest = tiles[...]
        while !rest.isEmpty {
            try write(group: rest.prefix(Self.groupMax))
            rest = rest.dropFirst(Self.groupMax)
        }
        // Of a path it flushes the folder.
        for folder in folders { try AtomicFile.flushDirectory(of: "\(folder)/000") }
        folders = []
    }

    private mutating func write(group: ArraySlice<(tile: Tile, hashes: [Digest])>) throws(Errno) {
        var drafts: [AtomicDraft] = []
        for (tile, hashes) in group {
            let path = tile.path()
            try makeFolder(of: path)
            let draft = try AtomicDraft(path: "\(directory)/\(path)", bytes: Tile.bytes(of: hashes), mode: 0o600)
            draft.beginFlush()
            drafts.append(draft)
        }
        for draft in drafts { try draft.flush() }
        for draft in drafts { try draft.takeName() }
    }

    private mutating func makeFolder(of path: String) throws(Errno) {
        let parts = path.split(separator: "/").dropLast()
        guard !folders.contains("\(directory)/\(parts.joined(separator: "/"))") else { return }
        var folder = directory
        for part in parts {
            folder += "/\(part)"
            try AtomicFile.makeDirectory(path: folder, mode: 0o700)
        }
        folders.insert(folder)
    }
}
