// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A directory that is held open for the names that are given in it (``AtomicDraft``): nothing looks for its path again, and
/// they are flushed together. All of it blocks: never on a loop.
final class AtomicFolder: Sendable {
    fileprivate let descriptor: FileDescriptor
    /// Behind the names of drafts. Random, so that nobody knows it before.
    fileprivate let suffix: String

    /// Opens the directory at `path`, which must be there.
    init(path: String) throws(Errno) {
        let raw = try Errno.check { unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        descriptor = FileDescriptor(owning: raw)
        suffix = ".\(String(Random.uint64(), radix: 16)).tmp"
    }

    /// Makes names that were given and taken in it durable. fsync(2).
    func flush() throws(Errno) { try Errno.check { fsync(descriptor.rawValue) } }
}

/// A file that has its bytes and not yet its name: the steps of ``AtomicFile/write(path:bytes:mode:)``, for whoever has many files
/// to write and need not wait for the disk once for each. One that is let go without its name leaves nothing. All of it blocks:
/// never on a loop.
final class AtomicDraft {
    private let folder: AtomicFolder
    private let name: String
    private let temporary: String
    private let file: FileDescriptor
    private var isNamed = false

    /// Writes `bytes` to a new file in a folder, where `name` has no other draft. `mode` holds from the first moment, whatever the
    /// umask says.
    init(_ name: String, in folder: AtomicFolder, bytes: Span<UInt8>, mode: UInt32) throws(Errno) {
        // O_EXCL and a random name: a file or link that somebody put there is never followed.
        let temporary = name + folder.suffix
        file = try AtomicFile.create(temporary, in: folder.descriptor.rawValue, mode: mode)
        (self.folder, self.name, self.temporary) = (folder, name, temporary)
        try AtomicFile.write(bytes, to: file)
    }

    deinit { if !isNamed { unsafe _ = unlinkat(folder.descriptor.rawValue, temporary, 0) } }

    /// Waits until the bytes are on the disk. fsync(2).
    func flush() throws(Errno) { try Errno.check { fsync(file.rawValue) } }

    /// Gives it its name, which another file may have had. What was not flushed may be lost with a power cut; so may the name,
    /// until its folder is (``AtomicFolder/flush()``). renameat(2).
    func takeName() throws(Errno) {
        let folder = folder.descriptor.rawValue
        try Errno.check { unsafe renameat(folder, temporary, folder, name) }
        isNamed = true
    }
}
