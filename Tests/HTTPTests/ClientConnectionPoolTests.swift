// SPDX-License-Identifier: Apache-2.0

import Platform
import Support
import Testing

@testable import HTTP

private typealias Pool = ConnectionPool<String>

/// A pool that can be asked inside `#expect`.
private final class Held {
    private var pool: Pool

    init(_ limits: Pool.Limits) { pool = Pool(limits) }

    var slotCount: Int { pool.slotCount }
    var idleCount: Int { pool.idleCount }
    var waiterCount: Int { pool.waiterCount }
    var nextExpiry: Instant? { pool.nextExpiry }

    func acquire(_ key: String) -> Pool.Answer { pool.acquire(key) }
    func abandon(_ ticket: Pool.Ticket) -> Bool { pool.abandon(ticket) }
    func release(_ slot: Pool.Slot, idleUntil: Instant?) -> [Pool.Order] { pool.release(slot, idleUntil: idleUntil) }
    func drop(_ slot: Pool.Slot) -> [Pool.Order] { pool.drop(slot) }
    func expire(at now: Instant) -> [Pool.Slot] { pool.expire(at: now) }
}

@Suite struct ClientConnectionPoolTests {
    private func pool(perKey: Int = 2, all: Int = 3, waiters: Int = 2) -> Held {
        Held(.init(slotsPerKeyMax: perKey, slotsMax: all, waitersMax: waiters))
    }

