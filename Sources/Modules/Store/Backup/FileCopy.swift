// SPDX-License-Identifier: Apache-2.0

import Crypto
import Glibc
import Platform

/// Copies files of any size byte by byte, as they lie there, and tells what was copied.
enum FileCopy {
    /// Bytes read at once.
    static let pieceBytes = 1 << 20

    /// Copies the first `bytes` bytes of a file that does not change meanwhile, durably, into a new file of mode 0600.
    ///
    /// - Parameter progress: told of each piece, in bytes.
    /// - Returns: the SHA-256 of what was copied.
    static func copy(
        _ source: String, bytes: Int, to target: String, progress: (Int) -> Void
    ) throws(BackupFailure) -> Digest {
        // To close a descriptor of a database takes away this process's fcntl(2) locks on it. They guard against other
        // processes only, and those stand before the lock of the data directory; the locks of the log are on another file.
        let from = try open(source, O_RDONLY)
        let to = try open(target, O_WRONLY | O_CREAT | O_EXCL)
        return try copy(from, source, bytes: bytes, to, target, progress)
    }

    private static func copy(
        _ from: borrowing FileDescriptor, _ source: String, bytes: Int, _ to: borrowing FileDescriptor,
        _ target: String, _ progress: (Int) -> Void
    ) throws(BackupFailure) -> Digest {
        var hash = SHA256()
        var piece = [UInt8](repeating: 0, count: pieceBytes)
        var done = 0
        while done < bytes {
            let count = try read(from, source, into: &piece, count: min(pieceBytes, bytes - done))
            guard count > 0 else {
                throw .damaged(file: source, "it has \(done) bytes where \(bytes) are expected")
            }
            hash.update(piece.span.extracting(0..<count))
            try write(piece, count: count, to, target)
            done += count
            progress(count)
        }
        do throws(Errno) {
            try Errno.check { fsync(to.rawValue) }
        } catch {
            throw .file(path: target, error)
        }
        return hash.finish()
    }

    private static func open(_ path: String, _ flags: CInt) throws(BackupFailure) -> FileDescriptor {
        do throws(Errno) {
            // A link that somebody put there is not followed: what lies behind it is none of ours.
            let raw = try Errno.check { unsafe Glibc.open(path, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0o600) }
            return FileDescriptor(owning: raw)
        } catch {
            throw .file(path: path, error)
        }
    }

    private static func read(
        _ from: borrowing FileDescriptor, _ path: String, into piece: inout [UInt8], count: Int
    ) throws(BackupFailure) -> Int {
        do throws(Errno) {
            return try Errno.check {
                // The array's buffer for the length of the closure; `count` is at most its length.
                unsafe piece.withUnsafeMutableBytes { buffer in
                    unsafe Glibc.read(from.rawValue, buffer.baseAddress, min(count, buffer.count))
                }
            }
        } catch {
            throw .file(path: path, error)
        }
    }

    private static func write(
        _ piece: [UInt8], count: Int, _ to: borrowing FileDescriptor, _ path: String
    ) throws(BackupFailure) {
        var written = 0
        while written < count {
            do throws(Errno) {
                written += try Errno.check {
                    // `written` is below `count`, and that at most the array's length.
                    unsafe piece.withUnsafeBytes { buffer in
                        let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written..<count])
                        return unsafe Glibc.write(to.rawValue, rest.baseAddress, rest.count)
                    }
                }
            } catch {
                throw .file(path: path, error)
            }
        }
    }
}
