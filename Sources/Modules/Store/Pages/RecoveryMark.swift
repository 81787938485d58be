// SPDX-License-Identifier: Apache-2.0

import Glibc
import Platform
import SQLite

/// How long a log was at its last commit, as the `-shm` file of a process that was killed still says.
///
/// After a crash SQLite takes each log to end at the first frame that is not whole, as it must: the end may be torn. So
/// damage there would silently take the last commits away. A commit reaches the shared memory after the disk has it
/// (`synchronous = FULL`): what the mark covers was whole, and what does not open of it is damage and no torn end.
/// An old mark, or none (the file does not survive a power cut for sure), says less, and never says too much.
struct RecoveryMark: Equatable {
    /// Frames of the last commit.
    let frames: Int
    /// Of the log it is about, bytes as in its head.
    let salts: UInt64

    /// The copies of the header, one behind the other (sqlite.org/walformat.html, 2.1).
    private static let headerBytes = 48

    /// `nil` where there is none, or none that is whole.
    init?(sharedMemory bytes: [UInt8]) {
        let count = RecoveryMark.headerBytes
        guard bytes.count >= 2 * count, bytes[0..<count] == bytes[count..<2 * count] else { return nil }
        // In the order of the machine that wrote them: this one.
        func word(_ offset: Int) -> UInt32 {
            unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
        }
        var sums: (UInt32, UInt32) = (0, 0)
        for offset in stride(from: 0, to: 40, by: 8) {
            sums.0 &+= word(offset) &+ sums.1
            sums.1 &+= word(offset + 4) &+ sums.0
        }
        guard word(0) == 3_007_000, bytes[12] == 1, sums.0 == word(40), sums.1 == word(44) else { return nil }
        frames = Int(word(16))
        salts = unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: 32, as: UInt64.self) }
        guard frames > 0 else { return nil }
    }

    /// Reads the mark of the database at `path`. Only while no connection of this process has it open: closing the file
    /// would drop their locks (fcntl(2)).
    init?(database path: String) {
        guard let raw = try? Errno.check({ unsafe Glibc.open("\(path)-shm", O_RDONLY | O_CLOEXEC | O_NOFOLLOW) }) else {
            return nil
        }
        let descriptor = FileDescriptor(owning: raw)
        var bytes = [UInt8](repeating: 0, count: 2 * RecoveryMark.headerBytes)
        let count = unsafe bytes.withUnsafeMutableBytes {
            unsafe pread(descriptor.rawValue, $0.baseAddress, $0.count, 0)
        }
        guard count == bytes.count else { return nil }
        self.init(sharedMemory: bytes)
    }

    /// What contradicts the mark before a frame was read: a head that is not whole, a log that was cut.
    func damage(ofLog path: String) -> PageDamage? {
        guard let raw = try? Errno.check({ unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) }) else {
            return nil
        }
        let descriptor = FileDescriptor(owning: raw)
        var head = [UInt8](repeating: 0, count: PageFormat.logHeadBytes)
        let count = unsafe head.withUnsafeMutableBytes {
            unsafe pread(descriptor.rawValue, $0.baseAddress, $0.count, 0)
        }
        // Empty: the log was emptied after the mark was made, and the mark is old.
        guard count > 0 else { return nil }
        guard count == head.count, LogHead.isWhole(head) else {
            return PageDamage(file: path, page: 0, frame: 0, reason: .notAuthentic)
        }
        // Another life of the log: the mark is old.
        guard LogHead.salts(head) == salts, let size = try? FileStatus(of: descriptor).size else { return nil }
        let whole = (size - PageFormat.logHeadBytes) / PageFormat.frameBytes
        return whole < frames ? PageDamage(file: path, page: 0, frame: whole + 1, reason: .missing) : nil
    }
}

/// The head of a log, which SQLite writes and this reads (sqlite.org/walformat.html, 1.1).
enum LogHead {
    static func salts(_ head: [UInt8]) -> UInt64 {
        unsafe head.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: PageFormat.saltsOffset, as: UInt64.self) }
    }

    /// Whether magic, version, page size and checksum are right.
    static func isWhole(_ head: [UInt8]) -> Bool {
        func word(_ offset: Int, bigEndian: Bool = true) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(head[offset + $1]) << UInt32(bigEndian ? 24 - 8 * $1 : 8 * $1) }
        }
        // The lowest bit says in which order the words of the checksum are read.
        let magic = word(0)
        guard magic & ~1 == 0x377f_0682, word(4) == 3_007_000, word(8) == PageFormat.pageBytes else { return false }
        var sums: (UInt32, UInt32) = (0, 0)
        for offset in stride(from: 0, to: 24, by: 8) {
            sums.0 &+= word(offset, bigEndian: magic & 1 == 1) &+ sums.1
            sums.1 &+= word(offset + 4, bigEndian: magic & 1 == 1) &+ sums.0
        }
        return sums.0 == word(24) && sums.1 == word(28)
    }
}
