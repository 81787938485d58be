// SPDX-License-Identifier: Apache-2.0

import Platform

/// Which connections there are, who may use them, and who waits for one: the bookkeeping alone, without sockets, tasks
/// or a clock.
///
/// What is counted are slots: the right to have one connection to one key. A slot is leased to one request, or idle,
/// holding a connection that is open and at rest. Closing a connection and opening another inside a slot is the
/// lessee's own affair, so a retry on a fresh connection never has to queue again.
///
/// Between two calls nobody waits who could be served: whoever waits has all slots of its key leased, or finds all slots
/// there are leased.
struct ConnectionPool<Key: Hashable> {
    /// How many of each.
    struct Limits: Equatable {
        /// Slots of one key.
        var slotsPerKeyMax: Int
        /// Slots of all keys together.
        var slotsMax: Int
        /// Requests that wait, for all keys together.
        var waitersMax: Int
    }

    /// Names a slot, for as long as it exists. Never used twice.
    struct Slot: Hashable {
        fileprivate let number: UInt64
        /// Its place among the slots that exist at one time, below `slotsMax`.
        let place: Int

        static func == (left: Slot, right: Slot) -> Bool { left.number == right.number }
        func hash(into hasher: inout Hasher) { hasher.combine(number) }
    }

    /// Names somebody who waits. Later ones are larger.
    struct Ticket: Hashable {
        fileprivate let number: UInt64
    }

    /// A slot for one request, until `release`.
    enum Lease: Equatable {
        /// It holds a connection.
        case reuse(Slot)
        /// It is empty: open a connection.
        case open(Slot)
    }

    /// The answer to somebody who wants a connection.
    enum Answer: Equatable {
        case lease(Lease)
        /// As above; first close the idle connection of `closing`, whose slot is gone.
        case leaseClosing(Lease, closing: Slot)
        case wait(Ticket)
        /// Too many wait already.
        case busy
    }

    /// What is to be done, in this order, after a slot has become free.
    enum Order: Equatable {
        /// Close the idle connection of a slot that is gone.
        case close(Slot)
        /// Wake somebody who waits.
        case grant(Ticket, Lease)
    }

    private enum State {
        case leased
        /// `stamp` orders slots by when they became idle.
        case idle(until: Instant, stamp: UInt64)
    }

    /// A slot that exists.
    private struct Entry {
        let slot: Slot
        let group: Int
        var state: State
    }

    /// What there is for one key.
    private struct Group {
        let key: Key
        var slots = 0
        /// Oldest first; the youngest is used first, so that what is not needed gets old.
        var idle: [Slot] = []
        /// First come first; ascending.
        var waiters: [Ticket] = []

        func isFor(_ other: Key) -> Bool { key == other }
        func isFor(_ isSame: (borrowing Key) -> Bool) -> Bool { isSame(key) }
    }

    private let limits: Limits
    /// By place. A request of a key that was asked for before reads and writes arrays, and hashes nothing.
    private var slots: [Entry?] = []
    private var freePlaces: [Int] = []
    private var groups: [Group?] = []
    private var freeGroups: [Int] = []
    private var groupOfKey: [Key: Int] = [:]
    /// The group that was asked for last, which is mostly the next one too.
    private var lastGroup = 0
    private var tickets: [Ticket: Int] = [:]
    private var lastNumber: UInt64 = 0

    /// An empty pool.
    init(_ limits: Limits) {
        self.limits = limits
    }

    /// Slots that exist, leased or idle.
    var slotCount: Int { slots.count - freePlaces.count }
    /// Slots that are idle.
    var idleCount: Int { groups.reduce(0) { $0 + ($1?.idle.count ?? 0) } }
    /// Those who wait.
    var waiterCount: Int { tickets.count }

    /// True for a slot that exists and is idle.
    func isIdle(_ slot: Slot) -> Bool {
        if case .idle? = entry(slot)?.state { return true }
        return false
    }

    /// Asks for an idle connection of the key that was asked for last, which is mostly the one that is wanted again: then it
    /// need not be made.
    /// - Returns: nil where `acquire` has to be asked.
    mutating func acquireAgain(where isSame: (borrowing Key) -> Bool) -> Slot? {
        guard lastGroup < groups.count, groups[lastGroup]?.isFor(isSame) == true,
            let slot = groups[lastGroup]?.idle.popLast()
        else { return nil }
        slots[slot.place]?.state = .leased
        return slot
    }

    /// Asks for a connection to `key`.
    mutating func acquire(_ key: Key) -> Answer {
        let group = group(for: key)
        if let (lease, closing) = lease(group) {
            return closing.map { .leaseClosing(lease, closing: $0) } ?? .lease(lease)
        }
        guard tickets.count < limits.waitersMax else {
            forgetIfUnused(group)
            return .busy
        }
        let ticket = Ticket(number: nextNumber())
        tickets[ticket] = group
        groups[group]?.waiters.append(ticket)
        return .wait(ticket)
    }

    /// No longer waits.
    /// - Returns: false when the ticket was granted before: then there is a slot to release.
    mutating func abandon(_ ticket: Ticket) -> Bool {
        guard let group = tickets.removeValue(forKey: ticket) else { return false }
        if let place = groups[group]?.waiters.firstIndex(of: ticket) { groups[group]?.waiters.remove(at: place) }
        forgetIfUnused(group)
        return true
    }

