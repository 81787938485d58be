// SPDX-License-Identifier: Apache-2.0

package import Core
package import Crypto
package import Platform

/// What is known of an API key: everything but the key.
package struct KeyRecord: Equatable, Sendable {
    package let id: KeyID
    package let tenant: TenantID
    /// What people call it.
    package let name: String
    /// The first 12 characters of the key.
    package let prefix: String
    /// HMAC-SHA256 of the key under the pepper of `pepperGeneration`.
    package let digest: Digest
    package let pepperGeneration: Int
    package let scopes: Scopes
    /// The models it may name; nil for all.
    package let models: Set<String>?
    package let createdAt: WallTime
    package let expiresAt: WallTime?
    /// Once set, never changed.
    package internal(set) var revokedAt: WallTime?
    /// Some time behind: uses are written down in batches.
    package internal(set) var lastUsedAt: WallTime?

    /// Who calls with this key.
    package var principal: Principal {
        Principal(kind: .key(id, prefix: prefix), tenant: tenant, scopes: scopes, models: models)
    }
}

/// What a new key shall be.
package struct KeyRequest: Sendable {
    package var tenant: TenantID
    package var name: String
    package var scopes: Scopes
    package var models: Set<String>?
    package var expiresAt: WallTime?

    package init(
        tenant: TenantID, name: String, scopes: Scopes, models: Set<String>? = nil, expiresAt: WallTime? = nil
    ) {
        self.tenant = tenant
        self.name = name
        self.scopes = scopes
        self.models = models
        self.expiresAt = expiresAt
    }

    /// What is wrong with it, as a sentence for people; nil where it can be made.
    package func problem(at now: WallTime) -> String? {
        if !NameRule.allows(name) {
            return "a name has 1 to \(NameRule.bytesMax) bytes without control characters"
        }
        if scopes.list.isEmpty { return "a key without a scope opens nothing" }
        if let models, models.isEmpty || models.count > AuthLimits.modelsMax || !models.allSatisfy(NameRule.allows) {
            return "a key names 1 to \(AuthLimits.modelsMax) models, or none for all of them"
        }
        if let expiresAt, expiresAt <= now { return "a key cannot expire in the past" }
        return nil
    }
}

/// The most of everything.
package enum AuthLimits {
    /// Keys in one appliance, revoked ones included.
    package static let keysMax = 1_000_000
    /// Models one key is bound to.
    package static let modelsMax = 256
}
