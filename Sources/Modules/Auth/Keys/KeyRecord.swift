// SPDX-License-Identifier: Apache-2.0

package import Core
package import Crypto
package import Platform

/// Who uses a key.
package enum KeyKind: String, CaseIterable, Sendable {
    /// A program that keeps it to itself.
    case secret
    /// A web page, where everybody can read it: it talks to named nodes, from named origins, and does nothing else.
    case publishable
}

/// Why a key was revoked.
package enum KeyEnd: String, CaseIterable, Sendable {
    /// Somebody who may has said so.
    case asked
    /// It was seen where others can read it.
    case exposed
}

/// Where a key was seen by others.
package enum KeyExposure: String, CaseIterable, Sendable {
    /// It came over plain HTTP.
    case http
    /// Somebody found it and reported it.
    case report
}

/// What is known of an API key: everything but the key.
package struct KeyRecord: Equatable, Sendable {
    package let id: KeyID
    package let tenant: TenantID
    /// What people call it.
    package internal(set) var name: String
    /// The first 12 characters of the key.
    package internal(set) var prefix: String
    /// HMAC-SHA256 of the key under the pepper of `pepperGeneration`.
    package internal(set) var digest: Digest
    package internal(set) var pepperGeneration: Int
    package internal(set) var scopes: Scopes
    /// The models it may name; nil for all, or for those of its nodes.
    package internal(set) var models: Set<String>?
    package let createdAt: WallTime
    package internal(set) var expiresAt: WallTime?
    /// Once set, never changed.
    package internal(set) var revokedAt: WallTime?
    /// Some time behind: uses are written down in batches.
    package internal(set) var lastUsedAt: WallTime?

    package internal(set) var kind = KeyKind.secret
    /// The nodes it may use, by id or alias; nil for all.
    package internal(set) var nodes: Set<String>?
    /// Of a publishable key, in order.
    package internal(set) var origins: [String] = []
    /// Empty for every address.
    package internal(set) var addresses: [AddressRange] = []
    /// What it may ask for, as the limiter reads it (`100 requests/minute`); empty for what every key may.
    package internal(set) var limits: [String] = []
    /// A JSON object of whoever made it, or empty.
    package internal(set) var metadata = ""
    /// Who made it: `key_…`, `usr_…`, `uid:…`.
    package internal(set) var createdBy = ""
    /// While set, it opens nothing.
    package internal(set) var blockedAt: WallTime?
    package internal(set) var rotatedAt: WallTime?
    /// What it was before it was rotated, which opens the same for a while.
    package internal(set) var former: FormerKey?
    package internal(set) var exposedAt: WallTime?
    package internal(set) var exposure: KeyExposure?
    package internal(set) var end: KeyEnd?
    /// Counts its changes.
    package internal(set) var version = 1

    /// The version of a key that lives in memory only.
    static let unwritten = 0

    /// Who calls with this key.
    ///
    /// - Parameter prefix: of the text that was presented: there are two while it is being rotated.
    func principal(prefix: String, _ lifeline: Lifeline) -> Principal {
        Principal(
            kind: .key(id, prefix: prefix), tenant: tenant, scopes: scopes,
            // Bound to nodes, it names no model by itself unless it says which.
            models: nodes == nil ? models : models ?? [], nodes: nodes,
            places: CallPlaces(addresses: addresses, origins: origins), lifeline: lifeline)
    }

    /// Whether it is narrowed to some models, nodes or places.
    var isBound: Bool { models != nil || nodes != nil || !origins.isEmpty || !addresses.isEmpty }
}

/// The text of a key before it was rotated.
package struct FormerKey: Equatable, Sendable {
    package let prefix: String
    package let digest: Digest
    package let pepperGeneration: Int
    /// From then on it opens nothing.
    package let until: WallTime
}

