// SPDX-License-Identifier: Apache-2.0

import Bytes
package import EventLoop
import Platform
import TLS

/// A client for HTTP/1.1 with a pool of connections. Each loop has one of its own, and it is used on that loop only.
///
/// Close it: until then its connections and it hold each other. It never follows a redirect, and connects to no address but
/// one that the request's policy allowed.
package final class HTTPClient: @unchecked Sendable {
    typealias Pool = ConnectionPool<ConnectionKey>
    typealias Slot = Pool.Slot

    /// The loop it lives on.
    package let loop: EventLoop
    let limits: HTTPClientLimits
    let connector: Connector

    private var pool: Pool
    /// The connections of idle slots, by the slots' places.
    private var resting: [Transport?] = []
    private var waiting: [Pool.Ticket: OneShot<Result<Pool.Lease, ClientFailure>>] = [:]
    private var expiry: Timer?
    /// When the timer is due; the end of time while it is not scheduled.
    private var expiryDue = Instant(nanoseconds: .max)
    private let heads = RequestHeads()
    private var isClosed = false

    /// Makes the client of `loop`. Any thread.
    package init(on loop: EventLoop, resolver: any NameResolver, limits: HTTPClientLimits = HTTPClientLimits()) {
        self.loop = loop
        self.limits = limits
        connector = Connector(loop: loop, resolver: resolver)
        pool = Pool(
            .init(
                slotsPerKeyMax: limits.connectionsPerOriginMax, slotsMax: limits.connectionsMax,
                waitersMax: limits.waitersMax))
    }

    /// Sends a request and waits for the head of its answer. The answer's status is the caller's business: only what is
    /// no answer is thrown.
    ///
    /// When `cancellation` fires, in whatever phase, the connection is broken off within the call, and who waits here or
    /// for a piece of the body gets `.cancelled`. A request may be sent twice in the one case `ClientExchange` explains.
    package func send(
        _ request: consuming ClientRequest, cancellation: consuming Cancellation? = nil
    ) async throws(ClientFailure) -> ClientResponse {
        loop.checkThread()
        guard !isClosed else { throw .cancelled }
        let exchange = ClientExchange(request, on: self)
        return ClientResponse(try await exchange.begin(cancellation), exchange)
    }

    /// Closes idle connections now and the others as soon as their answers are over; sends no more.
    package func close() {
        loop.checkThread()
        isClosed = true
        for slot in pool.expire(at: Instant(nanoseconds: .max)) { retire(slot) }
        expiry.take()?.cancel()
        expiryDue = Instant(nanoseconds: .max)
    }

    /// Connections in use or idle.
    package var connections: Int { pool.slotCount }
    /// Connections that are idle.
    package var idleConnections: Int { pool.idleCount }
    /// Requests that wait for a connection.
    package var waiters: Int { pool.waiterCount }
}

// For exchanges.
extension HTTPClient {
    /// False if the request cannot be sent.
    func open(_ request: borrowing ClientRequest) -> Bool { heads.open(request) }

    /// Writes a request where nobody has to wait.
    /// - Returns: nil where it is written; otherwise what `write` is to be given.
    func sendNow(
        _ request: borrowing ClientRequest, on transport: Transport
    ) throws(IOFailure) -> (first: [UInt8], second: [UInt8])? {
        // Another request may have been opened meanwhile.
        _ = heads.open(request)
        guard request.body.count <= TLSLimits.recordBytes - heads.bytesMax(of: request) else {
            return (heads.head(of: request), request.body)
        }
        let unwritten = try transport.writeNow { output in
            heads.append(request, to: &output)
            output.append(request.body.span)
        }
        return unwritten.map { ($0, []) }
    }

    /// A slot, where nobody has to wait for it.
    func leaseNow(for request: borrowing ClientRequest) throws(ClientFailure) -> Acquisition {
        if let slot = pool.acquireAgain(where: { request.isFor($0) }) { return .lease(.reuse(slot)) }
        switch pool.acquire(request.key) {
        case .lease(let lease): return .lease(lease)
        case .leaseClosing(let lease, let closing):
            retire(closing)
            return .lease(lease)
        case .busy: throw .busy
        case .wait(let ticket): return .wait(ticket)
        }
    }

