// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Platform

/// Test suites of others, which are not part of the repository: `GATEHOUSE_SUITES` names the folder that has them.
///
///     @Suite(.enabled(if: Suites.isPresent, Suites.absence))
package enum Suites {
    /// The folder, or nil where the variable is not set.
    package static let folder = Environment.variable("GATEHOUSE_SUITES")

    package static var isPresent: Bool { folder != nil }

    /// Why a suite is skipped, for the test's report.
    package static let absence = "GATEHOUSE_SUITES is not set: the suites of others are not tried"

    /// The path of `name` in the folder.
    package static func path(_ name: String) -> String { "\(folder ?? "")/\(name)" }
}

/// Files of test data.
package enum TestFile {
    /// The bytes of a file of at most 16 MiB.
    package static func bytes(_ path: String) throws(Errno) -> [UInt8] {
        try AtomicFile.read(path: path, bytesMax: 16 << 20)
    }

    /// The lines of a file, without the empty ones.
    package static func lines(_ path: String) throws(Errno) -> [String] {
        String(decoding: try bytes(path), as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// The names in a directory, sorted, without those that begin with a dot.
    package static func names(in directory: String) throws(Errno) -> [String] {
        guard let stream = unsafe opendir(directory) else { throw .last }
        defer { unsafe _ = closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            // d_name is zero-terminated within the entry, which lives until the next readdir.
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }
}