    private func at(_ seconds: UInt64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    private func open(_ answer: Pool.Answer) throws -> Pool.Slot {
        guard case .lease(.open(let slot)) = answer else { throw Unexpected(what: "\(answer)") }
        return slot
    }

    private func ticket(_ answer: Pool.Answer) throws -> Pool.Ticket {
        guard case .wait(let ticket) = answer else { throw Unexpected(what: "\(answer)") }
        return ticket
    }

    private struct Unexpected: Error { let what: String }

    @Test func `uses again what has come back, the youngest first`() throws {
        let pool = pool()
        let first = try open(pool.acquire("a"))
        let second = try open(pool.acquire("a"))
        #expect(pool.release(first, idleUntil: at(1)) == [])
        #expect(pool.release(second, idleUntil: at(2)) == [])
        #expect(pool.acquire("a") == .lease(.reuse(second)))
        #expect(pool.acquire("a") == .lease(.reuse(first)))
    }

    @Test func `gives no connection to another key`() throws {
        let pool = pool()
        let slot = try open(pool.acquire("a"))
        _ = pool.release(slot, idleUntil: at(1))
        #expect(try open(pool.acquire("b")) != slot)
    }

    @Test func `lets wait beyond the most of a key, and refuses beyond the most that wait`() throws {
        let pool = pool()
        _ = try open(pool.acquire("a"))
        _ = try open(pool.acquire("a"))
        _ = try ticket(pool.acquire("a"))
        _ = try ticket(pool.acquire("a"))
        #expect(pool.acquire("a") == .busy)
        // Another key can still be served.
        _ = try open(pool.acquire("b"))
        #expect(pool.acquire("b") == .busy)
    }

    @Test func `hands an open connection to who waits for it, first come first`() throws {
        let pool = pool(perKey: 1)
        let slot = try open(pool.acquire("a"))
        let first = try ticket(pool.acquire("a"))
        let second = try ticket(pool.acquire("a"))
        #expect(pool.release(slot, idleUntil: at(1)) == [.grant(first, .reuse(slot))])
        guard case .grant(second, .open(let fresh))? = pool.release(slot, idleUntil: nil).first else {
            Issue.record("nobody was woken")
            return
        }
        #expect(fresh != slot)
    }

    @Test func `closes the oldest idle connection when all are taken`() throws {
        let pool = pool()
        let old = try open(pool.acquire("a"))
        let young = try open(pool.acquire("b"))
        let busy = try open(pool.acquire("c"))
        _ = pool.release(old, idleUntil: at(9))
        _ = pool.release(young, idleUntil: at(1))
        guard case .leaseClosing(.open, closing: old) = pool.acquire("d") else {
            Issue.record("nothing was closed")
            return
        }
        #expect(pool.acquire("b") == .lease(.reuse(young)))
        _ = try ticket(pool.acquire("a"))
        #expect(pool.release(busy, idleUntil: nil).count == 1)
    }

    @Test func `closes what comes back when another key waits for room`() throws {
        let pool = pool()
        let slot = try open(pool.acquire("a"))
        _ = try open(pool.acquire("b"))
        _ = try open(pool.acquire("b"))
        let waiting = try ticket(pool.acquire("c"))
        let orders = pool.release(slot, idleUntil: at(1))
        guard orders.count == 2, orders[0] == .close(slot), case .grant(waiting, .open) = orders[1] else {
            Issue.record("\(orders)")
            return
        }
    }

    @Test func `one who gave up is not woken`() throws {
        let pool = pool(perKey: 1)
        let slot = try open(pool.acquire("a"))
        let first = try ticket(pool.acquire("a"))
        let second = try ticket(pool.acquire("a"))
        #expect(pool.abandon(first))
        #expect(!pool.abandon(first))
        #expect(pool.release(slot, idleUntil: at(1)) == [.grant(second, .reuse(slot))])
        // Granted already: its slot must be given back.
        #expect(!pool.abandon(second))
    }

    @Test func `expires what is idle for too long`() throws {
        let pool = pool()
        let first = try open(pool.acquire("a"))
        let second = try open(pool.acquire("b"))
        let third = try open(pool.acquire("b"))
        _ = pool.release(first, idleUntil: at(3))
        _ = pool.release(second, idleUntil: at(2))
        #expect(pool.nextExpiry == at(2))
        #expect(pool.expire(at: at(1)) == [])
        #expect(pool.expire(at: at(2)) == [second])
        #expect(pool.nextExpiry == at(3))
        #expect(pool.expire(at: at(9)) == [first])
        #expect(pool.nextExpiry == nil)
        #expect(pool.slotCount == 1)
        #expect(pool.release(third, idleUntil: nil) == [])
        #expect(pool.slotCount == 0)
    }

    @Test func `an idle connection that ended leaves its slot`() throws {
        let pool = pool(perKey: 1, all: 1)
        let slot = try open(pool.acquire("a"))
        #expect(pool.drop(slot) == [])
        #expect(pool.slotCount == 1)
        _ = pool.release(slot, idleUntil: at(1))
        #expect(pool.drop(slot) == [])
        #expect(pool.drop(slot) == [])
        #expect(pool.slotCount == 0)
        _ = try open(pool.acquire("a"))
    }

    /// Random events against a model that only counts.
    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64]) func `never leaves anybody waiting who could be served`(
        seed: UInt64
    ) {
        var random = SeededGenerator(SeededGenerator.seed &+ seed)
        let limits = Pool.Limits(slotsPerKeyMax: 3, slotsMax: 5, waitersMax: 6)
        let pool = Held(limits)
        var leased: [(slot: Pool.Slot, key: String)] = []
        var idle: [Pool.Slot: String] = [:]
        var waiting: [(ticket: Pool.Ticket, key: String)] = []

        func take(_ lease: Pool.Lease, _ key: String) {
            switch lease {
            case .reuse(let slot):
                #expect(idle.removeValue(forKey: slot) == key)
                leased.append((slot, key))
            case .open(let slot): leased.append((slot, key))
            }
        }
        func follow(_ orders: [Pool.Order]) {
            for order in orders {
                switch order {
                case .close(let slot): #expect(idle.removeValue(forKey: slot) != nil)
                case .grant(let ticket, let lease):
                    guard let place = waiting.firstIndex(where: { $0.ticket == ticket }) else {
                        Issue.record("woke somebody who does not wait")
                        return
                    }
                    take(lease, waiting.remove(at: place).key)
                }
            }
        }
        for step in 0..<3_000 {
            switch random.next() % 8 {
            case 0...3:
                let key = ["a", "b", "c", "d"][Int(random.next() % 4)]
                switch pool.acquire(key) {
                case .lease(let lease): take(lease, key)
                case .leaseClosing(let lease, let closing):
                    #expect(idle.removeValue(forKey: closing) != nil)
                    take(lease, key)
                case .wait(let ticket): waiting.append((ticket, key))
                case .busy: #expect(waiting.count == limits.waitersMax)
                }
            case 4, 5:
                guard !leased.isEmpty else { continue }
                let (slot, key) = leased.remove(at: Int(random.next() % UInt64(leased.count)))
                let keeps = random.next() % 3 > 0
                if keeps { idle[slot] = key }
                follow(pool.release(slot, idleUntil: keeps ? at(UInt64(step) + random.next() % 50) : nil))
            case 6:
                guard !waiting.isEmpty else { continue }
                let place = Int(random.next() % UInt64(waiting.count))
                #expect(pool.abandon(waiting.remove(at: place).ticket))
            default:
                if random.next() % 2 == 0, let slot = idle.keys.first {
                    idle[slot] = nil
                    follow(pool.drop(slot))
                } else {
                    for slot in pool.expire(at: at(UInt64(step))) { #expect(idle.removeValue(forKey: slot) != nil) }
                }
            }
            #expect(pool.slotCount == leased.count + idle.count && pool.slotCount <= limits.slotsMax)
            #expect(pool.idleCount == idle.count && pool.waiterCount == waiting.count)
            for (_, key) in waiting {
                let own = leased.count { $0.key == key } + idle.values.count { $0 == key }
                let couldOpen = own < limits.slotsPerKeyMax && (pool.slotCount < limits.slotsMax || !idle.isEmpty)
                #expect(
                    !couldOpen && !idle.values.contains(key), "seed \(SeededGenerator.seed), run \(seed), step \(step)")
            }
        }
    }
}
