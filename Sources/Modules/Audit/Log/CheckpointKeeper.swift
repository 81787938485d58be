// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import EventLoop
import Glibc
import Log
import Platform
import SQLite
import Synchronization

/// Brings checkpoints and whole tiles to the disk, on a thread of its own: the log's thread must not wait for them.
///
/// A checkpoint goes to four places, since truncation and roll-back are seen from outside only: beside the segments, into
/// control.db, to the journal, and to a second path where the configuration names one.
final class CheckpointKeeper: Sendable {
    /// Work that may wait: a checkpoint every ten seconds, and retention.
    private static let queueMax = 64

    let origin: String
    private let key: Ed25519.PrivateKey
    private let directory: LogDirectory
    private let copyPath: String?
    private let retention: Duration
    private let database: any Database
    private let destroyKey: @Sendable (Int) -> Void
    private let clock: @Sendable () -> WallTime
    private let log: Logger
    private let note: @Sendable (_ action: String, _ file: String) -> Void
    private let worker: Worker
    /// Tiles that could not be written yet.
    private let pending = Mutex<[(tile: Tile, hashes: [Digest])]>([])
    /// What was kept last. Touched by the worker's thread alone, but for its first value.
    private let last: Mutex<(checkpoint: Checkpoint, replayFrom: Int)?> = Mutex(nil)
    /// ``Checkpoint/oldest``: raised by retention and by nothing else, so that a file which somebody took away is missed.
    private let oldest: Mutex<Int>

    init(
        origin: String, key: Ed25519.PrivateKey, directory: LogDirectory, copyPath: String?, retention: Duration,
        oldest: Int, database: any Database, destroyKey: @escaping @Sendable (Int) -> Void,
        clock: @escaping @Sendable () -> WallTime, log: Logger,
        note: @escaping @Sendable (_ action: String, _ file: String) -> Void
    ) throws(Errno) {
        (self.origin, self.key, self.directory, self.copyPath) = (origin, key, directory, copyPath)
        (self.retention, self.database, self.destroyKey) = (retention, database, destroyKey)
        (self.clock, self.log, self.note) = (clock, log, note)
        self.oldest = Mutex(oldest)
        worker = try Worker(name: "audit-files", queueMax: Self.queueMax)
    }

    /// - Parameters:
    ///   - tiles: whole since the last time.
    ///   - replayFrom: where the next start has to begin to find every open intent.
    ///   - done: called when it is in its places, or cannot be.
    func keep(
        _ checkpoint: Checkpoint, tiles: [(tile: Tile, hashes: [Digest])], replayFrom: Int,
        done: @escaping @Sendable () -> Void
    ) {
        do throws(Worker.Refusal) {
            try worker.post { [self] in
                write(checkpoint, tiles, replayFrom)
                done()
            }
        } catch {
            done()
        }
    }

    func stop() {
        worker.stop()
        worker.join()
    }

    /// - Returns: whether it is in all its places.
    @discardableResult
    private func write(
        _ newest: Checkpoint, _ tiles: [(tile: Tile, hashes: [Digest])], _ replayFrom: Int
    ) -> Bool {
        let checkpoint = Checkpoint(
            origin: newest.origin, size: newest.size, root: newest.root, oldest: oldest.withLock { $0 })
        let all = pending.withLock { pending in
            pending += tiles
            return pending
        }
        do {
            let note = try checkpoint.signed(by: key)
            // A checkpoint vouches for its tiles: they come first.
            try directory.write(all)
            pending.withLock { $0 = [] }
            try directory.write(checkpoint: note)
            if let copyPath { try AtomicFile.write(path: copyPath, bytes: Array(note.note.utf8), mode: 0o644) }
            try database.writeBlocking { connection throws(SQLiteError) in
                try AuditState(size: checkpoint.size, replayFrom: replayFrom, note: note.note).write(connection)
            }
            log.info("audit checkpoint", ["size": .int(checkpoint.size), "note": .string(note.note)])
            last.withLock { $0 = (checkpoint, replayFrom) }
            return true
        } catch {
            log.error(
                "a checkpoint of the audit log is not in all its places",
                ["cause": .string("\(error)"), "size": .int(checkpoint.size)])
            return false
        }
    }

    /// Deletes segments whose records are all older than the retention, and destroys their keys. The tiles over them stay,
    /// so proofs hold.
    ///
    /// - Parameter size: records there are: those of a segment go only when the tiles over them are whole.
    func retire(belowSize size: Int) {
        try? worker.post { [self] in
            do {
                let numbers = try retired(belowSize: size)
                guard let newest = numbers.last, let (checkpoint, replayFrom) = last.withLock({ $0 }) else { return }
                // Signed before it happens: a file that is gone without is one that somebody took.
                let before = oldest.withLock { $0 }
                let first = try directory.header(newest + 1).firstSequence
                oldest.withLock { $0 = first }
                guard first <= checkpoint.size, write(checkpoint, [], replayFrom) else {
                    return oldest.withLock { $0 = before }
                }
                for number in numbers {
                    let name = SegmentHeader.name(number: number)
                    note("segment.retire", name)
                    destroyKey(number)
                    unsafe _ = unlink("\(directory.path)/\(name)")
                }
            } catch {
                log.error("old segments of the audit log cannot be deleted", ["cause": .string("\(error)")])
            }
        }
    }

    /// The oldest segments, of which each has another behind it that began before the retention.
    private func retired(belowSize size: Int) throws(LogDirectory.Damage) -> [Int] {
        let wholeTiles = size - size % Tile.width
        let numbers = try directory.segmentNumbers()
        var retired: [Int] = []
        for (number, next) in zip(numbers, numbers.dropFirst()) {
            let header = try directory.header(next)
            let tiles = (header.firstSequence + Tile.width - 1) / Tile.width * Tile.width
            guard header.created + retention < clock(), tiles <= wholeTiles, pending.withLock({ $0.isEmpty }) else {
                break
            }
            retired.append(number)
        }
        return retired
    }
}
