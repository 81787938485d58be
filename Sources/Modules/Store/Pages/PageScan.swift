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
    /// Those that did not, in the order of the files; at most `damageMax`.
    package private(set) var damage: [PageDamage] = []
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
    ///   closing a file opened here would drop the locks of all of them (fcntl(2)). No checkpoint may run meanwhile.
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
            scanDatabase(layer.below)
            scanLog(knownFrames: nil)
        } else {
            precondition(!file.hasConnections, "a file that is open is scanned through its connection")
            try scanDatabase()
            scanLog(knownFrames: RecoveryMark(database: file.path))
        }
    }

    // MARK: - The database

    private mutating func scanDatabase(_ below: SQLiteFileBelow) {
        var size: Int64 = 0
        guard below.getSize(&size) == .ok else { return note(1, nil, .missing) }
        unsafe scanDatabase(size: Int(size)) { buffer, offset in
            let code = unsafe below.read(buffer, at: Int64(offset))
            return code == .ok
        }
    }

    private mutating func scanDatabase() throws(SQLiteError) {
        guard let descriptor = PageScan.open(file.path), let size = try? FileStatus(of: descriptor).size else {
            return note(1, nil, .missing)
        }
        unsafe scanDatabase(size: size) { buffer, offset in
            unsafe pread(descriptor.rawValue, buffer.baseAddress, buffer.count, offset) == buffer.count
        }
    }

    private mutating func scanDatabase(size: Int, read: (UnsafeMutableRawBufferPointer, Int) -> Bool) {
        var page = [UInt8](repeating: 0, count: PageFormat.pageBytes)
        guard size > 0 else { return note(1, nil, .missing) }
        for number in 1...UInt32(clamping: (size + PageFormat.pageBytes - 1) / PageFormat.pageBytes)
        where number != PageFormat.lockPage {
            let offset = Int(number - 1) * PageFormat.pageBytes
            var generation: UInt32 = 0
            var reason: PageDamage.Reason?
            let isRead = unsafe page.withUnsafeMutableBytes { buffer in
                guard let base = buffer.baseAddress, unsafe read(buffer, offset) else { return false }
                generation = unsafe PageSealer.generation(of: base)
                reason = unsafe sealer.openPage(base, number: number)
                return true
            }
            guard isRead else {
                note(number, nil, .missing)
                continue
            }
            if let reason {
                note(number, nil, reason)
            } else {
                pages += 1
                generations[generation, default: 0] += 1
                visit(page)
            }
        }
    }

    // MARK: - The log

    private mutating func scanLog(knownFrames mark: RecoveryMark?) {
        let path = "\(file.path)-wal"
        guard let descriptor = PageScan.open(path), let size = try? FileStatus(of: descriptor).size, size > 0 else {
            return
        }
        if let damage = mark?.damage(ofLog: path) { note(damage) }
        var head = [UInt8](repeating: 0, count: PageFormat.logHeadBytes)
        guard PageScan.read(descriptor, &head, at: 0), LogHead.isWhole(head) else {
            return note(PageDamage(file: path, page: 0, frame: 0, reason: .notAuthentic))
        }
        let salts = LogHead.salts(head)
        let known = mark?.salts == salts ? mark?.frames ?? 0 : 0
        // What does not open is damage where two commits follow, the second of which waited for the first to reach the disk;
        // otherwise perhaps a torn end.
        var pending: [PageDamage] = []
        var commits: [Int] = []
        for number in stride(from: 1, through: (size - PageFormat.logHeadBytes) / PageFormat.frameBytes, by: 1) {
            guard PageScan.read(descriptor, &frame, at: Int(PageFormat.offset(ofFrame: number))) else {
                note(PageDamage(file: path, page: 0, frame: number, reason: .missing))
                continue
            }
            let own = unsafe frame.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self) }
            if own == salts, frame[4..<8].contains(where: { $0 != 0 }) { commits.append(number) }
            let name = frame[0..<4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            if let reason = openFrame(number, salts) {
                let damage = PageDamage(file: path, page: name, frame: number, reason: reason)
                if number <= known { note(damage) } else { pending.append(damage) }
                // Of an earlier life of the log.
                if own != salts { _ = openFrame(number, own) }
            } else {
                frames += 1
            }
        }
        let certain = commits.dropLast().last ?? 0
        for damage in pending where damage.frame.map({ $0 <= certain }) ?? false { note(damage) }
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
