// SPDX-License-Identifier: Apache-2.0

package import Core
import Crypto
package import Platform
import Synchronization

/// Who presented a key.
package enum Authentication: Sendable {
    /// A key that opens something now: who calls with it. The same object each time.
    case valid(Principal)
    /// One that did: its owner may be told.
    case expired(KeyID)
    case revoked(KeyID)
    /// No key of ours; `isKey` where it looks like one.
    case unknown(isKey: Bool)
}

/// All keys in memory, shared by all loops: a key is checked without a hop to another thread, and one that is revoked is
/// refused by every loop from the next request on.
///
/// The prefix finds the candidates, the digest decides in constant time. A text of another length or alphabet is refused
/// unread; every other costs the same digests, whether its prefix is known or not, so that the time of an answer does not
/// tell which prefixes exist. The checksum, which everybody can compute, says of what was refused whether it was a key.
package final class KeyIndex: Sendable {
    /// Touched under the lock only: hence `@unchecked Sendable`. An object, since the look at it is taken by every request,
    /// and a record is large to be copied.
    private final class Entry: @unchecked Sendable {
        var record: KeyRecord
        let principal: Principal
        /// True between a use and `takeUses`.
        var isUsed = false

        init(_ record: KeyRecord) {
            self.record = record
            principal = record.principal
        }
    }

    private struct State {
        var entries: [UInt64: [Entry]] = [:]
        var handles: [KeyID: UInt64] = [:]
        var ofTenants: [TenantID: [KeyID]] = [:]
        /// Entries that were used since `takeUses`.
        var used: [Entry] = []
    }

    private let peppers: Peppers
    // Guards the tables. Held for a look-up and a comparison, never for a digest.
    private let state = Mutex(State())

    package init(peppers: Peppers) { self.peppers = peppers }

    /// How many keys there are, revoked ones included.
    package var count: Int { state.withLock { $0.handles.count } }

    /// Makes a key as asked, and its record. Nothing is stored yet: write the record down, then `add` it. The text of the key
    /// is shown once and kept nowhere.
    package func issue(_ request: KeyRequest, at now: WallTime) -> (key: APIKey, record: KeyRecord) {
        let key = APIKey.random()
        let (digest, generation) = peppers.digest(of: key)
        let record = KeyRecord(
            id: KeyID(ULID.make(prefix: "key_", at: now)), tenant: request.tenant, name: request.name,
            prefix: key.prefix,
            digest: digest, pepperGeneration: generation, scopes: request.scopes, models: request.models,
            createdAt: now,
            expiresAt: request.expiresAt, revokedAt: nil, lastUsedAt: nil)
        return (key, record)
    }

    /// Lets a key in from now on. False where there is no room for it, its id is taken, or its prefix is none.
    @discardableResult
    package func add(_ record: KeyRecord) -> Bool {
        guard let handle = APIKey.handle(ofPrefix: record.prefix) else { return false }
        return state.withLock { state in
            guard state.handles.count < AuthLimits.keysMax, state.handles[record.id] == nil else { return false }
            state.handles[record.id] = handle
            state.entries[handle, default: []].append(Entry(record))
            state.ofTenants[record.tenant, default: []].append(record.id)
            return true
        }
    }

    /// Forgets every key of a tenant: from now on they are unknown, on every loop.
    package func removeAll(of tenant: TenantID) {
        state.withLock { state in
            for id in state.ofTenants.removeValue(forKey: tenant) ?? [] {
                guard let handle = state.handles.removeValue(forKey: id) else { continue }
                state.entries[handle]?.removeAll { $0.record.id == id }
                if state.entries[handle]?.isEmpty == true { state.entries[handle] = nil }
            }
        }
    }

    /// Refuses a key from now on, on every loop. Gives its record as it is now; nil where there is none. Revoking twice keeps
    /// the first time.
    @discardableResult
    package func revoke(_ id: KeyID, at now: WallTime) -> KeyRecord? {
        state.withLock { state in
            guard let handle = state.handles[id],
                let entry = state.entries[handle]?.first(where: { $0.record.id == id })
            else { return nil }
            entry.record.revokedAt = entry.record.revokedAt ?? now
            return entry.record
        }
    }

    /// Says whose key `text` is.
    package func authenticate(_ text: Span<UInt8>, at now: WallTime) -> Authentication {
        guard let key = APIKey(unproven: text) else { return .unknown(isKey: false) }
        let candidates = peppers.digests(of: key)
        let handle = key.handle
        let known = state.withLock { state -> Authentication? in
            KeyIndex.match(candidates, in: state.entries[handle] ?? KeyIndex.decoys).map { entry in
                KeyIndex.use(entry, &state.used, now)
            }
        }
        return known ?? .unknown(isKey: key.hasChecksum)
    }

    /// The keys used since the last call, with the time, so that they can be written down together.
    package func takeUses() -> [KeyID: WallTime] {
        state.withLock { state in
            var uses: [KeyID: WallTime] = [:]
            for entry in state.used {
                entry.isUsed = false
                // It may have gone with its tenant meanwhile.
                guard state.handles[entry.record.id] != nil else { continue }
                uses[entry.record.id] = entry.record.lastUsedAt
            }
            state.used.removeAll(keepingCapacity: true)
            return uses
        }
    }

    /// The entry whose digest agrees. Every one is compared with the digest of its generation, also behind one that agreed.
    private static func match(_ candidates: Candidates, in entries: [Entry]) -> Entry? {
        var found: Entry?
        for entry in entries {
            let agrees = candidates.agree(with: entry.record.digest, of: entry.record.pepperGeneration)
            if agrees { found = entry }
        }
        return found
    }

    private static func use(_ entry: Entry, _ used: inout [Entry], _ now: WallTime) -> Authentication {
        if entry.record.revokedAt != nil { return .revoked(entry.record.id) }
        if let expiry = entry.record.expiresAt, expiry <= now { return .expired(entry.record.id) }
        entry.record.lastUsedAt = now
        if !entry.isUsed {
            entry.isUsed = true
            used.append(entry)
        }
        return .valid(entry.principal)
    }

    /// What an unknown prefix is compared with: nothing agrees with it, since no key has its generation.
    private static let decoys: [Entry] = [
        Entry(
            KeyRecord(
                id: KeyID(""), tenant: TenantID(""), name: "", prefix: "", digest: SHA256.digest([]),
                pepperGeneration: .min,
                scopes: Scopes(), models: nil, createdAt: WallTime(milliseconds: 0), expiresAt: nil, revokedAt: nil,
                lastUsedAt: nil))
    ]
}
