// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The room on a file system.
enum DiskSpace {
    /// Whether so little is left where `path` is that tenants' files must not grow: what deletes, suspends and revokes has to
    /// be written down too, and whoever fills the disk must not be able to prevent it. A sixteenth of a small disk,
    /// ``TenantLimit/diskReserve`` of others; false where nobody can say.
    static func isLow(at path: String) -> Bool {
        var status = statvfs()
        // `status` is a local that outlives the call.
        guard unsafe statvfs(path, &status) == 0 else { return false }
        let reserve = UInt(TenantLimit.diskReserve) / max(1, UInt(status.f_frsize))
        return UInt(status.f_bavail) < min(reserve, UInt(status.f_blocks) / 16)
    }

    /// Bytes that a process without privileges may still write where `path` is; `nil` where nobody can say. statvfs(3).
    static func bytes(at path: String) -> Int? {
        var status = statvfs()
        // `status` is a local that outlives the call.
        guard unsafe statvfs(path, &status) == 0 else { return nil }
        let (bytes, overflow) = status.f_bavail.multipliedReportingOverflow(by: status.f_frsize)
        return overflow ? .max : Int(clamping: bytes)
    }
}
