// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The folder of JSONTestSuite (github.com/nst/JSONTestSuite), when `GATEHOUSE_SUITES` says where the suites are.
enum SuiteFolder {
    static let path: String? = unsafe getenv("GATEHOUSE_SUITES").map {
        unsafe String(cString: $0) + "/json/test_parsing"
    }

    /// Names and contents of the files whose names begin with `prefix`, sorted; empty if the folder cannot be read.
    static func files(_ prefix: String) -> [(name: String, bytes: [UInt8])] {
        guard let path, let folder = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { buffer in
                unsafe String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasPrefix(prefix) { names.append(name) }
        }
        return names.sorted().map { (name: $0, bytes: contents(of: path + "/" + $0)) }
    }

    private static func contents(of path: String) -> [UInt8] {
        guard let file = unsafe fopen(path, "rb") else { return [] }
        defer { unsafe fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while case let count = unsafe fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
        return bytes
    }
}