    /// What a request for a slot comes to.
    enum Acquisition {
        case lease(Pool.Lease)
        /// To be waited for.
        case wait(Pool.Ticket)
    }

    /// Waits for a slot.
    func wait(
        for ticket: Pool.Ticket, until deadline: Instant, stop: Cancellation
    ) async throws(ClientFailure) -> Pool.Lease {
        let turn = OneShot<Result<Pool.Lease, ClientFailure>>(on: loop)
        waiting[ticket] = turn
        // Whoever was granted a slot in this moment takes it, and gives it back himself.
        let leave = { (reason: ClientFailure) in
            guard self.pool.abandon(ticket) else { return }
            self.waiting[ticket] = nil
            turn.fulfil(.failure(reason))
        }
        let timer = loop.schedule(after: deadline - loop.now) { leave(.timedOut(.connect)) }
        let token = stop.onFire { leave(.cancelled) }
        defer {
            timer.cancel()
            stop.remove(token)
        }
        return try await turn.value().get()
    }

    /// The idle connection of a slot that was leased for reuse; nil when it has ended meanwhile, or says something that
    /// nobody has asked for.
    func take(_ slot: Slot) -> Transport? {
        guard let transport = removeResting(slot) else { return nil }
        guard transport.isQuiet else {
            transport.abort()
            return nil
        }
        return transport
    }

    /// Takes back a slot whose connection is closed.
    func release(_ slot: Slot) {
        follow(pool.release(slot, idleUntil: nil))
    }

    /// Takes back a slot with a connection that is open and at rest.
    func release(_ slot: Slot, keeping transport: consuming Transport, for idleTimeout: Duration) {
        guard !isClosed else {
            retire(transport)
            release(slot)
            return
        }
        let until = loop.now + idleTimeout
        while resting.count <= slot.place { resting.append(nil) }
        transport.deadline = nil
        follow(pool.release(slot, idleUntil: until))
        // Once for the connection: while it is in use, its end is seen by whoever reads, and this does nothing.
        // Not by a weak reference: an object that has one is counted beside itself, which each request would pay for.
        if !transport.watchesPeer { transport.onPeerClosed = { _ in self.discard(slot) } }
        resting[slot.place] = consume transport
        if until < expiryDue { expire(at: until) }
    }

    private func expire(at time: Instant) {
        let timer = expiry ?? loop.makeTimer { self.expire() }
        expiry = timer
        expiryDue = time
        timer.reschedule(at: time)
    }
}

extension ConnectionPool.Lease {
    var slot: ConnectionPool.Slot {
        switch self {
        case .reuse(let slot), .open(let slot): slot
        }
    }
}

// The pool's orders.
extension HTTPClient {
    private func follow(_ orders: [Pool.Order]) {
        for order in orders {
            switch order {
            case .close(let slot): retire(slot)
            case .grant(let ticket, let lease): waiting.removeValue(forKey: ticket)?.fulfil(.success(lease))
            }
        }
    }

    /// The other side has closed an idle connection.
    private func discard(_ slot: Slot) {
        guard pool.isIdle(slot) else { return }
        removeResting(slot)?.abort()
        follow(pool.drop(slot))
    }

    private func removeResting(_ slot: Slot) -> Transport? {
        slot.place < resting.count ? resting[slot.place].take() : nil
    }

    private func expire() {
        expiryDue = Instant(nanoseconds: .max)
        for slot in pool.expire(at: loop.now) { retire(slot) }
        if let next = pool.nextExpiry { expire(at: next) }
    }

    private func retire(_ slot: Slot) {
        if let transport = removeResting(slot) { retire(transport) }
    }

    /// Closes a connection in good order, beside whatever is going on.
    private func retire(_ transport: Transport) {
        loop.spawn { await transport.close() }
    }
}
