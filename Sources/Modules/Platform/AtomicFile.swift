// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// Small files, read whole and replaced whole: whoever looks sees the old contents or the new ones, never a part, also
/// after a power cut in the middle.
///
/// The new contents go to a file of a fresh name in the same directory, are flushed, take the old one's name by
/// rename(2), and the directory is flushed. All of it blocks: never on a loop.
package enum AtomicFile {
    /// Replaces or creates `path`. `mode` holds from the first moment, whatever the umask says: nobody can open the file
    /// while it is still empty. On an error the old contents stand and no temporary file is left.
    package static func write(path: String, bytes: [UInt8], mode: UInt32) throws(Errno) {
        let folder = try AtomicFolder(path: directory(of: path))
        let draft = try AtomicDraft(name(of: path), in: folder, bytes: bytes.span, mode: mode)
        try draft.flush()
        try draft.takeName()
        try folder.flush()
    }

    /// All bytes of `path`, `EFBIG` where there are more than `bytesMax`. Follows symbolic links; a directory is `EISDIR`.
    package static func read(path: String, bytesMax: Int) throws(Errno) -> [UInt8] {
        let raw = try Errno.check { unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) }
        return try read(FileDescriptor(owning: raw), bytesMax: bytesMax)
    }

    /// All bytes of `path` as a secret: the buffer between is wiped.
    package static func readSecret(path: String, bytesMax: Int) throws(Errno) -> SecretBytes {
        var bytes = try read(path: path, bytesMax: bytesMax)
        return SecretBytes(taking: &bytes)
    }

    /// Makes the directory at `path`, with exactly `mode` whatever the umask says. False where one is there already (its mode is
    /// left as it is, and is the caller's to check). Parents must exist. mkdir(2).
    @discardableResult
    package static func makeDirectory(path: String, mode: UInt32) throws(Errno) -> Bool {
        // The narrowest first: chmod may only open what mkdir made.
        do throws(Errno) {
            try Errno.check { unsafe mkdir(path, mode & 0o700) }
        } catch {
            guard error == .fileExists else { throw error }
            guard try FileStatus(path: path).kind == .directory else { throw .notDirectory }
            return false
        }
        try Errno.check { unsafe chmod(path, mode) }
        try flush(directory: directory(of: path))
        return true
    }

    /// Creates an empty file with exactly `mode` unless one is there. True where it was made. Used before a library
    /// that would create it with the umask's mode opens it.
    @discardableResult
    package static func makeEmpty(path: String, mode: UInt32) throws(Errno) -> Bool {
        do throws(Errno) {
            _ = try create(path, in: AT_FDCWD, mode: mode)
        } catch {
            guard error == .fileExists else { throw error }
            return false
        }
        return true
    }

    /// The part of `path` before its last slash; `.` where there is none.
    static func directory(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.utf8.startIndex ? "/" : String(path[..<slash])
    }

    /// The part of `path` behind its last slash.
    private static func name(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return path }
        return String(path[path.utf8.index(after: slash)...])
    }

    /// Creates an empty file with exactly `mode`. `path` leads there from the open directory `folder`.
    static func create(_ path: String, in folder: CInt, mode: UInt32) throws(Errno) -> FileDescriptor {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let descriptor = FileDescriptor(
            owning: try Errno.check { unsafe openat(folder, path, flags, mode & 0o600) })
        do throws(Errno) {
            // Most have it already: to look is cheaper than to change what is as it should be.
            if try FileStatus(of: descriptor).mode != mode { try Errno.check { fchmod(descriptor.rawValue, mode) } }
        } catch {
            unsafe _ = unlinkat(folder, path, 0)
            throw error
        }
        return descriptor
    }

    static func write(_ bytes: Span<UInt8>, to descriptor: borrowing FileDescriptor) throws(Errno) {
        var written = 0
        while written < bytes.count {
            // What is borrowed lives for the length of the closure; `written` is below its count.
            let count = try Errno.check {
                unsafe bytes.withUnsafeBytes { buffer in
                    let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
                    return unsafe Glibc.write(descriptor.rawValue, rest.baseAddress, rest.count)
                }
            }
            guard count > 0 else { throw Errno(EIO) }
            written += count
        }
    }

    /// All bytes from where an open file stands to its end, `EFBIG` where there are more than `bytesMax`: for callers
    /// that must judge the file they opened, and not another of the same name, before they read it.
    package static func read(
        _ descriptor: consuming FileDescriptor, bytesMax: Int
    ) throws(Errno) -> [UInt8] {
        // One byte more than allowed, so that "exactly full" and "too much" differ. The size is a hint only: files
        // under /proc and pipes say 0.
        let hint = try FileStatus(of: descriptor).size
        let step = 16 * 1024
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(max(hint, 512), bytesMax) + 1)
        while true {
            let room = min(step, bytesMax &+ 1 - bytes.count)
            let start = bytes.count
            // Room for `room` bytes is appended, filled by read(2), and cut to what came.
            bytes.append(contentsOf: repeatElement(0, count: room))
            let count = try Errno.check {
                unsafe bytes.withUnsafeMutableBytes { buffer in
                    let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[start...])
                    return unsafe Glibc.read(descriptor.rawValue, rest.baseAddress, rest.count)
                }
            }
            if bytes.count - room + count > bytesMax { throw .fileTooLarge }
            bytes.removeLast(room - count)
            if count == 0 { return bytes }
        }
    }

    /// Makes names that were given and taken in the directory of `path` durable. fsync(2).
    package static func flushDirectory(of path: String) throws(Errno) {
        try flush(directory: directory(of: path))
    }

    /// Two files or directories of one file system change their names at once. Both must exist. renameat2(2).
    package static func exchange(_ first: String, _ second: String) throws(Errno) {
        try Errno.check { unsafe clinux_exchange(first, second) }
    }

    /// Overwrites a small file (1 MiB at most) where it lies, flushes it, and takes its name away, durably. For keys whose
    /// end is the point. A file that has another name is in use under that, and loses this one only. `ENOENT` where there
    /// is no file.
    package static func destroy(path: String) throws(Errno) {
        let raw = try Errno.check { unsafe open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC) }
        let descriptor = FileDescriptor(owning: raw)
        let status = try FileStatus(of: descriptor)
        guard status.size <= 1 << 20 else { throw .fileTooLarge }
        if status.linkCount == 1 {
            try write(Random.bytes(status.size).span, to: descriptor)
            try Errno.check { fsync(descriptor.rawValue) }
        }
        try Errno.check { unsafe unlink(path) }
        try flushDirectory(of: path)
    }

    /// Replaces `path` as ``write(path:bytes:mode:)`` does, and then overwrites what stood there, which has a second name,
    /// `path` and `.old`, for as long. A crash may leave that: ``destroy(path:)`` it at the next start.
    package static func replaceDestroying(path: String, bytes: [UInt8], mode: UInt32) throws(Errno) {
        let old = path + ".old"
        do throws(Errno) {
            try Errno.check { unsafe link(path, old) }
        } catch .fileExists {
            // From a crash: that one goes first, or the file in force would have no second name.
            try destroy(path: old)
            try Errno.check { unsafe link(path, old) }
        }
        try write(path: path, bytes: bytes, mode: mode)
        try destroy(path: old)
    }

    private static func flush(directory path: String) throws(Errno) {
        try AtomicFolder(path: path).flush()
    }
}
