// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Platform

/// The directory in which everything that lasts is kept, open to its owner alone.
struct DataDirectory: Sendable {
    let path: String

    /// Makes it with mode 0700 if it is missing, and refuses one that others can enter or that is somebody else's.
    func prepare() throws(StartFailure) {
        do {
            try AtomicFile.makeDirectory(path: path, mode: 0o700)
            let status = try FileStatus(path: path)
            guard status.owner == geteuid() else {
                throw StartFailure(
                    "the data directory \(path) belongs to another user", hint: "run as its owner, or chown it")
            }
            guard !status.isOpenToOthers else {
                throw StartFailure(
                    "the data directory \(path) is open to others (mode \(String(status.mode, radix: 8)))",
                    hint: "chmod 0700 \(path)")
            }
        } catch let error as Errno {
            throw StartFailure("the data directory \(path) cannot be used: \(error)")
        } catch let failure as StartFailure {
            throw failure
        } catch {
            throw StartFailure("the data directory \(path) cannot be used")
        }
    }

    /// Takes the directory for this process; the lock goes with the process, however it ends (flock(2)).
    func lock() throws(StartFailure) -> DirectoryLock {
        let raw = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard raw >= 0 else { throw StartFailure("the data directory \(path) cannot be opened: \(Errno.last)") }
        let descriptor = FileDescriptor(owning: raw)
        guard flock(raw, LOCK_EX | LOCK_NB) == 0 else {
            throw StartFailure(
                "another gatehouse uses the data directory \(path)",
                hint: "stop it first, or give this one another `data`")
        }
        return DirectoryLock(descriptor)
    }
}

/// Holds the lock on a data directory as long as it lives.
final class DirectoryLock: Sendable {
    private let descriptor: FileDescriptor

    init(_ descriptor: consuming FileDescriptor) {
        self.descriptor = descriptor
    }
}
