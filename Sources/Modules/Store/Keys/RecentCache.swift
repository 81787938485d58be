// SPDX-License-Identifier: Apache-2.0

/// What was used lately, at most `countMax` entries. In two halves: what is found in the old one moves to the young one, and
/// when that is full, the old one goes as a whole. So the most recent half is always there, and every step takes the
/// same short time.
struct RecentCache<Key: Hashable, Value> {
    private let halfMax: Int
    private var young: [Key: Value] = [:]
    private var old: [Key: Value] = [:]
    /// Counts what was taken out on purpose.
    private(set) var removals: UInt64 = 0

    init(countMax: Int) {
        precondition(countMax >= 2)
        halfMax = countMax / 2
    }

    var count: Int { young.count + old.count }

    mutating func find(_ key: Key) -> Value? {
        if let value = young[key] { return value }
        guard let value = old.removeValue(forKey: key) else { return nil }
        insert(value, for: key)
        return value
    }

    mutating func insert(_ value: Value, for key: Key) {
        old[key] = nil
        if young[key] == nil, young.count >= halfMax { (old, young) = (young, [:]) }
        young[key] = value
    }

    /// The same, unless anything was removed since `removals` was read.
    mutating func insert(_ value: Value, for key: Key, unlessRemovedSince before: UInt64) {
        if removals == before { insert(value, for: key) }
    }

    mutating func remove(_ key: Key) {
        removals += 1
        young[key] = nil
        old[key] = nil
    }

    mutating func removeAll() {
        removals += 1
        (young, old) = ([:], [:])
    }

    mutating func removeAll(where condition: (Key) -> Bool) {
        removals += 1
        young = young.filter { !condition($0.key) }
        old = old.filter { !condition($0.key) }
    }
}
