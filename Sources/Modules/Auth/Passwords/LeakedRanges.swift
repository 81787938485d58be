// SPDX-License-Identifier: Apache-2.0
//
// The whole of "Have I Been Pwned"'s passwords in one file, so that it can be asked without a network. Made of range files by
// `gatehouse passwords import`; numbers are big-endian.
//
//     0    8   GHLEAK01
//     8    4   bits of a prefix: 20
//    12    4   the least count: what was seen less often is not here
//    16    8   prefixes whose passwords are here; 2^bits in a file that is whole
//    24    8   zeros
//    32    8   for each prefix and one more: how many passwords are before those of this prefix
//     …    4   for each password the 32 bits behind the prefix of its SHA-1, in order
//
// Of 160 bits 52 are kept. With a thousand million passwords in it, the file takes a good password for a leaked one once in four
// million times, and never a leaked one for good.

import Bytes
import EventLoop
import Glibc
package import Platform

/// Why a file of leaked passwords cannot be read or made.
package enum LeakedRangesFailure: Error, Equatable, Sendable {
    /// Nothing that the import has made, or not yet whole.
    case notWhole(String)
    /// A range that is not in the folder.
    case missing(String)
    /// A file in the folder that is no range, and the line where that shows.
    case damaged(String, line: Int)
    /// What was begun there was begun otherwise, or somebody is at it.
    case begun(String)
    case system(String, Errno)
}

/// The layout above.
struct LeakedRangesLayout: Equatable, Sendable {
    /// Hexadecimal digits of a prefix: 5, as the range files have it. Tests take fewer.
    let digits: Int
    var leastCount: UInt32 = 1
    /// Prefixes that are done.
    var done = 0

    static let magic = Array("GHLEAK01".utf8)
    static let headBytes = 32
    /// Passwords of one prefix. A range file has about a thousand lines.
    static let entriesPerPrefixMax = 1 << 16

    var prefixes: Int { 1 << (4 * digits) }
    var isWhole: Bool { done == prefixes }
    /// Where the first password is.
    var entriesStart: Int { Self.headBytes + 8 * (prefixes + 1) }

    init(digits: Int, leastCount: UInt32 = 1) {
        (self.digits, self.leastCount) = (digits, leastCount)
    }

    /// - Returns: `nil` for what is no head of such a file.
    init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.headBytes, bytes.starts(with: Self.magic) else { return nil }
        let bits = Self.number(bytes[8..<12])
        guard bits % 4 == 0, (4...20).contains(bits) else { return nil }
        digits = Int(bits / 4)
        leastCount = UInt32(truncatingIfNeeded: Self.number(bytes[12..<16]))
        let done = Self.number(bytes[16..<24])
        guard done <= 1 << bits, bytes[24...].allSatisfy({ $0 == 0 }) else { return nil }
        self.done = Int(done)
    }

    var bytes: [UInt8] {
        Self.magic + Self.bytes(UInt64(4 * digits), 4) + Self.bytes(UInt64(leastCount), 4)
            + Self.bytes(UInt64(done), 8) + [UInt8](repeating: 0, count: 8)
    }

    static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

    static func bytes(_ number: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).reversed().map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
    }
}

/// Such a file, open. Its reads block: on a thread of its own.
final class LeakedRanges: Sendable {
    private let path: String
    private let file: FileDescriptor
    private let layout: LeakedRangesLayout
    private let worker: Worker

    /// People who set a password at the same moment.
    private static let waitingMax = 64

    /// - Throws: also for a file that is not whole.
    init(path: String) throws(LeakedRangesFailure) {
        self.path = path
        do throws(Errno) {
            file = FileDescriptor(owning: try Errno.check { unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) })
            worker = try Worker(name: "leaked", queueMax: Self.waitingMax)
            let head = try file.read(at: 0, count: LeakedRangesLayout.headBytes)
            guard let layout = LeakedRangesLayout(head), layout.isWhole else { throw Errno.invalidArgument }
            self.layout = layout
            let total = try Self.number(in: file, layout.prefixes)
            let size = try FileStatus(of: file).size
            guard total <= size, layout.entriesStart + 4 * total == size else { throw Errno.invalidArgument }
        } catch {
            throw error == .invalidArgument ? .notWhole(path) : .system(path, error)
        }
    }

    func stop() { worker.stop() }

    /// Whether a password with this SHA-1 is in the file.
    func contains(_ digest: [UInt8]) async throws -> Bool {
        try await worker.run(throwing: { [self] () throws(Errno) in try look(for: digest) })
    }

    func look(for digest: [UInt8]) throws(Errno) -> Bool {
        guard digest.count == 20 else { throw .invalidArgument }
        let head = LeakedRangesLayout.number(digest[0..<8])
        let bits = UInt64(4 * layout.digits)
        let (prefix, wanted) = (Int(head >> (64 - bits)), UInt32(truncatingIfNeeded: (head << bits) >> 32))
        let first = try Self.number(in: file, prefix)
        let end = try Self.number(in: file, prefix + 1)
        // Whatever the disk says, no more is read than a range can have.
        guard first <= end, end - first <= LeakedRangesLayout.entriesPerPrefixMax else { throw .invalidArgument }
        let entries = try file.read(at: layout.entriesStart + 4 * first, count: 4 * (end - first))
        var (low, high) = (0, end - first)
        while low < high {
            let middle = (low + high) / 2
            let entry = UInt32(LeakedRangesLayout.number(entries[4 * middle..<4 * middle + 4]))
            if entry == wanted { return true }
            if entry < wanted { low = middle + 1 } else { high = middle }
        }
        return false
    }

    /// How many passwords are before those of a prefix.
    private static func number(in file: borrowing FileDescriptor, _ prefix: Int) throws(Errno) -> Int {
        let bytes = try file.read(at: LeakedRangesLayout.headBytes + 8 * prefix, count: 8)
        // No file has more, and sums of it stay far from overflowing.
        guard let number = Int(exactly: LeakedRangesLayout.number(bytes[...])), number < 1 << 40 else {
            throw .invalidArgument
        }
        return number
    }
}
