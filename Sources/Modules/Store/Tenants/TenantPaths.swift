// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Platform
import SQLite

/// Where tenants' files are.
enum TenantPaths {
    static func directory(in data: String) -> String { data + "/tenants" }

    /// The id comes from the directory of tenants and is a ULID, never from a request: it cannot lead elsewhere.
    static func file(of tenant: TenantID, in directory: String) -> String {
        precondition(ULID.isValid(tenant.text, prefix: "ten_"), "a tenant's id names its file")
        return "\(directory)/\(tenant.text).db"
    }

    /// Whose file a name below the data directory is; `nil` for any other.
    static func tenant(of name: String) -> TenantID? {
        guard name.hasPrefix("tenants/"), name.hasSuffix(".db") else { return nil }
        let id = String(name.dropFirst(8).dropLast(3))
        return ULID.isValid(id, prefix: "ten_") ? TenantID(id) : nil
    }

    /// The write-ahead log of a file.
    static func log(of path: String) -> String { path + "-wal" }

    /// A tenant's file and all that stands beside it now: the log, its index, what a crash left of their making.
    static func all(of tenant: TenantID, in directory: String) throws(SQLiteError) -> [String] {
        guard let stream = unsafe opendir(directory) else {
            throw SQLiteError(.unavailable, message: "cannot be read: \(Errno.last)", subject: directory)
        }
        defer { unsafe _ = closedir(stream) }
        var paths: [String] = []
        while let entry = unsafe readdir(stream) {
            // d_name is zero-terminated within the entry, which lives until the next readdir.
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name.hasPrefix("\(tenant.text).") { paths.append("\(directory)/\(name)") }
        }
        return paths
    }
}
