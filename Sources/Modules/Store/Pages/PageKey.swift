// SPDX-License-Identifier: Apache-2.0

import Crypto
package import Platform

/// The key of a file's pages. A file may hold pages of several generations while it changes from one to the next.
package struct PageKey: Sendable {
    package static let byteCount = AES256GCM.keyByteCount
    /// Page writes after which a key is to be changed: half of what random nonces allow (SP 800-38D, 8.3).
    package static let writesMax: UInt64 = 1 << 31

    /// Stands in each page; no two keys of one file have the same.
    package let generation: UInt32
    package let bytes: SecretBytes

    /// `bytes` has 32 bytes.
    package init(generation: UInt32, bytes: SecretBytes) {
        precondition(bytes.count == PageKey.byteCount, "a page key has 32 bytes")
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
        /// Can be rebuilt from another: a search index.
        case derived = 4
    }

    package static let idByteCount = 16

    /// Random, made with the file, kept beside its key.
    package let id: [UInt8]
    package let role: Role
    /// Empty for what belongs to no tenant.
    package let tenant: String

    /// `id` has 16 bytes.
    package init(id: [UInt8], role: Role, tenant: String) {
        precondition(id.count == FileIdentity.idByteCount, "the id of a file has 16 bytes")
        self.id = id
        self.role = role
        self.tenant = tenant
    }

    /// What stands for it in the associated data. Only the last part has no fixed length.
    var digest: Digest {
        SHA256.digest(Array("gatehouse page file 1".utf8) + id + [role.rawValue] + Array(tenant.utf8))
    }
}
