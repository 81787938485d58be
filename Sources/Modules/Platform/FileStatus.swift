// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What the kernel knows about a file: enough to decide whether it may be trusted. stat(2).
package struct FileStatus: Equatable, Sendable {
    package enum Kind: Equatable, Sendable { case regular, directory, symbolicLink, socket, other }

    package let kind: Kind
    /// Permission bits with set-user-id, set-group-id and sticky: `0o7777` at most.
    package let mode: UInt32
    /// The numeric user and group that own it.
    package let owner, group: UInt32
    /// Bytes; 0 for what is no regular file.
    package let size: Int
    /// Names it has; 0 for a file that was deleted while open.
    package let linkCount: Int
    /// Together they name the file itself, whatever path leads to it.
    package let device, inode: UInt64
    /// When its bytes, its mode or its names last changed, in nanoseconds of the system's clock (`st_ctim`).
    package let changed: Int64

    /// True where group or others may write.
    package var isWritableByOthers: Bool { mode & 0o022 != 0 }

    /// True where group or others may read, write or execute.
    package var isOpenToOthers: Bool { mode & 0o077 != 0 }

    /// Of the file at `path`, following symbolic links unless told otherwise. stat(2), lstat(2).
    package init(path: String, followingLinks: Bool = true) throws(Errno) {
        var raw = stat()
        // `raw` is a local that outlives the call; the path is a C string for the length of it.
        try Errno.check { unsafe followingLinks ? stat(path, &raw) : lstat(path, &raw) }
        self.init(raw)
    }

    /// Of an open file, whatever became of its name. fstat(2).
    package init(of descriptor: borrowing FileDescriptor) throws(Errno) {
        var raw = stat()
        // `raw` is a local that outlives the call.
        let number = descriptor.rawValue
        try Errno.check { unsafe fstat(number, &raw) }
        self.init(raw)
    }

    private init(_ raw: stat) {
        kind =
            switch raw.st_mode & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            case S_IFSOCK: .socket
            default: .other
            }
        mode = raw.st_mode & 0o7777
        owner = raw.st_uid
        group = raw.st_gid
        size = kind == .regular ? Int(raw.st_size) : 0
        linkCount = Int(raw.st_nlink)
        device = UInt64(raw.st_dev)
        inode = UInt64(raw.st_ino)
        changed = Int64(raw.st_ctim.tv_sec) &* 1_000_000_000 &+ Int64(raw.st_ctim.tv_nsec)
    }
}