/// What a new key shall be.
package struct KeyRequest: Sendable {
    package var tenant: TenantID
    package var name: String
    package var kind = KeyKind.secret
    package var scopes: Scopes
    package var models: Set<String>?
    package var nodes: Set<String>?
    package var origins: [String] = []
    package var addresses: [AddressRange] = []
    package var limits: [String] = []
    package var metadata = ""
    package var createdBy = ""
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
        if let expiresAt, expiresAt <= now { return "a key cannot expire in the past" }
        return record(of: nil, at: now).problem
    }

    /// The record of a key that is as asked.
    func record(of key: (key: APIKey, digest: Digest, generation: Int)?, at now: WallTime) -> KeyRecord {
        KeyRecord(
            id: KeyID(ULID.make(prefix: "key_", at: now)), tenant: tenant, name: name, prefix: key?.key.prefix ?? "",
            digest: key?.digest ?? SHA256.digest([]), pepperGeneration: key?.generation ?? 0, scopes: scopes,
            models: models, createdAt: now, expiresAt: expiresAt, kind: kind, nodes: nodes, origins: origins.sorted(),
            addresses: addresses, limits: limits, metadata: metadata, createdBy: createdBy)
    }
}

extension KeyRecord {
    /// What is wrong with what it shall be, as a sentence for people.
    var problem: String? {
        if !NameRule.allows(name) {
            return "a name has 1 to \(NameRule.bytesMax) bytes without control characters"
        }
        if scopes.list.isEmpty { return "a key without a scope opens nothing" }
        if let models, !Self.isList(models, AuthLimits.modelsMax) {
            return "a key names 1 to \(AuthLimits.modelsMax) models, or none for all of them"
        }
        if let nodes, !Self.isList(nodes, AuthLimits.nodesMax) {
            return "a key names 1 to \(AuthLimits.nodesMax) nodes, or none for all of them"
        }
        if addresses.count > AuthLimits.addressesMax { return "a key has at most \(AuthLimits.addressesMax) ranges" }
        if limits.count > AuthLimits.limitsMax { return "a key has at most \(AuthLimits.limitsMax) limits" }
        if metadata.utf8.count > AuthLimits.metadataBytesMax {
            return "metadata has at most \(AuthLimits.metadataBytesMax) bytes"
        }
        // Each of these reaches beyond the nodes that the key is bound to.
        let beyond = Scopes([.nodesWrite, .threadsRead, .threadsWrite, .memory, .keysWrite, .account])
        if nodes != nil, let scope = scopes.list.first(where: beyond.contains) {
            return "a key that is bound to nodes cannot have the scope \(scope.rawValue), which reaches beyond them"
        }
        return problemOfKind
    }

    private var problemOfKind: String? {
        guard kind == .publishable else {
            return origins.isEmpty ? nil : "origins are for publishable keys: a page must not hold a secret one"
        }
        if scopes != Scopes([.chat]) { return "a publishable key has the scope chat and no other" }
        if nodes == nil { return "a publishable key names the nodes it is for" }
        if models != nil { return "a publishable key names nodes, and no models" }
        if origins.isEmpty || origins.count > AuthLimits.originsMax {
            return "a publishable key names 1 to \(AuthLimits.originsMax) origins"
        }
        return nil
    }

    private static func isList(_ names: Set<String>, _ most: Int) -> Bool {
        !names.isEmpty && names.count <= most && names.allSatisfy(NameRule.allows)
    }
}

/// The most of everything.
package enum AuthLimits {
    /// Keys in one appliance, revoked ones included.
    package static let keysMax = 1_000_000
    /// Keys of one tenant, revoked ones included.
    package static let keysPerTenantMax = 20_000
    /// Models one key is bound to.
    package static let modelsMax = 256
    package static let nodesMax = 256
    package static let originsMax = 64
    package static let addressesMax = 64
    package static let limitsMax = 16
    package static let metadataBytesMax = 4096
    /// How long the old text of a key that is rotated may go on, in seconds: a week.
    package static let graceMaxSeconds = 604_800
    /// Last uses that one transaction writes.
    package static let usesPerWrite = 5000
    /// Keys that one report of found keys may name.
    package static let reportedMax = 100
}
