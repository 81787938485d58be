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

    private struct Group {
        var slots = 0
        /// Oldest first; the youngest is used first, so that what is not needed gets old.
        var idle: [Slot] = []
        /// First come first; ascending.
        var waiters: [Ticket] = []
    }

    private let limits: Limits
    private var slots: [Slot: (key: Key, state: State)] = [:]
    private var groups: [Key: Group] = [:]
    private var tickets: [Ticket: Key] = [:]
    private var lastNumber: UInt64 = 0

    /// An empty pool.
    init(_ limits: Limits) {
        self.limits = limits
    }

    /// Slots that exist, leased or idle.
    var slotCount: Int { slots.count }
    /// Slots that are idle.
    var idleCount: Int { groups.values.reduce(0) { $0 + $1.idle.count } }
    /// Those who wait.
    var waiterCount: Int { tickets.count }

    /// Asks for a connection to `key`.
    mutating func acquire(_ key: Key) -> Answer {
        if let (lease, closing) = lease(key) {
            return closing.map { .leaseClosing(lease, closing: $0) } ?? .lease(lease)
        }
        guard tickets.count < limits.waitersMax else { return .busy }
        let ticket = Ticket(number: nextNumber())
        tickets[ticket] = key
        groups[key, default: Group()].waiters.append(ticket)
        return .wait(ticket)
    }

    /// No longer waits.
    /// - Returns: false when the ticket was granted before: then there is a slot to release.
    mutating func abandon(_ ticket: Ticket) -> Bool {
        guard let key = tickets.removeValue(forKey: ticket) else { return false }
        change(key) { group in
            if let place = group.waiters.firstIndex(of: ticket) { group.waiters.remove(at: place) }
        }
        return true
    }

    /// Gives a leased slot back.
    /// - Parameter idleUntil: when the connection in it is to be closed if nobody has used it; nil when it is closed
    ///   already.
    mutating func release(_ slot: Slot, idleUntil: Instant?) -> [Order] {
        guard let (key, state) = slots[slot], case .leased = state else { preconditionFailure("a lease ends once") }
        if let idleUntil {
            slots[slot] = (key, .idle(until: idleUntil, stamp: nextNumber()))
            change(key) { $0.idle.append(slot) }
        } else {
            forget(slot, of: key)
        }
        return settle()
    }

    /// An idle connection has been closed from outside. Nothing happens when the slot is not idle.
    mutating func drop(_ slot: Slot) -> [Order] {
        guard let (key, state) = slots[slot], case .idle = state else { return [] }
        forget(slot, of: key)
        return settle()
    }

    /// The idle connections whose time is over; their slots are gone. Nobody can be waiting for these slots, so nobody
    /// is woken.
    mutating func expire(at now: Instant) -> [Slot] {
        let expired = slots.compactMap { slot, entry -> Slot? in
            if case .idle(let until, _) = entry.state, until <= now { return slot }
            return nil
        }
        for slot in expired { if let key = slots[slot]?.key { forget(slot, of: key) } }
        return expired
    }

    /// When `expire` will next have something to give.
    var nextExpiry: Instant? {
        var next: Instant?
        for (_, state) in slots.values {
            if case .idle(let until, _) = state { next = min(next ?? until, until) }
        }
        return next
    }

    // MARK: Helpers

    /// A slot for `key`, if it can have one now.
    private mutating func lease(_ key: Key) -> (Lease, closing: Slot?)? {
        if let slot = groups[key]?.idle.last {
            change(key) { $0.idle.removeLast() }
            slots[slot] = (key, .leased)
            return (.reuse(slot), nil)
        }
        guard groups[key]?.slots ?? 0 < limits.slotsPerKeyMax else { return nil }
        var closing: Slot?
        if slots.count >= limits.slotsMax {
            guard let (slot, owner) = oldestIdle() else { return nil }
            forget(slot, of: owner)
            closing = slot
        }
        let slot = Slot(number: nextNumber())
        slots[slot] = (key, .leased)
        change(key) { $0.slots += 1 }
        return (.open(slot), closing)
    }

    /// Serves those who can be served, first come first.
    private mutating func settle() -> [Order] {
        var orders: [Order] = []
        while let (ticket, key) = firstServable(), let (lease, closing) = lease(key) {
            tickets[ticket] = nil
            change(key) { $0.waiters.removeFirst() }
            if let closing { orders.append(.close(closing)) }
            orders.append(.grant(ticket, lease))
        }
        return orders
    }

    private func firstServable() -> (Ticket, Key)? {
        guard !tickets.isEmpty else { return nil }
        let mayOpen = slots.count < limits.slotsMax || groups.values.contains { !$0.idle.isEmpty }
        var first: (ticket: Ticket, key: Key)?
        for (key, group) in groups {
            guard let ticket = group.waiters.first, first.map({ ticket.number < $0.ticket.number }) ?? true,
                !group.idle.isEmpty || (mayOpen && group.slots < limits.slotsPerKeyMax)
            else { continue }
            first = (ticket, key)
        }
        return first
    }

    private func oldestIdle() -> (Slot, Key)? {
        var oldest: (slot: Slot, key: Key, stamp: UInt64)?
        for (key, group) in groups {
            guard let slot = group.idle.first, case .idle(_, let stamp)? = slots[slot]?.state,
                oldest.map({ stamp < $0.stamp }) ?? true
            else { continue }
            oldest = (slot, key, stamp)
        }
        return oldest.map { ($0.slot, $0.key) }
    }

    private mutating func forget(_ slot: Slot, of key: Key) {
        slots[slot] = nil
        change(key) { group in
            group.slots -= 1
            if let place = group.idle.firstIndex(of: slot) { group.idle.remove(at: place) }
        }
    }

    /// Changes a group; one without slots and waiters leaves no trace.
    private mutating func change(_ key: Key, _ body: (inout Group) -> Void) {
        if !Self.change(&groups[key, default: Group()], body) { groups[key] = nil }
    }

    /// Changes a group in its place. True if it is still needed.
    private static func change(_ group: inout Group, _ body: (inout Group) -> Void) -> Bool {
        body(&group)
        return group.slots > 0 || !group.waiters.isEmpty
    }

    private mutating func nextNumber() -> UInt64 {
        lastNumber += 1
        return lastNumber
    }
}