    /// Gives a leased slot back.
    /// - Parameter idleUntil: when the connection in it is to be closed if nobody has used it; nil when it is closed
    ///   already.
    mutating func release(_ slot: Slot, idleUntil: Instant?) -> [Order] {
        guard let entry = entry(slot), case .leased = entry.state else { preconditionFailure("a lease ends once") }
        if let idleUntil {
            let stamp = nextNumber()
            slots[slot.place]?.state = .idle(until: idleUntil, stamp: stamp)
            groups[entry.group]?.idle.append(slot)
        } else {
            forget(entry)
        }
        return settle()
    }

    /// An idle connection has been closed from outside. Nothing happens when the slot is not idle.
    mutating func drop(_ slot: Slot) -> [Order] {
        guard let entry = entry(slot), case .idle = entry.state else { return [] }
        forget(entry)
        return settle()
    }

    /// The idle connections whose time is over; their slots are gone. Nobody can be waiting for these slots, so nobody
    /// is woken.
    mutating func expire(at now: Instant) -> [Slot] {
        let expired = slots.compactMap { entry -> Entry? in
            if let entry, case .idle(let until, _) = entry.state, until <= now { return entry }
            return nil
        }
        for entry in expired { forget(entry) }
        return expired.map(\.slot)
    }

    /// When `expire` will next have something to give.
    var nextExpiry: Instant? {
        var next: Instant?
        for entry in slots {
            if case .idle(let until, _)? = entry?.state { next = min(next ?? until, until) }
        }
        return next
    }

    // MARK: Helpers

    private func entry(_ slot: Slot) -> Entry? {
        guard slot.place < slots.count, let entry = slots[slot.place], entry.slot == slot else { return nil }
        return entry
    }

    /// The group of a key, made if there is none.
    private mutating func group(for key: Key) -> Int {
        if lastGroup < groups.count, groups[lastGroup]?.isFor(key) == true { return lastGroup }
        if let group = groupOfKey[key] {
            lastGroup = group
            return group
        }
        let group = freeGroups.popLast() ?? groups.count
        if group == groups.count { groups.append(nil) }
        groups[group] = Group(key: key)
        groupOfKey[key] = group
        lastGroup = group
        return group
    }

    /// A group without slots and waiters leaves no trace.
    private mutating func forgetIfUnused(_ group: Int) {
        guard let unused = groups[group], unused.slots == 0, unused.waiters.isEmpty else { return }
        groupOfKey[unused.key] = nil
        groups[group] = nil
        freeGroups.append(group)
    }

    /// A slot for a group, if it can have one now.
    private mutating func lease(_ group: Int) -> (Lease, closing: Slot?)? {
        if let slot = groups[group]?.idle.popLast() {
            slots[slot.place]?.state = .leased
            return (.reuse(slot), nil)
        }
        guard groups[group]?.slots ?? 0 < limits.slotsPerKeyMax else { return nil }
        var closing: Slot?
        if slotCount >= limits.slotsMax {
            guard let oldest = oldestIdle() else { return nil }
            // Counted first, so that a group which gives a slot to itself does not seem unused in between.
            groups[group]?.slots += 1
            forget(oldest)
            closing = oldest.slot
        } else {
            groups[group]?.slots += 1
        }
        let place = freePlaces.popLast() ?? slots.count
        if place == slots.count { slots.append(nil) }
        let slot = Slot(number: nextNumber(), place: place)
        slots[place] = Entry(slot: slot, group: group, state: .leased)
        return (.open(slot), closing)
    }

    /// Serves those who can be served, first come first.
    private mutating func settle() -> [Order] {
        guard !tickets.isEmpty else { return [] }
        var orders: [Order] = []
        while let (ticket, group) = firstServable(), let (lease, closing) = lease(group) {
            tickets[ticket] = nil
            groups[group]?.waiters.removeFirst()
            if let closing { orders.append(.close(closing)) }
            orders.append(.grant(ticket, lease))
        }
        return orders
    }

    private func firstServable() -> (Ticket, Int)? {
        guard !tickets.isEmpty else { return nil }
        let mayOpen = slotCount < limits.slotsMax || groups.contains { $0?.idle.isEmpty == false }
        var first: (ticket: Ticket, group: Int)?
        for (index, group) in groups.enumerated() {
            guard let group, let ticket = group.waiters.first,
                first.map({ ticket.number < $0.ticket.number }) ?? true,
                !group.idle.isEmpty || (mayOpen && group.slots < limits.slotsPerKeyMax)
            else { continue }
            first = (ticket, index)
        }
        return first
    }

    private func oldestIdle() -> Entry? {
        var oldest: (entry: Entry, stamp: UInt64)?
        for case let group? in groups {
            guard let slot = group.idle.first, let entry = slots[slot.place], case .idle(_, let stamp) = entry.state,
                oldest.map({ stamp < $0.stamp }) ?? true
            else { continue }
            oldest = (entry, stamp)
        }
        return oldest?.entry
    }

    private mutating func forget(_ entry: Entry) {
        slots[entry.slot.place] = nil
        freePlaces.append(entry.slot.place)
        groups[entry.group]?.slots -= 1
        if let place = groups[entry.group]?.idle.firstIndex(of: entry.slot) {
            groups[entry.group]?.idle.remove(at: place)
        }
        forgetIfUnused(entry.group)
    }

    private mutating func nextNumber() -> UInt64 {
        lastNumber += 1
        return lastNumber
    }
}
