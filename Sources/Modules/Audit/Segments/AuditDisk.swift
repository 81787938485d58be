// SPDX-License-Identifier: Apache-2.0

import Glibc
import Platform

/// The files the log is written to. A role, so that a test can stand between the log and the disk and let it fail.
protocol AuditDisk: Sendable {
    /// Makes a file of a size that is really there: writing into it does not fail for want of space.
    ///
    /// - Throws: `ENOSPC`, `EDQUOT` where there is no room; then there is no file either.
    func make(_ path: String, capacity: Int) throws(Errno) -> any AuditFile
    /// Takes away a file that was made and could not be begun.
    func remove(_ path: String)
    /// Brings to the disk what another process wrote. fdatasync(2).
    func flush(_ path: String) throws(Errno)
}

/// One open file of the log. Written by one thread at a time, and flushed by another meanwhile.
protocol AuditFile: Sendable {
    func write(_ bytes: [UInt8], at offset: Int) throws(Errno)
    /// Brings everything written to the disk. fdatasync(2).
    func flush() throws(Errno)
    /// Cuts the file off behind `count` bytes, when nothing more is written to it. ftruncate(2).
    func trim(to count: Int) throws(Errno)
    /// Whether the path still leads to this file.
    var isInPlace: Bool { get }
}

/// The disk there is.
struct SystemDisk: AuditDisk {
    func remove(_ path: String) { unsafe _ = unlink(path) }

    func flush(_ path: String) throws(Errno) { try SystemAuditFile(path).flush() }

    func make(_ path: String, capacity: Int) throws(Errno) -> any AuditFile {
        guard try AtomicFile.makeEmpty(path: path, mode: 0o600) else { throw .fileExists }
        do throws(Errno) {
            let file = try SystemAuditFile(path)
            try file.allocate(capacity)
            try AtomicFile.flushDirectory(of: path)
            return file
        } catch {
            remove(path)
            throw error
        }
    }
}

private final class SystemAuditFile: AuditFile {
    private let path: String
    private let descriptor: FileDescriptor
    private let identity: (device: UInt64, inode: UInt64)

    init(_ path: String) throws(Errno) {
        self.path = path
        descriptor = FileDescriptor(
            owning: try Errno.check { unsafe Glibc.open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY) })
        let status = try FileStatus(of: descriptor)
        identity = (status.device, status.inode)
    }

    /// An fdatasync on a file that grows costs the most (the size is flushed with it), and a full disk is noticed here
    /// rather than in the middle of a record. posix_fallocate(3) returns its error.
    func allocate(_ capacity: Int) throws(Errno) {
        let result = posix_fallocate(descriptor.rawValue, 0, off_t(capacity))
        guard result == 0 else { throw Errno(result) }
        try Errno.check { fsync(descriptor.rawValue) }
    }

    func write(_ bytes: [UInt8], at offset: Int) throws(Errno) {
        var written = 0
        while written < bytes.count {
            // The array's buffer for the length of the closure; `written` is below its count.
            let count = try Errno.check {
                unsafe bytes.withUnsafeBytes { buffer in
                    let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
                    return unsafe pwrite(descriptor.rawValue, rest.baseAddress, rest.count, off_t(offset + written))
                }
            }
            guard count > 0 else { throw Errno(EIO) }
            written += count
        }
    }

    func flush() throws(Errno) { try Errno.check { fdatasync(descriptor.rawValue) } }

    func trim(to count: Int) throws(Errno) { try Errno.check { ftruncate(descriptor.rawValue, off_t(count)) } }

    var isInPlace: Bool {
        guard let status = try? FileStatus(path: path, followingLinks: false) else { return false }
        return status.device == identity.device && status.inode == identity.inode
    }
}
