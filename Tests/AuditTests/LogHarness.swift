// SPDX-License-Identifier: Apache-2.0

import Crypto
import EventLoop
import Glibc
import Platform
import Support

@testable import Audit

/// A log in a directory of its own, with a disk that can be told to fail.
final class LogHarness {
    static let origin = "test.example/audit"

    let directory: TemporaryDirectory
    let disk: FaultDisk
    let signer: Ed25519.PrivateKey
    var writer: LogWriter
    /// Records a segment holds are few, so that tests cross segments.
    let segmentBytes: Int

    var files: LogDirectory { LogDirectory(path: directory.path) }
    var key: NoteKey { NoteKey(name: Self.origin, key: signer.publicKey) }

    init(segmentBytes: Int = 104 * 1024) throws {
        directory = try TemporaryDirectory()
        disk = FaultDisk()
        signer = try Ed25519.PrivateKey(seed: LogHarness.key(0))
        self.segmentBytes = segmentBytes
        writer = LogWriter(
            Self.parts(directory.path, disk, segmentBytes), end: .init(), lastNumber: 0)
    }

    /// As the keyring would give it: the same for a number every time.
    static func key(_ number: Int) -> SecretBytes {
        let bytes = SHA256.digest(Array("segment \(number)".utf8)).bytes
        return SecretBytes(copying: bytes.span)
    }

    static func parts(_ path: String, _ disk: any AuditDisk, _ segmentBytes: Int) -> LogWriter.Parts {
        LogWriter.Parts(
            directory: path, disk: disk, key: { number throws(AuditFailure) in key(number) },
            clock: { WallTime(seconds: 1_790_000_000) }, monotonic: Instant.now,
            boot: [UInt8](repeating: 1, count: 16), segmentBytes: segmentBytes)
    }

    /// Writes entries named by their number, all under one claim.
    ///
    /// - Parameter together: how many with one call.
    @discardableResult
    func append(
        _ count: Int, as claim: LogWriter.Claim = .plain, together: Int = 1
    ) -> [Result<Int, AuditFailure>] {
        stride(from: 0, to: count, by: together).flatMap { first in
            writer.append(
                (first..<min(first + together, count)).map { number in
                    var entry = AuditEntry(claim == .intent ? .intent : claim == .outcome ? .outcome : .act)
                    entry.set(.action, "test.\(number)")
                    return (entry, claim)
                }, generation: 1)
        }
    }

    /// Flushes, puts whole tiles on the disk, and signs what there is.
    @discardableResult
    func sign(oldest: Int = 0) throws -> String {
        try writer.flush()
        let (edge, tiles) = writer.takeFlushed()
        try files.write(tiles)
        let note = try Checkpoint(origin: Self.origin, size: edge.size, root: edge.root, oldest: oldest).signed(
            by: signer)
        try files.write(checkpoint: note)
        return note.note
    }

    func verify(against notes: [String] = []) -> LogVerifier.Report {
        LogVerifier(directory: files).verify(key: key, against: notes)
    }

    func records(from first: Int = 0) throws -> (records: [AuditRecord], tail: LogReader.Tail) {
        var records: [AuditRecord] = []
        let reader = LogReader(directory: files) { number throws(AuditFailure) in Self.key(number) }
        let tail = try reader.replay(from: first) { records.append($0) }
        return (records, tail)
    }
}

/// The disk there is, with faults: the next calls of a kind fail as told.
final class FaultDisk: AuditDisk {
    struct Faults {
        var make: Errno?
        var write: Errno?
        /// Half of the bytes are written before the call fails.
        var tearsWrites = false
        var flush: Errno?
        /// How long the next write takes at least.
        var slownessMilliseconds: UInt32 = 0
        /// Whether a flush that begins waits, and how many do.
        var holdsFlushes = false
        var flushesHeld = 0
        /// Writes by loops, and by other threads.
        var writesByLoops = 0
        var writesByOthers = 0
    }

    let faults = Monitor(Faults())

    func make(_ path: String, capacity: Int) throws(Errno) -> any AuditFile {
        if let error = faults.withLock({ $0.make }) { throw error }
        return FaultFile(file: try SystemDisk().make(path, capacity: capacity), disk: self)
    }

    func remove(_ path: String) { SystemDisk().remove(path) }

    func flush(_ path: String) throws(Errno) { try SystemDisk().flush(path) }

    private struct FaultFile: AuditFile {
        let file: any AuditFile
        let disk: FaultDisk

        func write(_ bytes: [UInt8], at offset: Int) throws(Errno) {
            let faults = disk.faults.withLock { faults in
                defer { faults.slownessMilliseconds = 0 }
                if EventLoop.current == nil { faults.writesByOthers += 1 } else { faults.writesByLoops += 1 }
                return faults
            }
            usleep(faults.slownessMilliseconds * 1000)
            if let error = faults.write {
                if faults.tearsWrites { try file.write(Array(bytes[..<(bytes.count / 2)]), at: offset) }
                throw error
            }
            try file.write(bytes, at: offset)
        }

        func flush() throws(Errno) {
            disk.faults.withLock { $0.flushesHeld += $0.holdsFlushes ? 1 : 0 }
            for _ in 0..<20_000 where disk.faults.withLock({ $0.holdsFlushes }) { usleep(1000) }
            if let error = disk.faults.withLock({ $0.flush }) { throw error }
            try file.flush()
        }

        func trim(to count: Int) throws(Errno) { try file.trim(to: count) }

        var isInPlace: Bool { file.isInPlace }
    }
}
