// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The room on a file system.
enum DiskSpace {
    /// Bytes that a process without privileges may still write where `path` is; `nil` where nobody can say. statvfs(3).
    static func bytes(at path: String) -> Int? {
        var status = statvfs()
        // `status` is a local that outlives the call.
        guard unsafe statvfs(path, &status) == 0 else { return nil }
        let (bytes, overflow) = status.f_bavail.multipliedReportingOverflow(by: status.f_frsize)
        return overflow ? .max : Int(clamping: bytes)
    }
}
