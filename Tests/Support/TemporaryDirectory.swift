// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Platform

/// A directory of one test's own (0700), removed with all that is in it when its owner goes.
package final class TemporaryDirectory: Sendable {
    package let path: String

    package init() throws(Errno) {
        path = "/tmp/gatehouse-test-\(ULID.make(prefix: "", at: .now()))"
        try AtomicFile.makeDirectory(path: path, mode: 0o700)
    }

    /// The path of `name` in it.
    package func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

    /// What is in it, sorted, without `.` and `..`.
    package var names: [String] { TemporaryDirectory.names(of: path) }

    deinit { TemporaryDirectory.remove(path) }

    /// What is in a directory, sorted, without `.` and `..`.
    package static func names(of directory: String) -> [String] {
        var names: [String] = []
        guard let stream = unsafe opendir(directory) else { return [] }
        while let entry = unsafe readdir(stream) {
            // d_name is zero-terminated within the entry, which lives until the next readdir.
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        unsafe closedir(stream)
        return names.sorted()
    }

    private static func remove(_ path: String) {
        if unsafe unlink(path) == 0 { return }
        for name in names(of: path) { remove("\(path)/\(name)") }
        unsafe _ = rmdir(path)
    }
}
