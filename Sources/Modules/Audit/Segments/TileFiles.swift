// SPDX-License-Identifier: Apache-2.0

import Crypto
import Glibc
import Platform

/// Puts whole tiles on the disk, many at once: a busy log makes hundreds a second.
///
/// Each appears whole under its name or not at all, also after a power cut in the middle, as ``AtomicFile`` has it. But the disk
/// is given the bytes of a group before the first of them is waited for, and each folder is flushed once, at the end.
struct TileFiles {
    /// Files that are open at once.
    private static let groupMax = 64

    private let directory: String
    /// A part of their names that nobody can know before.
    private let suffix: String
    /// The folders that are there, and in which names are not flushed yet.
    private var folders: Set<String> = []

    init(in directory: String) {
        self.directory = directory
        suffix = Random.bytes(8).map { String($0, radix: 16) }.joined()
    }

    /// A tile that has its bytes and not yet its name. Forgotten without one, its file goes.
    private final class Draft {
        let path: String
        private let temporary: String
        private let file: FileDescriptor
        private var isNamed = false

        init(_ path: String, _ suffix: String, _ bytes: [UInt8]) throws(Errno) {
            self.path = path
            temporary = "\(path).\(suffix).tmp"
            let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
            file = FileDescriptor(owning: try Errno.check { [temporary] in unsafe open(temporary, flags, 0o600) })
            // Whatever the umask says.
            try Errno.check { fchmod(file.rawValue, 0o600) }
            var written = 0
            while written < bytes.count {
                // The array's buffer for the length of the closure; `written` is below its count.
                let count = try Errno.check {
                    unsafe bytes.withUnsafeBytes { buffer in
                        let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
                        return unsafe Glibc.write(file.rawValue, rest.baseAddress, rest.count)
                    }
                }
                guard count > 0 else { throw Errno(EIO) }
                written += count
            }
            // The disk may begin: nobody reads it soon. Linux then writes what is dirty, and waits for nothing. posix_fadvise(2).
            _ = posix_fadvise(file.rawValue, 0, 0, POSIX_FADV_DONTNEED)
        }

        func flush() throws(Errno) { try Errno.check { fsync(file.rawValue) } }

        func name() throws(Errno) {
            try Errno.check { unsafe rename(temporary, path) }
            isNamed = true
        }

        deinit { if !isNamed { unsafe _ = unlink(temporary) } }
    }

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
        var drafts: [Draft] = []
        for (tile, hashes) in group {
            let path = tile.path()
            try makeFolder(of: path)
            drafts.append(try Draft("\(directory)/\(path)", suffix, Tile.bytes(of: hashes)))
        }
        for draft in drafts { try draft.flush() }
        for draft in drafts { try draft.name() }
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
