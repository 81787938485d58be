// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Platform

/// Pages that this process has in memory (proc(5), statm).
enum ResidentMemory {
    static func pages() throws -> Int { try number(1) }

    /// Those that are pages of files.
    static func pagesOfFiles() throws -> Int { try number(2) }

    private static func number(_ index: Int) throws -> Int {
        let words = String(decoding: try AtomicFile.read(path: "/proc/self/statm", bytesMax: 4096), as: UTF8.self)
            .split(separator: " ")
        return try #require(Int(words[index]))
    }
}
