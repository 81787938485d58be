// SPDX-License-Identifier: Apache-2.0

import Crypto
import Platform

/// The key of a file's pages.
struct PageKey: Sendable {
    /// Stands in each page; no two keys of one file have the same.
    let generation: UInt32
    /// 32 bytes.
    let bytes: SecretBytes

    init(generation: UInt32, bytes: SecretBytes) {
        self.generation = generation
        self.bytes = bytes
    }
}

/// What a file is. All of it is bound to each page, so that a file put in another's place does not open.
struct FileIdentity: Hashable, Sendable {
    enum Role: UInt8, Sendable {
        case keyring = 1
        case control = 2
        case tenant = 3
    }

    /// 16 random bytes.
    let id: [UInt8]
    let role: Role
    /// Empty for what belongs to no tenant.
    let tenant: String

    init(id: [UInt8], role: Role, tenant: String) {
        self.id = id
        self.role = role
        self.tenant = tenant
    }
}
