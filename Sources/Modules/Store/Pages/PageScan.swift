// SPDX-License-Identifier: Apache-2.0

import Glibc
import Platform
package import SQLite

/// Every page of a sealed database and every frame of its log, read beside SQLite: what `store verify` reports, which keys
/// are still in use, and what a search for plaintext looks through.
package struct PageScan {
    /// Damaged places that are remembered.
    package static let damageMax = 1000

    /// Pages of the database and frames of its log that opened.
    package private(set) var pages = 0, frames = 0
    /// Those that did not, in the order of the files; at most `damageMax` of `damageCount`.
    package private(set) var damage: [PageDamage] = []
    package private(set) var damageCount = 0
    /// Pages and frames by the generation of their key.
    package private(set) var generations: [UInt32: Int] = [:]

    private let file: SealedFile
    private let sealer: PageSealer
    private let visit: ([UInt8]) -> Void
    private var frame = [UInt8](repeating: 0, count: PageFormat.frameBytes)

    /// Reads all of it; blocks. `visit` is given the content of each page: free ones, and what the log still holds of
    /// its earlier lives, included.
    ///
    /// - Parameter connection: one to this file, of the calling thread. It must be given where this process has any:
    ///   closing a file opened here would drop the locks of all of them (fcntl(2)). Others may go on writing: what they
    ///   are in the middle of is looked at again.
    package init(
        _ file: SealedFile, through connection: SQLiteConnection? = nil, visit: @escaping ([UInt8]) -> Void = { _ in }
    ) throws(SQLiteError) {
        self.file = file
        self.visit = visit
        sealer = PageSealer(file)
        if let connection {
            guard let layer = connection.layer as? SealedDatabaseLayer, layer.file === file else {
                throw SQLiteError(.mistake, message: "a connection to another file", subject: file.path)
            }
            let newer = scanLiveLog()
            scanDatabase(layer.below, newer: newer)
        } else {
            precondition(!file.hasConnections, "a file that is open is scanned through its connection")
            try scanDatabase()
            if let log = scanLog(knownFrames: RecoveryMark(database: file.path)) { take(log) }
        }
    }

    // MARK: - The database

    /// - Parameter newer: pages that are in the log too: what a crash left of them here is not read any more.
    private mutating func scanDatabase(_ below: SQLiteFileBelow, newer: Set<UInt32>) {
        var size: Int64 = 0
        guard below.getSize(&size) == .ok else { return note(1, nil, .missing) }
        unsafe scanDatabase(size: Int(size), attempts: SealedFile.readAttemptsMax, newer: newer) { buffer, offset in
            let code = unsafe below.read(buffer, at: Int64(offset))
            return code == .ok
        }
    }

    private mutating func scanDatabase() throws(SQLiteError) {
        guard let descriptor = PageScan.open(file.path), let size = try? FileStatus(of: descriptor).size else {
            return note(1, nil, .missing)
        }
        unsafe scanDatabase(size: size, attempts: 1, newer: []) { buffer, offset in
            unsafe pread(descriptor.rawValue, buffer.baseAddress, buffer.count, offset) == buffer.count
        }
    }

    private mutating func scanDatabase(
        size: Int, attempts: Int, newer: Set<UInt32>, read: (UnsafeMutableRawBufferPointer, Int) -> Bool
    ) {
        guard size > 0 else { return note(1, nil, .missing) }
        var page = [UInt8](repeating: 0, count: PageFormat.pageBytes)
        for number in 1...UInt32(clamping: (size + PageFormat.pageBytes - 1) / PageFormat.pageBytes)
        where number != PageFormat.lockPage {
            let offset = Int(number - 1) * PageFormat.pageBytes
            var generation: UInt32 = 0
            var reason: PageDamage.Reason? = .missing
            for _ in 0..<attempts where reason != nil {
                reason = unsafe page.withUnsafeMutableBytes { buffer in
                    guard let base = buffer.baseAddress, unsafe read(buffer, offset) else { return .missing }
                    generation = unsafe PageSealer.generation(of: base)
                    return unsafe sealer.openPage(base, number: number)
                }
            }
            if let reason {
                if !newer.contains(number) { note(number, nil, reason) }
            } else {
                pages += 1
                generations[generation, default: 0] += 1
                visit(page)
            }
        }
    }

    // MARK: - The log

    /// What a pass over the log has found.
    private struct Log {
        var salts: UInt64 = 0
        var frames = 0
        var damage: [PageDamage] = []
        /// Pages that a commit of this life of the log has.
        var pages: Set<UInt32> = []
    }

    /// The log of a file in use: if it began anew in the middle, what was seen says nothing, and it is read again.
    private mutating func scanLiveLog() -> Set<UInt32> {
        for _ in 0..<SealedFile.readAttemptsMax {
            guard let log = scanLog(knownFrames: nil) else { return [] }
            guard log.salts == salts() else { continue }
            take(log)
            return log.pages
        }
        return []
    }

    private mutating func take(_ log: Log) {
        frames += log.frames
        for damage in log.damage { note(damage) }
    }

    private func salts() -> UInt64? {
        guard let descriptor = PageScan.open("\(file.path)-wal") else { return nil }
        var head = [UInt8](repeating: 0, count: PageFormat.logHeadBytes)
        return PageScan.read(descriptor, &head, at: 0) ? LogHead.salts(head) : nil
    }

    /// `nil` where there is none.
    private mutating func scanLog(knownFrames mark: RecoveryMark?) -> Log? {
        let path = "\(file.path)-wal"
        guard let descriptor = PageScan.open(path), let size = try? FileStatus(of: descriptor).size, size > 0 else {
            return nil
        }
        var log = Log()
        if let damage = mark?.damage(ofLog: path) { log.damage.append(damage) }
        var head = [UInt8](repeating: 0, count: PageFormat.logHeadBytes)
        guard PageScan.read(descriptor, &head, at: 0), LogHead.isWhole(head) else {
            log.damage.append(PageDamage(file: path, page: 0, frame: 0, reason: .notAuthentic))
            return log
        }
        log.salts = LogHead.salts(head)
        let known = mark?.salts == log.salts ? mark?.frames ?? 0 : 0
        // What does not open is damage where two commits follow, the second of which waited for the first to reach the disk;
        // otherwise perhaps a torn end.
        var pending: [PageDamage] = []
        var commits: [Int] = []
        var waiting: Set<UInt32> = []
        for number in stride(from: 1, through: (size - PageFormat.logHeadBytes) / PageFormat.frameBytes, by: 1) {
            guard PageScan.read(descriptor, &frame, at: Int(PageFormat.offset(ofFrame: number))) else {
                log.damage.append(PageDamage(file: path, page: 0, frame: number, reason: .missing))
                continue
            }
            let own = unsafe frame.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self) }
            let isCommit = own == log.salts && frame[4..<8].contains { $0 != 0 }
            if isCommit { commits.append(number) }
            let name = frame[0..<4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            if let reason = openFrame(number, log.salts) {
                let damage = PageDamage(file: path, page: name, frame: number, reason: reason)
                if number <= known { log.damage.append(damage) } else { pending.append(damage) }
                // Of an earlier life of the log.
                if own != log.salts { _ = openFrame(number, own) }
            } else {
                log.frames += 1
                if own == log.salts { waiting.insert(name) }
                if isCommit {
                    log.pages.formUnion(waiting)
                    waiting = []
                }
            }
        }
        let certain = commits.dropLast().last ?? 0
        log.damage += pending.filter { $0.frame.map { $0 <= certain } ?? false }
        return log
    }

    private mutating func openFrame(_ number: Int, _ salts: UInt64) -> PageDamage.Reason? {
        var copy = frame
        var page = [UInt8](repeating: 0, count: PageFormat.pageBytes)
        var generation: UInt32 = 0
        let reason = unsafe copy.withUnsafeMutableBytes { frame in
            unsafe page.withUnsafeMutableBytes { page -> PageDamage.Reason? in
                guard let base = frame.baseAddress, let target = page.baseAddress else { return .notAuthentic }
                generation = unsafe PageSealer.generation(of: base + PageFormat.frameHeadBytes)
                return unsafe sealer.openFrame(base, number: number, salts: salts, to: target)
            }
        }
        if reason == nil {
            generations[generation, default: 0] += 1
            visit(page)
        }
        return reason
    }

    // MARK: - Parts

    private mutating func note(_ page: UInt32, _ frame: Int?, _ reason: PageDamage.Reason) {
        note(PageDamage(file: file.path, page: page, frame: frame, reason: reason))
    }

    private mutating func note(_ damage: PageDamage) {
        damageCount += 1
        if self.damage.count < PageScan.damageMax { self.damage.append(damage) }
    }

    private static func open(_ path: String) -> FileDescriptor? {
        let raw = try? Errno.check { unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) }
        return raw.map { FileDescriptor(owning: $0) }
    }

    private static func read(_ descriptor: borrowing FileDescriptor, _ bytes: inout [UInt8], at offset: Int) -> Bool {
        let number = descriptor.rawValue
        return unsafe bytes.withUnsafeMutableBytes {
            unsafe pread(number, $0.baseAddress, $0.count, offset) == $0.count
        }
    }
}
