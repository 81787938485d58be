// SPDX-License-Identifier: Apache-2.0

package import Platform

/// The key that seals the pages of one database file. A file holds pages of several generations while it changes from one
/// key to the next.
package struct PageKey: Sendable {
    /// Page writes after which a key is to be changed: half of what random nonces allow (SP 800-38D, 8.3).
    package static let writesMax: UInt64 = 1 << 31

    /// Stands in each page; no two keys of one file have the same.
    package let generation: UInt32
    /// 32 bytes.
    package let bytes: SecretBytes

    package init(generation: UInt32, bytes: SecretBytes) {
        self.generation = generation
        self.bytes = bytes
    }
}

/// What a file is. All of it is bound to each page, so that a file put in another's place does not open.
package struct FileIdentity: Hashable, Sendable {
    package enum Role: UInt8, Sendable {
        case keyring = 1
        case control = 2
        case tenant = 3
    }

    /// 16 random bytes.
    package let id: [UInt8]
    package let role: Role
    /// Empty for what belongs to no tenant.
    package let tenant: String

    package init(id: [UInt8], role: Role, tenant: String) {
        self.id = id
        self.role = role
        self.tenant = tenant
    }
}
