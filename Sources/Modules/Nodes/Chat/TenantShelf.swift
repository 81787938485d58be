// SPDX-License-Identifier: Apache-2.0

import Core
import Platform

/// How much a shelf holds.
struct ShelfBounds: Sendable {
    var entriesPerTenant: Int
    var bytesPerTenant: Int
    var entriesMax: Int
    var bytesMax: Int
    /// How long something lies there since it was last put.
    var time: Duration
}

/// Things of tenants that lie in memory for a time and nowhere else. When a tenant's part or the whole is full, what was put
/// longest ago goes first: one tenant's flood pushes out its own things before anybody else's.
///
/// A tenant's things are found through its id alone: what another puts there under the same id or name is another thing.
struct TenantShelf<Value> {
    private struct Entry {
        var value: Value
        var bytes: Int
        var names: [String]
        var stamp: UInt64
        var time: WallTime
    }

    private struct Room {
        var entries: [String: Entry] = [:]
        var ids: [String: String] = [:]
        var bytes = 0
        var order = RecencyQueue<String>()
    }

    private struct Place: Equatable {
        let tenant: TenantID
        let id: String
    }

    private let bounds: ShelfBounds
    private var rooms: [TenantID: Room] = [:]
    private var order = RecencyQueue<Place>()
    private var lastStamp: UInt64 = 0
    private(set) var count = 0
    private(set) var bytes = 0

    init(_ bounds: ShelfBounds) {
        self.bounds = bounds
    }

    /// What lies there under an id.
    func value(_ id: String, of tenant: TenantID, at now: WallTime) -> Value? {
        guard let entry = rooms[tenant]?.entries[id], !isOver(entry, at: now) else { return nil }
        return entry.value
    }

    /// What was put last under a name.
    func value(named name: String, of tenant: TenantID, at now: WallTime) -> Value? {
        guard let id = rooms[tenant]?.ids[name] else { return nil }
        return value(id, of: tenant, at: now)
    }

    /// Puts something there, in the place of what has the same id.
    ///
    /// - Parameter names: by which it is found as well.
    /// - Returns: false if it is too large for any room; then nothing has changed.
    @discardableResult
    mutating func put(
        _ value: Value, _ id: String, bytes size: Int, names: [String] = [], of tenant: TenantID, at now: WallTime
    ) -> Bool {
        guard size <= min(bounds.bytesPerTenant, bounds.bytesMax) else { return false }
        remove(id, of: tenant)
        lastStamp += 1
        var room = rooms.removeValue(forKey: tenant) ?? Room()
        room.entries[id] = Entry(value: value, bytes: size, names: names, stamp: lastStamp, time: now)
        for name in names { room.ids[name] = id }
        room.bytes += size
        room.order.append(id, lastStamp)
        rooms[tenant] = room
        order.append(Place(tenant: tenant, id: id), lastStamp)
        count += 1
        bytes += size
        makeRoom(tenant)
        tidy(tenant)
        return true
    }

    @discardableResult
    mutating func remove(_ id: String, of tenant: TenantID) -> Value? {
        guard let index = rooms.index(forKey: tenant) else { return nil }
        guard let entry = rooms.values[index].entries.removeValue(forKey: id) else { return nil }
        for name in entry.names where rooms.values[index].ids[name] == id {
            rooms.values[index].ids.removeValue(forKey: name)
        }
        rooms.values[index].bytes -= entry.bytes
        if rooms.values[index].entries.isEmpty { rooms.remove(at: index) }
        count -= 1
        bytes -= entry.bytes
        return entry.value
    }

    /// Removes what a tenant has of some kind.
    ///
    /// - Returns: how many.
    @discardableResult
    mutating func remove(of tenant: TenantID, where isMeant: (Value) -> Bool) -> Int {
        let ids = (rooms[tenant]?.entries ?? [:]).filter { isMeant($0.value.value) }.map(\.key)
        for id in ids { remove(id, of: tenant) }
        return ids.count
    }

    /// Removes what has lain there for its time, and what belongs to tenants that are no more.
    mutating func tend(tenants: Set<TenantID>, at now: WallTime) {
        for tenant in rooms.keys where !tenants.contains(tenant) { remove(of: tenant) { _ in true } }
        while let place = oldest(), let entry = rooms[place.tenant]?.entries[place.id], isOver(entry, at: now) {
            remove(place.id, of: place.tenant)
        }
    }

    // MARK: Order

    /// A clock that was set back must not keep things for longer than their time twice over.
    private func isOver(_ entry: Entry, at now: WallTime) -> Bool {
        entry.time + bounds.time <= now || now + bounds.time < entry.time
    }

    private mutating func makeRoom(_ tenant: TenantID) {
        while isFull(tenant), let id = oldest(of: tenant) { remove(id, of: tenant) }
        while count > bounds.entriesMax || bytes > bounds.bytesMax, let place = oldest() {
            remove(place.id, of: place.tenant)
        }
    }

    private func isFull(_ tenant: TenantID) -> Bool {
        guard let room = rooms[tenant] else { return false }
        return room.entries.count > bounds.entriesPerTenant || room.bytes > bounds.bytesPerTenant
    }

    private mutating func oldest(of tenant: TenantID) -> String? {
        let entries = rooms[tenant]?.entries ?? [:]
        return rooms[tenant]?.order.first { id, stamp in entries[id]?.stamp == stamp }
    }

    private mutating func oldest() -> Place? {
        let rooms = rooms
        return order.first { place, stamp in rooms[place.tenant]?.entries[place.id]?.stamp == stamp }
    }

    private mutating func tidy(_ tenant: TenantID) {
        if let room = rooms[tenant] {
            rooms[tenant]?.order.tidy(live: room.entries.count) { id, stamp in room.entries[id]?.stamp == stamp }
        }
        let rooms = rooms
        order.tidy(live: count) { place, stamp in rooms[place.tenant]?.entries[place.id]?.stamp == stamp }
    }
}

/// Keys in the order in which they were last appended. A key that is appended again leaves its old place behind; such places
/// are told by their stamp, passed over, and cleared when they are the most: so every step is short, whatever moves.
struct RecencyQueue<Key> {
    private var places: [(key: Key, stamp: UInt64)] = []
    private var head = 0

    mutating func append(_ key: Key, _ stamp: UInt64) {
        places.append((key, stamp))
    }

    /// The first key that stands where it was last appended.
    mutating func first(where isCurrent: (Key, UInt64) -> Bool) -> Key? {
        while head < places.count {
            let place = places[head]
            if isCurrent(place.key, place.stamp) { return place.key }
            head += 1
        }
        return nil
    }

    /// Clears old places where they outnumber the live.
    mutating func tidy(live: Int, _ isCurrent: (Key, UInt64) -> Bool) {
        guard places.count > 2 * live + 32 else { return }
        places = places[head...].filter { isCurrent($0.key, $0.stamp) }
        head = 0
    }
}
