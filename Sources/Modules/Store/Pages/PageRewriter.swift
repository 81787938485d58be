// SPDX-License-Identifier: Apache-2.0

import Crypto
import Glibc
import Platform
package import SQLite

/// Changes the pages of a database to the key in use (`SealedFile.use`), some at a time between the other work of the
/// store thread. Reading and writing go on meanwhile: each page names its key.
///
/// A page cannot be sealed anew in one step that a power cut leaves whole, so a batch lies on the disk first, in
/// `<database>-rekey`:
///
///         0 ..<   8   "GHREKEY1"
///         8 ..<  12   number of pages, big-endian
///        12 ..<  16   0
///     then for each   4 bytes number of the page, big-endian, 4096 bytes of it, sealed with the new key
///     at the end      SHA-256 of all of it
///
/// Written, flushed; pages written, flushed; emptied, flushed. What a crash leaves is done again before the file is opened,
/// and what is not whole was not begun. It never waits for anything that changes the pages otherwise: while a batch is
/// under way nothing is checkpointed.
package struct PageRewriter: Sendable {
    /// Pages in a batch: 1 MiB.
    package static let batchMax = 256
    /// Pages that one step looks at: 32 MiB.
    static let lookMax = 8192

    private static let magic = Array("GHREKEY1".utf8)
    private static let headBytes = 16
    private static let entryBytes = 4 + PageFormat.pageBytes

    private let file: SealedFile
    private let connection: SQLiteConnection
    private var next: UInt32 = 1
    /// The pass under way has found a page under another key.
    private var hasFoundOld = false
    /// Pages that were changed.
    package private(set) var pagesDone = 0

    /// `connection` is one that `SealedFile.connect` gave, and belongs to the calling thread.
    package init(_ connection: SQLiteConnection) throws(SQLiteError) {
        guard let layer = connection.layer as? SealedDatabaseLayer else {
            throw SQLiteError(.mistake, message: "no connection to a sealed file", subject: connection.path)
        }
        file = layer.file
        self.connection = connection
    }

    private func layer() throws(SQLiteError) -> SealedDatabaseLayer {
        guard let layer = connection.layer as? SealedDatabaseLayer else { throw failure("it is closed") }
        return layer
    }

    /// Does the next batch, outside a transaction; true when no page is left under another key, in the log neither: a whole
    /// pass has found none, and ended with an empty log. Throws `busy` where a reader keeps the log from being emptied, and
    /// damage where a page does not open: call again later.
    package mutating func step() throws(SQLiteError) -> Bool {
        let layer = try layer()
        let batch = try collect(layer)
        if !batch.pages.isEmpty { try write(batch.pages, layer) }
        pagesDone += batch.pages.count
        if !batch.pages.isEmpty { hasFoundOld = true }
        next = batch.next
        guard batch.isLast else { return false }
        try connection.checkpoint()
        defer { (next, hasFoundOld) = (1, false) }
        return !hasFoundOld
    }

    private struct Batch {
        var pages: [(number: UInt32, sealed: [UInt8])] = []
        var next: UInt32
        var isLast = false
    }

    private func collect(_ layer: SealedDatabaseLayer) throws(SQLiteError) -> Batch {
        var size: Int64 = 0
        guard layer.below.getSize(&size) == .ok else { throw failure("its size is not known") }
        let last = UInt32(clamping: size / Int64(PageFormat.pageBytes))
        var batch = Batch(next: next)
        let end = UInt32(clamping: Int(next) + PageRewriter.lookMax)
        while batch.next <= last, batch.next < end, batch.pages.count < PageRewriter.batchMax {
            if batch.next != PageFormat.lockPage, let sealed = try layer.reseal(batch.next) {
                batch.pages.append((batch.next, sealed))
            }
            batch.next += 1
        }
        batch.isLast = batch.next > last
        return batch
    }

    private func write(
        _ pages: [(number: UInt32, sealed: [UInt8])], _ layer: SealedDatabaseLayer
    ) throws(SQLiteError) {
        guard layer.below.lockCheckpoints(true) == .ok else {
            throw SQLiteError(.busy, message: "a checkpoint is under way", subject: file.path)
        }
        defer { _ = layer.below.lockCheckpoints(false) }
        do throws(Errno) {
            var bytes = PageRewriter.magic + PageRewriter.bigEndian(UInt32(pages.count)) + [0, 0, 0, 0]
            for page in pages { bytes += PageRewriter.bigEndian(page.number) + page.sealed }
            bytes += SHA256.digest(bytes).bytes
            try AtomicFile.write(path: PageRewriter.path(file), bytes: bytes, mode: 0o600)
        } catch {
            throw failure("\(error)")
        }
        for page in pages {
            guard layer.put(page.sealed, number: page.number) == .ok else { throw failure("a page cannot be written") }
        }
        guard layer.sync(flags: 2) == .ok else { throw failure("it cannot be flushed") }
        try PageRewriter.remove(file)
    }

    private func failure(_ message: String) -> SQLiteError {
        SQLiteError(.unavailable, message: message, subject: file.path)
    }

    // MARK: - After a crash

    /// Finishes the batch of a process that was killed. Before any connection.
    static func recover(_ file: SealedFile) throws(SQLiteError) {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try AtomicFile.read(
                path: path(file), bytesMax: headBytes + batchMax * entryBytes + Digest.byteCount)
        } catch .noSuchFile {
            return
        } catch {
            throw SQLiteError(.unavailable, message: "\(error)", subject: path(file))
        }
        guard let pages = parse(bytes) else {
            // Only a whole one is ever given its name.
            throw SQLiteError(PageDamage(file: path(file), page: 0, reason: .notAuthentic))
        }
        let sealer = PageSealer(file)
        for (number, sealed) in pages {
            var copy = sealed
            let reason = unsafe copy.withUnsafeMutableBytes { page in
                unsafe page.baseAddress.flatMap { unsafe sealer.openPage($0, number: number) }
            }
            if let reason { throw SQLiteError(PageDamage(file: path(file), page: number, reason: reason)) }
        }
        do throws(Errno) {
            let raw = try Errno.check { unsafe open(file.path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW) }
            let descriptor = FileDescriptor(owning: raw)
            for (number, sealed) in pages {
                let offset = Int(number - 1) * PageFormat.pageBytes
                let count = try Errno.check {
                    unsafe sealed.withUnsafeBytes { unsafe pwrite(raw, $0.baseAddress, $0.count, offset) }
                }
                guard count == PageFormat.pageBytes else { throw .noSpace }
            }
            try Errno.check { fsync(descriptor.rawValue) }
        } catch {
            throw SQLiteError(.unavailable, message: "\(error)", subject: file.path)
        }
        try remove(file)
    }

    private static func parse(_ bytes: [UInt8]) -> [(number: UInt32, sealed: [UInt8])]? {
        guard bytes.count >= headBytes + Digest.byteCount, Array(bytes[0..<8]) == magic else { return nil }
        let count = Int(number(bytes, 8))
        let body = headBytes + count * entryBytes
        guard count <= batchMax, bytes.count == body + Digest.byteCount,
            SHA256.digest(Array(bytes[..<body])).bytes == Array(bytes[body...])
        else { return nil }
        let pages = (0..<count).map { index in
            let start = headBytes + index * entryBytes
            return (number: number(bytes, start), sealed: Array(bytes[(start + 4)..<(start + entryBytes)]))
        }
        return pages.allSatisfy { $0.number > 0 } ? pages : nil
    }

    private static func number(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        bytes[offset..<(offset + 4)].reduce(0) { $0 << 8 | UInt32($1) }
    }

    private static func bigEndian(_ number: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> UInt32($0)) }
    }

    /// Durable before anything else may change the pages: an old batch must never come again over newer ones.
    private static func remove(_ file: SealedFile) throws(SQLiteError) {
        do throws(Errno) {
            try Errno.check { unsafe unlink(path(file)) }
            try AtomicFile.flushDirectory(of: file.path)
        } catch {
            throw SQLiteError(.unavailable, message: "\(error)", subject: path(file))
        }
    }

    private static func path(_ file: SealedFile) -> String { "\(file.path)-rekey" }
}
