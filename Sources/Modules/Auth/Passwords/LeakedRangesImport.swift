// SPDX-License-Identifier: Apache-2.0

import Bytes
import Glibc
import Platform

/// Makes a file of leaked passwords of the range files of "Have I Been Pwned": one for each of 16^5 prefixes, named `00000` to
/// `FFFFF`, with or without `.txt`, each with lines of `SUFFIX:COUNT`, as its API gives them and its downloader writes them.
///
/// It works in `FILE.partial`, which takes its name when it is whole, and holds one step of passwords in memory. Whatever ends
/// it in the middle, run again it goes on behind the last step that was flushed.
package struct LeakedRangesImport: Sendable {
    private let folder: String
    private let target: String
    private let layout: LeakedRangesLayout
    /// Ranges between two flushes.
    private let rangesPerStep: Int

    /// A range has 40 bytes a line and about a thousand lines.
    private static let rangeBytesMax = 4 << 20

    /// What came of it.
    package struct Summary: Equatable, Sendable {
        package let ranges: Int
        package let passwords: Int
    }

    /// - Parameter leastCount: what was seen less often is left out.
    package init(folder: String, target: String, leastCount: UInt32) {
        self.init(folder: folder, target: target, LeakedRangesLayout(digits: 5, leastCount: leastCount))
    }

    init(folder: String, target: String, _ layout: LeakedRangesLayout, rangesPerStep: Int = 4096) {
        (self.folder, self.target, self.layout, self.rangesPerStep) = (folder, target, layout, rangesPerStep)
    }

    /// Blocks, for minutes.
    ///
    /// - Parameter progress: is told before each step, and at the end, how many ranges of how many are done.
    package func run(progress: (_ done: Int, _ of: Int) -> Void) throws(LeakedRangesFailure) -> Summary {
        let file = try PartialFile(target + ".partial", layout)
        while !file.layout.isWhole {
            progress(file.layout.done, layout.prefixes)
            var ends: [Int] = []
            var entries: [UInt8] = []
            for prefix in file.layout.done..<min(file.layout.done + rangesPerStep, layout.prefixes) {
                for tail in try range(prefix) { entries += LeakedRangesLayout.bytes(UInt64(tail), 4) }
                ends.append(file.total + entries.count / 4)
            }
            try file.append(entries, ends)
        }
        progress(layout.prefixes, layout.prefixes)
        try file.finish(as: target)
        return Summary(ranges: layout.prefixes, passwords: file.total)
    }

    // MARK: Ranges

    /// What is kept of the passwords of one range, in order, each once.
    private func range(_ prefix: Int) throws(LeakedRangesFailure) -> [UInt32] {
        let digits = String(prefix, radix: 16, uppercase: true)
        let name = String(repeating: "0", count: layout.digits - digits.utf8.count) + digits
        let bytes = try read(name)
        var tails: [UInt32] = []
        var number = 0
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true) {
            number += 1
            let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            guard let (tail, count) = entry(line), tails.count < LeakedRangesLayout.entriesPerPrefixMax else {
                throw .damaged(name, line: number)
            }
            // A count of 0 is padding: the API adds it where it is asked to.
            if count > 0, count >= UInt64(layout.leastCount) { tails.append(tail) }
        }
        // Each real one has hundreds: this is a download that failed.
        guard number > 0 else { throw .damaged(name, line: 0) }
        tails.sort()
        return tails.enumerated().filter { $0.offset == 0 || tails[$0.offset - 1] != $0.element }.map(\.element)
    }

    private func read(_ name: String) throws(LeakedRangesFailure) -> [UInt8] {
        for path in ["\(folder)/\(name)", "\(folder)/\(name).txt"] {
            do throws(Errno) {
                return try AtomicFile.read(path: path, bytesMax: Self.rangeBytesMax)
            } catch {
                guard error == .noSuchFile else { throw .system(path, error) }
            }
        }
        // Passed over, every password that begins so would count as good.
        throw .missing(name)
    }

    /// The first 32 bits of a line's suffix, and its count.
    private func entry(_ line: ArraySlice<UInt8>) -> (tail: UInt32, count: UInt64)? {
        let parts = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].count == 40 - layout.digits, (1...10).contains(parts[1].count),
            parts[1].allSatisfy(\.isASCIIDigit), let count = UInt64(String(decoding: parts[1], as: UTF8.self)),
            parts[0].allSatisfy(\.isHexDigit),
            let tail = UInt32(String(decoding: parts[0].prefix(8), as: UTF8.self), radix: 16)
        else { return nil }
        return (tail, count)
    }
}

extension UInt8 {
    fileprivate var isHexDigit: Bool {
        isASCIIDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(asciiLowercased)
    }
}

/// The file in the making: passwords first, then the index of them, then the head that says so, each flushed before the next.
private final class PartialFile {
    private(set) var layout: LeakedRangesLayout
    /// Passwords in it.
    private(set) var total = 0
    private let path: String
    private let file: FileDescriptor

    /// Begins one, or opens what was begun in the same way.
    init(_ path: String, _ wanted: LeakedRangesLayout) throws(LeakedRangesFailure) {
        self.path = path
        do throws(Errno) {
            let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY
            file = FileDescriptor(owning: try Errno.check { unsafe open(path, flags, 0o644) })
            layout = wanted
            // Two at once would write over each other; the lock ends with the process. flock(2).
            let number = file.rawValue
            guard flock(number, LOCK_EX | LOCK_NB) == 0 else { throw Errno.fileExists }
            let size = try FileStatus(of: file).size
            if size >= LeakedRangesLayout.headBytes {
                guard let begun = LeakedRangesLayout(try file.read(at: 0, count: LeakedRangesLayout.headBytes)),
                    begun.digits == wanted.digits, begun.leastCount == wanted.leastCount
                else { throw Errno.fileExists }
                layout = begun
                let place = LeakedRangesLayout.headBytes + 8 * begun.done
                let count = LeakedRangesLayout.number(try file.read(at: place, count: 8)[...])
                guard count <= UInt64(begun.prefixes * LeakedRangesLayout.entriesPerPrefixMax) else {
                    throw Errno.fileExists
                }
                total = Int(count)
            }
            // The head before anything else: a file that is shorter was never begun.
            if size < LeakedRangesLayout.headBytes { try file.write(layout.bytes.span, at: 0) }
            // What came behind the last flush is not known to be whole. The index begins with zeros.
            let end = layout.entriesStart + 4 * total
            try Errno.check { ftruncate(number, off_t(end)) }
        } catch {
            throw error == .fileExists ? .begun(path) : .system(path, error)
        }
    }

    /// - Parameter ends: how many passwords there are behind each range of this step.
    func append(_ entries: [UInt8], _ ends: [Int]) throws(LeakedRangesFailure) {
        do throws(Errno) {
            let number = file.rawValue
            try file.write(entries.span, at: layout.entriesStart + 4 * total)
            let numbers = ends.flatMap { LeakedRangesLayout.bytes(UInt64($0), 8) }
            try file.write(numbers.span, at: LeakedRangesLayout.headBytes + 8 * (layout.done + 1))
            try Errno.check { fdatasync(number) }
            layout.done += ends.count
            total += entries.count / 4
            try file.write(layout.bytes.span, at: 0)
            try Errno.check { fdatasync(number) }
        } catch {
            throw .system(path, error)
        }
    }

    func finish(as target: String) throws(LeakedRangesFailure) {
        do throws(Errno) {
            try Errno.check { unsafe rename(path, target) }
            try AtomicFile.flushDirectory(of: target)
        } catch {
            throw .system(target, error)
        }
    }
}
