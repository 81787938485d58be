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
            let file = try SystemAuditFile(path, capacity: capacity)
            try file.allocate()
            try AtomicFile.flushDirectory(of: path)
            return file
        } catch {
            remove(path)
            throw error
        }
    }
}

private final class SystemAuditFile: AuditFile, @unchecked Sendable {
    /// The file is written in steps, the last of them to its end: as long as the largest piece of memory that Linux keeps at hand
    /// (PAGE_ALLOC_COSTLY_ORDER).
    private static let step = 32 * 1024
    private static let zeros = [UInt8](repeating: 0, count: step)

    private let path: String
    private let descriptor: FileDescriptor
    private let identity: (device: UInt64, inode: UInt64)
    /// The size that it is given, beyond which no step goes.
    private let capacity: Int
    /// Where the last step ends that was written. Touched by whoever writes, one thread at a time.
    private var filled = 0

    init(_ path: String, capacity: Int = 0) throws(Errno) {
        (self.path, self.capacity) = (path, capacity)
        descriptor = FileDescriptor(
            owning: try Errno.check { unsafe Glibc.open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY) })
        let status = try FileStatus(of: descriptor)
        identity = (status.device, status.inode)
    }

    /// An fdatasync on a file that grows costs the most (the size is flushed with it), and a full disk is noticed here
    /// rather than in the middle of a record. posix_fallocate(3) returns its error.
    func allocate() throws(Errno) {
        let result = posix_fallocate(descriptor.rawValue, 0, off_t(capacity))
        guard result == 0 else { throw Errno(result) }
        try Errno.check { fsync(descriptor.rawValue) }
    }

    func write(_ bytes: [UInt8], at offset: Int) throws(Errno) {
        let end = offset + bytes.count
        // The rest of the step, which holds zeros as it is. Then Linux takes memory for the whole step at once, and brings it to the
        // disk as one piece (XFS; ext4 from 6.16 on), with half the work that single pages are.
        let next = min((end + Self.step - 1) / Self.step * Self.step, capacity)
        var written = 0
        if end > filled, next > end { written = try write(bytes, zeros: next - end, at: offset) }
        filled = max(filled, next)
        try descriptor.write(bytes.span.extracting(written...), at: offset + written)
    }

    /// Writes bytes and zeros behind them, fewer than a step, in one call. pwritev(2).
    ///
    /// - Returns: how many of the bytes it has written. Of the zeros none is missed.
    private func write(_ bytes: [UInt8], zeros: Int, at offset: Int) throws(Errno) -> Int {
        let count = try Errno.check {
            unsafe bytes.withUnsafeBytes { bytes in
                unsafe Self.zeros.withUnsafeBytes { room in
                    // Both arrays' buffers for the length of the closures, neither of them written; there are no more zeros than
                    // the room has.
                    let pieces: [2 of iovec] = unsafe [
                        iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count),
                        iovec(iov_base: UnsafeMutableRawPointer(mutating: room.baseAddress), iov_len: zeros),
                    ]
                    return unsafe pieces.span.withUnsafeBufferPointer { pieces in
                        unsafe pwritev(descriptor.rawValue, pieces.baseAddress, CInt(pieces.count), off_t(offset))
                    }
                }
            }
        }
        guard count > 0 else { throw Errno(EIO) }
        return min(count, bytes.count)
    }

    func flush() throws(Errno) { try Errno.check { fdatasync(descriptor.rawValue) } }

    func trim(to count: Int) throws(Errno) { try Errno.check { ftruncate(descriptor.rawValue, off_t(count)) } }

    var isInPlace: Bool {
        guard let status = try? FileStatus(path: path, followingLinks: false) else { return false }
        return status.device == identity.device && status.inode == identity.inode
    }
}
