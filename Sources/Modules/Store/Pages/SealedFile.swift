// SPDX-License-Identifier: Apache-2.0

import Crypto
import Glibc
import Platform
package import SQLite
import Synchronization

/// A sealed database (`PageFormat`): what the connections to one file share. There is one object a file in a process.
///
/// Opening blocks and belongs on a store thread. Everything here may be called from any thread.
package final class SealedFile: Sendable {
    /// Page size and seal, for `SQLiteOptions`.
    static let vfs = "gatehouse-pages"
    /// Reads of one page before it is called damaged: another thread may be writing it (`PageRewriter`).
    static let readAttemptsMax = 4

    package let path: String
    package let identity: FileIdentity
    private let vfs: String
    private let below: String

    /// Keys, the one that seals first.
    private let ring: Mutex<[PageKey]>
    private let ringVersion = Atomic(0)
    private let writes = Atomic<UInt64>(0)
    /// What the key has sealed before, and what is written down of it (`PageWear`).
    let wear = Mutex(PageWear())
    private let log = Mutex(Log())
    /// Held while a connection is opened: two first ones would both make the file, or both finish what a crash left.
    private let opening = Mutex(())

    /// What is known of the write-ahead log, and how many connections there are.
    private struct Log {
        var connections = 0
        var hasReadMark = false
        var mark: RecoveryMark?
        var usesMark = true
    }

    /// The salts of the log in the order of the file's bytes. They are random; 0 stands for not known.
    private let logSalts = Atomic<UInt64>(0)

    private static let waiting = Mutex<(next: Int64, files: [Int64: SealedFile])>((1, [:]))

    /// Touches nothing.
    ///
    /// - Parameters:
    ///   - keys: the first one seals, and all open; no two of one generation, and at least one.
    ///   - below: the VFS under the layer; another than SQLite's own only in tests.
    package init(path: String, keys: [PageKey], identity: FileIdentity, below: String = "unix") {
        precondition(!keys.isEmpty, "a file has a key")
        self.path = path
        self.identity = identity
        self.below = below
        vfs = below == "unix" ? SealedFile.vfs : "\(SealedFile.vfs)-\(below)"
        ring = Mutex(keys)
    }

    /// The file of a connection that `connect` gave. On the connection's thread.
    static func of(_ connection: SQLiteConnection) -> SealedFile? {
        (connection.layer as? SealedDatabaseLayer)?.file
    }

    // MARK: - Connections

    /// Opens a connection, which belongs to the calling thread. A page that does not open is an error of kind `corrupt` whose
    /// `damage` names file and page, now or at any later call.
    ///
    /// - Parameter mayCreate: makes the database if there is none. Otherwise a file that is gone is an error: to go on with
    ///   an empty one would be to lose what it held without a word.
    package func connect(_ options: SQLiteOptions = SQLiteOptions(), mayCreate: Bool = false) throws(SQLiteError)
        -> SQLiteConnection
    {
        try SQLiteVFS.register(name: vfs, over: below, layer: SealedVFS())
        return try opening.withLock { _ throws(SQLiteError) in
            log.withLock { $0.usesMark = options.synchronous == .full }
            if !hasConnections {
                try create(options, mayCreate: mayCreate)
                try refusePlain()
                try PageRewriter.recover(self)
            }
            return try open(path, options)
        }
    }

    /// Looks at every page of a file that nobody has open; `nil` where somebody has. Nobody opens it meanwhile.
    func scanClosed() throws(SQLiteError) -> PageScan? {
        try opening.withLock { _ throws(SQLiteError) in hasConnections ? nil : try PageScan(self) }
    }

    private func open(_ path: String, _ options: SQLiteOptions) throws(SQLiteError) -> SQLiteConnection {
        var options = options
        // The ticket is good for this one opening, which happens within the call.
        let ticket = SealedFile.waiting.withLock { waiting in
            waiting.next += 1
            waiting.files[waiting.next] = self
            return waiting.next
        }
        defer { _ = SealedFile.take(ticket: ticket) }
        options.layer = SQLiteOptions.Layer(
            vfs: vfs, ticket: ticket, reservedBytes: PageFormat.reservedBytes, pageBytes: PageFormat.pageBytes)
        return try SQLiteConnection(path: path, options: options)
    }

    /// Makes the file under another name and gives it its own when it is whole: a database is there, or it is not.
    private func create(_ options: SQLiteOptions, mayCreate: Bool) throws(SQLiteError) {
        if let size = try? FileStatus(path: path).size, size > 0 { return }
        // A log without its database is not the beginning of a new one.
        let hasLog = (try? FileStatus(path: "\(path)-wal").size).map { $0 > 0 } ?? false
        guard mayCreate, !hasLog else { throw SQLiteError(PageDamage(file: path, page: 1, reason: .missing)) }
        let new = "\(path).new"
        for suffix in ["", "-wal", "-shm"] { unsafe _ = unlink(new + suffix) }
        do throws(SQLiteError) {
            _ = try open(new, options)
        } catch {
            unsafe _ = unlink(new)
            throw error
        }
        do throws(Errno) {
            try Errno.check { unsafe rename(new, path) }
            try AtomicFile.flushDirectory(of: path)
        } catch {
            throw SQLiteError(.unavailable, message: "cannot be made: \(error)", subject: path)
        }
    }

    /// What is said of a plain database.
    static let plain = "the database is not sealed"

    /// A database that was never sealed is no damaged one: it says so before anything of it is touched.
    private func refusePlain() throws(SQLiteError) {
        let isPlain: Bool
        do throws(Errno) {
            let raw = try Errno.check { unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) }
            let descriptor = FileDescriptor(owning: raw)
            var head = [UInt8](repeating: 0, count: PageFormat.readableBytes)
            let count = unsafe head.withUnsafeMutableBytes {
                unsafe pread(descriptor.rawValue, $0.baseAddress, $0.count, 0)
            }
            // Byte 20 is how much of each page SQLite leaves alone (sqlite.org/fileformat2.html, 1.3.4): nothing in a plain
            // database. Another number than ours is damage, which the first page then names.
            isPlain =
                count == head.count && head.starts(with: SealedDatabaseLayer.head.prefix(16))
                && head[20] == 0
        } catch {
            throw SQLiteError(.unavailable, message: "cannot be read: \(error)", subject: path)
        }
        if isPlain { throw SQLiteError(.schema, message: SealedFile.plain, subject: path) }
    }

    static func isWaiting(ticket: Int64) -> Bool { waiting.withLock { $0.files[ticket] != nil } }

    /// What the ticket was made for, once.
    static func take(ticket: Int64) -> SealedFile? { waiting.withLock { $0.files.removeValue(forKey: ticket) } }

    // MARK: - Keys

    /// Pages sealed since this object was made, with the key in use. The keyring keeps the sum (`PageWear`).
    package var pageWrites: UInt64 { writes.load(ordering: .relaxed) }

    /// From now on pages are sealed with `key`; those that are sealed with others still open. `PageRewriter` changes them.
    package func use(_ key: PageKey) {
        ring.withLock { ring in
            guard ring.first?.generation != key.generation else { return }
            ring = [key] + ring.filter { $0.generation != key.generation }
            writes.store(0, ordering: .relaxed)
            ringVersion.wrappingAdd(1, ordering: .sequentiallyConsistent)
        }
    }

    /// Drops all keys but the one in use.
    package func forgetRetired() {
        ring.withLock { ring in
            ring = Array(ring.prefix(1))
            ringVersion.wrappingAdd(1, ordering: .sequentiallyConsistent)
        }
    }

    var keys: [PageKey] { ring.withLock { $0 } }
    var keysVersion: Int { ringVersion.load(ordering: .acquiring) }

    func countWrite() { writes.wrappingAdd(1, ordering: .relaxed) }

    // MARK: - The log

    /// `nil` where no connection of this process has seen the log's head yet.
    var salts: UInt64? {
        get {
            let salts = logSalts.load(ordering: .acquiring)
            return salts == 0 ? nil : salts
        }
        set { logSalts.store(newValue ?? 0, ordering: .releasing) }
    }

    var hasConnections: Bool { log.withLock { $0.connections > 0 } }

    func didOpen() { log.withLock { $0.connections += 1 } }

    func didClose() {
        log.withLock { log in
            log.connections -= 1
            if log.connections == 0 {
                log.hasReadMark = false
                log.mark = nil
                salts = nil
            }
        }
    }

    /// Before the first connection shares memory: what a killed process left there, and whether the log contradicts it.
    func readMark() -> PageDamage? {
        log.withLock { log in
            guard !log.hasReadMark else { return nil }
            log.mark = log.usesMark ? RecoveryMark(database: path) : nil
            if let damage = log.mark?.damage(ofLog: "\(path)-wal") { return damage }
            log.hasReadMark = true
            return nil
        }
    }

    /// Whether a commit waits for the disk, so that the log's order on it is known.
    var flushesCommits: Bool { log.withLock { $0.usesMark } }

    /// Whether frame `number` of the log is one that had reached the disk.
    func markCovers(frame number: Int) -> Bool {
        log.withLock { log in
            guard let mark = log.mark else { return false }
            return mark.salts == salts && number <= mark.frames
        }
    }
}

/// Gives each file its layer. Only databases with a ticket and their logs are opened: no rollback journal, no temporary
/// file, nothing that SQL names (`ATTACH`).
struct SealedVFS: SQLiteVFSLayer {
    func accepts(_ kind: SQLiteFileKind, ticket: Int64) -> Bool {
        switch kind {
        case .database: SealedFile.isWaiting(ticket: ticket)
        case .writeAheadLog: true
        case .other: false
        }
    }

    func open(
        _ kind: SQLiteFileKind, path: String, ticket: Int64, main: (any SQLiteFileLayer)?, below: SQLiteFileBelow
    ) -> (any SQLiteFileLayer)? {
        switch kind {
        case .database:
            return SealedFile.take(ticket: ticket).map { SealedDatabaseLayer($0, below: below) }
        case .writeAheadLog:
            return (main as? SealedDatabaseLayer).map { SealedLogLayer(path: path, $0.file, below: below) }
        case .other:
            return nil
        }
    }

    func willDelete(path: String) -> SQLiteCode { .ok }
}
