// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Code that only the start of the program ran.
package enum ColdCode {
    /// Bytes of the process's map that are read at most; beyond them nothing is given back.
    private static let mapBytesMax = 1 << 20

    /// Gives back the pages of all code in memory, the program's and its libraries'. What is run from then on comes back from
    /// the page cache as it is run; configuration, migrations and the like, which a server runs once, do not.
    ///
    /// Only mappings of files of which a process has no copy of its own that could be lost (madvise(2), MADV_DONTNEED): what can
    /// be executed and not written, and what can only be read from a file's beginning on, where a linker that keeps code and
    /// constants apart puts these. What was relocated and then closed to writing (RELRO) stands further back, and stays: never
    /// is it the first mapping of its file, though in a library of less than a page it is of the same page. Where anything is
    /// unexpected nothing happens: it is memory alone.
    package static func giveBack() {
        guard let map = try? AtomicFile.read(path: "/proc/self/maps", bytesMax: mapBytesMax) else { return }
        for range in ranges(in: map) {
            // SAFETY: the range is one mapping of this process, whole, as the kernel says; its pages are those of a file, and
            // who runs there meanwhile takes a page fault.
            unsafe madvise(UnsafeMutableRawPointer(bitPattern: range.lowerBound), range.count, MADV_DONTNEED)
        }
    }

    /// The addresses of the mappings that are files' code or constants, of a text as in /proc/PID/maps (proc(5)), where the
    /// mappings of a file stand together.
    static func ranges(in map: [UInt8]) -> [Range<UInt>] {
        var ranges: [Range<UInt>] = []
        var file: ArraySlice<UInt8> = []
        for line in map.split(separator: UInt8(ascii: "\n")) {
            // 7f3c5a000000-7f3c5a100000 r-xp 00002000 fe:00 123456      /usr/lib/libc.so.6
            let words = line.split(separator: UInt8(ascii: " "), maxSplits: 5)
            let path = words.count < 6 ? [] : words[5].drop { $0 == UInt8(ascii: " ") }
            let isFirst = path != file
            file = path
            if let range = code(words, isFirstOfFile: isFirst) { ranges.append(range) }
        }
        return ranges
    }

    /// The addresses of one mapping, from the words of its line; nil for any other.
    private static func code(_ words: [ArraySlice<UInt8>], isFirstOfFile: Bool) -> Range<UInt>? {
        guard words.count == 6, words[5].contains(UInt8(ascii: "/")), !words[4].elementsEqual("0".utf8) else {
            return nil
        }
        let isBeginning = isFirstOfFile && words[2].allSatisfy { $0 == UInt8(ascii: "0") }
        guard words[1].elementsEqual("r-xp".utf8) || (words[1].elementsEqual("r--p".utf8) && isBeginning) else {
            return nil
        }
        let ends = words[0].split(separator: UInt8(ascii: "-")).map {
            UInt(String(decoding: $0, as: UTF8.self), radix: 16)
        }
        guard ends.count == 2, let start = ends[0], let end = ends[1], start < end else { return nil }
        return start..<end
    }
}
