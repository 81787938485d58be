// SPDX-License-Identifier: Apache-2.0

package import Core
import Crypto
package import Platform
import Synchronization

/// Who presented a key.
package enum Authentication: Equatable, Sendable {
    /// A key that opens something now.
    case valid(KeyRecord)
    /// One that did: its owner may be told.
    case expired(KeyRecord)
    case revoked(KeyRecord)
    /// No key of ours; `isKey` where it looks like one.
    case unknown(isKey: Bool)
}

/// All keys in memory, shared by all loops: a key is checked without a hop to another thread, and one that is revoked is
/// refused by every loop from the next request on.
///
/// The prefix finds the candidates, the digest decides in constant time. A text that is no key is refused by its checksum,
/// which everybody can compute; every other costs the same digests, whether its prefix is known or not, so that the time of
/// an answer does not tell which prefixes exist.
package final class KeyIndex: Sendable {
    private struct Entry {
        var record: KeyRecord
        /// True between a use and `takeUses`.
        var isUsed = false
    }

    private struct State {
        var entries: [UInt64: [Entry]] = [:]
        var handles: [KeyID: UInt64] = [:]
        var ofTenants: [TenantID: [KeyID]] = [:]
        /// Handles of entries that were used since `takeUses`.
        var used: [UInt64] = []
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
            state.entries[handle, default: []].append(Entry(record: record))
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
            guard let handle = state.handles[id], var entries = state.entries[handle],
                let index = entries.firstIndex(where: { $0.record.id == id })
            else { return nil }
            entries[index].record.revokedAt = entries[index].record.revokedAt ?? now
            state.entries[handle] = entries
            return entries[index].record
        }
    }

    /// Says whose key `text` is.
    package func authenticate(_ text: String, at now: WallTime) -> Authentication {
        guard let key = APIKey(text) else { return .unknown(isKey: false) }
        let candidates = peppers.digests(of: key)
        let handle = key.handle
        return state.withLock { state in
            let place = state.entries.index(forKey: handle)
            let index = KeyIndex.match(candidates, in: place.map { state.entries.values[$0] } ?? KeyIndex.decoys)
            guard let place, let index else { return .unknown(isKey: true) }
            return KeyIndex.use(&state, place, index, now)
        }
    }

    /// The keys used since the last call, with the time, so that they can be written down together.
    package func takeUses() -> [KeyID: WallTime] {
        state.withLock { state in
            var uses: [KeyID: WallTime] = [:]
            for handle in state.used {
                for index in (state.entries[handle] ?? []).indices {
                    guard let entry = state.entries[handle]?[index], entry.isUsed else { continue }
                    state.entries[handle]?[index].isUsed = false
                    uses[entry.record.id] = entry.record.lastUsedAt
                }
            }
            state.used.removeAll(keepingCapacity: true)
            return uses
        }
    }

    /// Where a digest agrees. Every entry is compared with the digest of its generation, also behind one that agreed.
    private static func match(_ candidates: Candidates, in entries: [Entry]) -> Int? {
        var found: Int?
        // By index: an entry is large, and copying it costs more than the comparison.
        for index in entries.indices {
            let agrees = candidates.agree(
                with: entries[index].record.digest, of: entries[index].record.pepperGeneration)
            if agrees { found = index }
        }
        return found
    }

    /// - Parameter index: of an entry of those at `place`.
    private static func use(
        _ state: inout State, _ place: Dictionary<UInt64, [Entry]>.Index, _ index: Int, _ now: WallTime
    ) -> Authentication {
        let entry = state.entries.values[place][index]
        if entry.record.revokedAt != nil { return .revoked(entry.record) }
        if let expiry = entry.record.expiresAt, expiry <= now { return .expired(entry.record) }
        state.entries.values[place][index].record.lastUsedAt = now
        if !entry.isUsed {
            state.entries.values[place][index].isUsed = true
            state.used.append(state.entries.keys[place])
        }
        return .valid(entry.record)
    }

    /// What an unknown prefix is compared with: nothing agrees with it, since no key has its generation.
    private static let decoys: [Entry] = [
        Entry(
            record: KeyRecord(
                id: KeyID(""), tenant: TenantID(""), name: "", prefix: "", digest: SHA256.digest([]),
                pepperGeneration: .min,
                scopes: Scopes(), models: nil, createdAt: WallTime(milliseconds: 0), expiresAt: nil, revokedAt: nil,
                lastUsedAt: nil))
    ]
}
