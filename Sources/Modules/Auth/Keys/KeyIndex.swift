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
    /// One that may again.
    case blocked(KeyID)
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
    /// A key. Touched under the lock only: hence `@unchecked Sendable`. An object, since the look at it is taken by every
    /// request, and a record is large to be copied.
    private final class Entry: @unchecked Sendable {
        var record: KeyRecord
        var lifeline = Lifeline()
        /// Neither revoked nor blocked.
        var isOpen: Bool
        /// True between a use and `takeUses`.
        var isUsed = false

        init(_ record: KeyRecord) {
            self.record = record
            isOpen = record.revokedAt == nil && record.blockedAt == nil
        }
    }

    /// A text that opens a key. There are two of one key while it is being rotated. As `Entry`.
    private final class Slot: @unchecked Sendable {
        let entry: Entry
        let digest: Digest
        let generation: Int
        /// When it opens nothing any more; `nil` for what the key says.
        let until: WallTime?
        let principal: Principal

        init(_ entry: Entry, _ prefix: String, _ digest: Digest, _ generation: Int, until: WallTime? = nil) {
            (self.entry, self.digest, self.generation, self.until) = (entry, digest, generation, until)
            principal = entry.record.principal(prefix: prefix, entry.lifeline)
        }
    }

    private struct State {
        var slots: [UInt64: [Slot]] = [:]
        var entries: [KeyID: Entry] = [:]
        var ofTenants: [TenantID: [KeyID]] = [:]
        /// Entries that were used since `takeUses`.
        var used: [Entry] = []
    }

    private let peppers: Peppers
    private let origins: OriginBook
    // Guards the tables. Held for a look-up and a comparison, never for a digest.
    private let state = Mutex(State())

    /// - Parameter origins: kept at those of the publishable keys that open something.
    package init(peppers: Peppers, origins: OriginBook = OriginBook()) {
        (self.peppers, self.origins) = (peppers, origins)
    }

    /// Says that this is the index of the process: what every request refers to is not counted any more.
    func isForever() {
        Immortal.keep(self)
        peppers.isForever()
    }

    /// How many keys there are, revoked ones included.
    package var count: Int { state.withLock { $0.entries.count } }

    /// How many a tenant has.
    func count(of tenant: TenantID) -> Int { state.withLock { $0.ofTenants[tenant]?.count ?? 0 } }

    /// Makes a key as asked, and its record. Nothing is stored yet: write the record down, then `add` it. The text of the key
    /// is shown once and kept nowhere.
    package func issue(_ request: KeyRequest, at now: WallTime) -> (key: APIKey, record: KeyRecord) {
        let (key, digest, generation) = makeText()
        return (key, request.record(of: (key, digest, generation), at: now))
    }

    /// A fresh text for a key, and what is kept of it.
    func makeText() -> (key: APIKey, digest: Digest, generation: Int) {
        let key = APIKey.random()
        let (digest, generation) = peppers.digest(of: key)
        return (key, digest, generation)
    }

    // MARK: Changes

    /// Lets a key in from now on. False where there is no room for it, its id is taken, or its prefix is none.
    @discardableResult
    package func add(_ record: KeyRecord) -> Bool {
        guard APIKey.handle(ofPrefix: record.prefix) != nil else { return false }
        return state.withLock { state in
            guard state.entries.count < AuthLimits.keysMax, state.entries[record.id] == nil else { return false }
            let entry = Entry(record)
            state.entries[record.id] = entry
            state.ofTenants[record.tenant, default: []].append(record.id)
            put(entry, in: &state)
            return true
        }
    }

    /// What a key has become, from now on and on every loop; older than what is known already it changes nothing. Where it
    /// opens nothing any more, its streamed answers break off.
    ///
    /// - Returns: false where there is no such key.
    @discardableResult
    package func replace(with record: KeyRecord) -> Bool {
        let (isKnown, ended) = state.withLock { state -> (Bool, Lifeline?) in
            guard let entry = state.entries[record.id] else { return (false, nil) }
            guard record.version > entry.record.version else { return (true, nil) }
            take(entry, from: &state)
            let (wasOpen, old) = (entry.isOpen, entry.lifeline)
            let lastUsedAt = entry.record.lastUsedAt
            entry.record = record
            entry.record.lastUsedAt = [lastUsedAt, record.lastUsedAt].compactMap(\.self).max()
            entry.isOpen = record.revokedAt == nil && record.blockedAt == nil
            if !wasOpen, entry.isOpen { entry.lifeline = Lifeline() }
            put(entry, in: &state)
            return (true, entry.isOpen ? nil : old)
        }
        ended?.end()
        return isKnown
    }

    /// Breaks off the streamed answers to a tenant's keys, or lets them have some again.
    func setStreams(_ status: TenantStatus, of tenant: TenantID) {
        let ended = state.withLock { state in
            (state.ofTenants[tenant] ?? []).compactMap { id -> Lifeline? in
                guard let entry = state.entries[id], entry.isOpen else { return nil }
                guard status == .active else { return entry.lifeline }
                guard entry.lifeline.isEnded else { return nil }
                take(entry, from: &state)
                entry.lifeline = Lifeline()
                put(entry, in: &state)
                return nil
            }
        }
        for lifeline in ended { lifeline.end() }
    }

    /// Forgets every key of a tenant: from now on they are unknown, on every loop.
    package func removeAll(of tenant: TenantID) {
        let ended = state.withLock { state in
            (state.ofTenants.removeValue(forKey: tenant) ?? []).compactMap { id -> Lifeline? in
                guard let entry = state.entries.removeValue(forKey: id) else { return nil }
                take(entry, from: &state)
                return entry.lifeline
            }
        }
        for lifeline in ended { lifeline.end() }
    }

    private func put(_ entry: Entry, in state: inout State) {
        let record = entry.record
        var slots = [Slot(entry, record.prefix, record.digest, record.pepperGeneration)]
        if let former = record.former {
            slots.append(Slot(entry, former.prefix, former.digest, former.pepperGeneration, until: former.until))
        }
        for (slot, prefix) in zip(slots, [record.prefix, record.former?.prefix ?? ""]) {
            guard let handle = APIKey.handle(ofPrefix: prefix) else { continue }
            state.slots[handle, default: []].append(slot)
        }
        if entry.isOpen { origins.add(record.origins) }
    }

    private func take(_ entry: Entry, from state: inout State) {
        let record = entry.record
        for prefix in [record.prefix, record.former?.prefix ?? ""] {
            guard let handle = APIKey.handle(ofPrefix: prefix) else { continue }
            state.slots[handle]?.removeAll { $0.entry === entry }
            if state.slots[handle]?.isEmpty == true { state.slots[handle] = nil }
        }
        if entry.isOpen { origins.remove(record.origins) }
    }

    // MARK: Looking

    /// Says whose key `text` is.
    package func authenticate(_ text: Span<UInt8>, at now: WallTime) -> Authentication {
        guard let key = APIKey(unproven: text) else { return .unknown(isKey: false) }
        let candidates = peppers.digests(of: key)
        let handle = key.handle
        let known = state.withLock { state -> Authentication? in
            guard let known = state.slots.index(forKey: handle) else {
                // Compared all the same, so that the time does not tell; nothing agrees with it.
                return KeyIndex.match(candidates, in: KeyIndex.decoys).map { _ in .unknown(isKey: true) }
            }
            return KeyIndex.use(candidates, &state.slots.values[known], &state.used, now)
        }
        return known ?? .unknown(isKey: key.hasChecksum)
    }

    /// Whose text this is, or was before a rotation that is under way, whether or not it opens anything. That is no use of it.
    func owner(of text: Span<UInt8>) -> (record: KeyRecord, isFormer: Bool)? {
        guard let key = APIKey(unproven: text) else { return nil }
        let candidates = peppers.digests(of: key)
        let handle = key.handle
        return state.withLock { state in
            let slots = state.slots[handle] ?? KeyIndex.decoys
            return KeyIndex.match(candidates, in: slots).map { place in
                (slots[place].entry.record, slots[place].until != nil)
            }
        }
    }

    /// The key of this id, as it is now.
    package func record(_ id: KeyID) -> KeyRecord? { state.withLock { $0.entries[id]?.record } }

    /// The one key of a tenant whose shown prefix this is; `nil` where none has it, or two.
    func record(prefix: String, of tenant: TenantID?) -> KeyRecord? {
        guard let handle = APIKey.handle(ofPrefix: prefix) else { return nil }
        return state.withLock { state in
            let found = (state.slots[handle] ?? []).filter { slot in
                slot.entry.record.prefix == prefix && (tenant == nil || slot.entry.record.tenant == tenant)
            }
            guard let first = found.first?.entry, found.allSatisfy({ $0.entry === first }) else { return nil }
            return first.record
        }
    }

    /// Keys used since the last call, with the time, so that they can be written down together.
    package func takeUses(max most: Int = .max) -> [KeyID: WallTime] {
        state.withLock { state in
            var uses: [KeyID: WallTime] = [:]
            for entry in state.used.suffix(most) {
                entry.isUsed = false
                // It may have gone with its tenant meanwhile.
                guard state.entries[entry.record.id] != nil else { continue }
                uses[entry.record.id] = entry.record.lastUsedAt
            }
            state.used.removeLast(min(most, state.used.count))
            return uses
        }
    }

    /// The place of the slot whose digest agrees. Every one is compared with the digest of its generation, also behind one
    /// that agreed.
    private static func match(_ candidates: Candidates, in slots: [Slot]) -> Int? {
        var found: Int?
        for place in slots.indices {
            let agrees = candidates.agree(with: slots[place].digest, of: slots[place].generation)
            if agrees { found = place }
        }
        return found
    }

    /// - Parameter slots: not changed. They are lent where they are: a copy of the list would be counted as one holder more.
    private static func use(
        _ candidates: Candidates, _ slots: inout [Slot], _ used: inout [Entry], _ now: WallTime
    ) -> Authentication? {
        guard let place = match(candidates, in: slots) else { return nil }
        // SAFETY: the list holds it, which nobody changes in here.
        return unsafe Unmanaged.passUnretained(slots[place]).lend { use($0, &used, now) }
    }

    private static func use(_ slot: Slot, _ used: inout [Entry], _ now: WallTime) -> Authentication {
        let entry = slot.entry
        guard entry.isOpen else {
            return entry.record.revokedAt == nil ? .blocked(entry.record.id) : .revoked(entry.record.id)
        }
        if let until = slot.until, until <= now { return .revoked(entry.record.id) }
        if let expiry = entry.record.expiresAt, expiry <= now { return .expired(entry.record.id) }
        entry.record.lastUsedAt = now
        if !entry.isUsed {
            entry.isUsed = true
            used.append(entry)
        }
        return .valid(slot.principal)
    }

    /// What an unknown prefix is compared with: nothing agrees with it, since no key has its generation.
    private static let decoys: [Slot] = [
        Slot(
            Entry(
                KeyRecord(
                    id: KeyID(""), tenant: TenantID(""), name: "", prefix: "", digest: SHA256.digest([]),
                    pepperGeneration: .min, scopes: Scopes(), createdAt: WallTime(milliseconds: 0))),
            "", SHA256.digest([]), .min)
    ]
}
