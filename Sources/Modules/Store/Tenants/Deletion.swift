// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Platform
import SQLite

/// The destruction of a tenant's keys and files.
///
///     1  control.db: status 'deleting'      from here it can only be finished; nobody is let in
///     2  memory: what modules hold          nothing to do after a crash
///     3  the file is closed
///     4  the keyring: the tenant's keys     from here nothing of it can be read
///     5  the file and all beside it        removed, and the directory flushed
///     6  control.db: the row                and with it the API keys
///
/// After a crash between 1 and 6 the next start does 4 to 6 again; each is harmless twice.
struct Deletion: Sendable {
    let tenant: TenantID
    /// `data/tenants`.
    let directory: String
    let keys: any TenantKeys

    /// Steps 4 and 5. Blocks.
    func destroy() throws(SQLiteError) {
        try keys.delete(tenant)
        for path in try TenantPaths.all(of: tenant, in: directory) {
            guard unsafe unlink(path) == 0 || Errno.last == .noSuchFile else {
                throw SQLiteError(.unavailable, message: "cannot be removed: \(Errno.last)", subject: path)
            }
        }
        let raw = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard raw >= 0 else {
            throw SQLiteError(.unavailable, message: "cannot be opened: \(Errno.last)", subject: directory)
        }
        let descriptor = FileDescriptor(owning: raw)
        guard fsync(descriptor.rawValue) == 0 else {
            throw SQLiteError(.unavailable, message: "cannot be flushed: \(Errno.last)", subject: directory)
        }
    }
}
