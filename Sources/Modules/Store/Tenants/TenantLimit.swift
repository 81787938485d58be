// SPDX-License-Identifier: Apache-2.0

/// The most of everything that has to do with tenants' files.
enum TenantLimit {
    /// Work that waits for one thread.
    static let jobs = 4096
    /// Of that, for one tenant.
    static let jobsOfOne = 1024
    /// Pieces of work of one turn: what shares a commit.
    static let group = 64
    /// Threads that own files.
    static let threads = 4
    /// Bytes of a write-ahead log beyond which it is written into its database.
    static let walBytes = 4 << 20
    /// What one write adds at most, roughly: a disk with less room than this is called full.
    static let writeBytes = 64 << 20
    /// Bytes of the disk that tenants' files leave to everything else.
    static let diskReserve = 64 << 20
    /// Tenants in one appliance.
    static let tenants = 100_000
    /// Plans in one appliance.
    static let plans = 1000
    /// What a tenant's largest size can be: below, its own tables would not fit; above is more than SQLite can hold.
    static let bytesMaxRange = 1 << 20...1 << 43
}
