// SPDX-License-Identifier: Apache-2.0

import Core
import Platform

/// The key that seals the pages of one database file.
struct PageKey: Sendable {
    /// 32 bytes.
    let bytes: SecretBytes
    /// Counts the page keys of the file, from 1.
    let generation: Int
}

/// What a database file is bound to beside its key, so that one file never passes for another.
struct FileIdentity: Sendable, Equatable {
    enum Role: UInt8, Sendable {
        case keyring = 1
        case control = 2
        case tenant = 3
    }

    /// 16 random bytes.
    let file: [UInt8]
    /// Empty for what belongs to no tenant.
    let tenant: String
    let role: Role
}
