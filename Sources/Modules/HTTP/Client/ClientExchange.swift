// SPDX-License-Identifier: Apache-2.0
//
// One request and its answer, from the wish for a connection until that connection is given back.
//
//     acquire a slot ─▶ (resolve ─▶ connect) ─▶ send ─┬─▶ read head ─▶ read body ─▶ conclude
//                    reuse an idle connection ────────┘                │
//     cancelled, time is over, dropped, broken: fail ◀── at any point ─┘
//
// There is one way out for every failure, `fail`: it notes the reason, aborts whatever is waited for, and gives the slot
// back, all within the call. Whoever was waiting is resumed and finds the reason.
//
// When a request is sent twice. A server may close an idle connection at the moment at which we send a request on it
// (RFC 9112 §9.3.1, §9.6). It is sent again, once, on a fresh connection, if all of this holds:
//
//   * the connection had been idle, so the close can have been meant for the idle connection;
//   * not a byte of an answer has come;
//   * the method is idempotent (RFC 9110 §9.2.2), or the request cannot have been processed: it had not left completely,
//     or the close came within `staleWindow` of its first byte. A server that closed before it read the request is heard
//     of within about one round trip; one that took the request, worked and died is mostly heard of later, and asking it
//     twice for what costs money would be worse than a failure.

import Bytes
import EventLoop
import Platform
import TLS

/// One request under way. Used on its loop only, but for `abandon`.
final class ClientExchange: @unchecked Sendable {
    private let client: HTTPClient
    private let loop: EventLoop
    private let request: ClientRequest
    private let key: ConnectionKey
    /// The head of the request as it is sent.
    private var headBytes: [UInt8] = []

    /// Wakes whoever waits for a slot, a name or a connection; nil while nobody had to.
    private var stop: Cancellation?
    private var callersCancellation: (cancellation: Cancellation, token: Cancellation.Token)?
    /// The end of the time for the whole. Every wait ends at it at the latest, and nothing is given out behind it.
    private let totalDeadline: Instant
    /// Ends an answer of which nobody reads what is still to come. One that has come in whole needs none.
    private var totalTimer: Timer?

    private var slot: HTTPClient.Slot?
    private var transport: Transport?
    private var sender: RequestSender?
    private var reader: ResponseReader
    private var head: ResponseHead?

    /// The first reason to give up.
    private var failure: ClientFailure?
    /// True once the slot is given back and nothing can happen any more.
    private var hasEnded = false

    init(_ request: consuming ClientRequest, on client: HTTPClient) {
        self.client = client
        loop = client.loop
        key = request.key
        totalDeadline = client.loop.now + request.limits.total
        reader = ResponseReader(
            answering: request.method, client.limits.head, bodyBytesMax: request.limits.bodyBytesMax)
        self.request = request
    }

    /// Does everything up to the head of the answer.
    func begin(_ cancellation: Cancellation?) async throws(ClientFailure) -> ResponseHead {
        guard let bytes = client.head(of: request) else { throw .unsendable }
        headBytes = bytes
        guard !key.origin.isSecure || key.tls != nil else { throw .tls("no context for an https origin") }
        guard cancellation?.isFired != true else { throw .cancelled }
        watch(cancellation)
        do throws(ClientFailure) {
            let head = try await answer()
            self.head = head
            if head.status.code >= 400 { sender?.cease() }
            if reader.isAtEnd { conclude() } else if !reader.hasAll { scheduleEnd() }
            return head
        } catch {
            fail(error)
            throw failure ?? error
        }
    }

    /// The next piece of the body; nil at its end.
    func nextData() async throws(ClientFailure) -> [UInt8]? {
        loop.checkThread()
        if let failure { throw failure }
        do throws(ClientFailure) {
            guard hasEnded || loop.now < totalDeadline else { throw .timedOut(.total) }
            while true {
                let data = try reader.nextData()
                if reader.isAtEnd { conclude() }
                if data != nil || reader.isAtEnd { return data }
                try await read(.idle, until: loop.now + request.limits.idle)
            }
        } catch {
            fail(error)
            throw failure ?? error
        }
    }

    /// Gives up, whatever is going on. Nothing happens at the end of an answer, or the second time.
    func fail(_ reason: ClientFailure) {
        loop.checkThread()
        guard !hasEnded else { return }
        failure = reason
        end(keeping: nil)
    }

    /// `fail`, from any thread.
    func abandon() {
        if loop.isCurrent { fail(.cancelled) } else { loop.post { self.fail(.cancelled) } }
    }
}

// A connection.
extension ClientExchange {
    private func watch(_ cancellation: Cancellation?) {
        if let cancellation {
            callersCancellation = (cancellation, cancellation.onFire { self.fail(.cancelled) })
        }
    }

    private func scheduleEnd() {
        let timer = loop.makeTimer { self.fail(.timedOut(.total)) }
        timer.reschedule(at: totalDeadline)
        totalTimer = timer
    }

    /// What wakes whoever waits for a slot, a name or a connection.
    private func stopper() -> Cancellation {
        if let stop { return stop }
        let stop = Cancellation(on: loop)
        self.stop = stop
        return stop
    }

    private func connectDeadline() -> Instant { min(loop.now + request.limits.connect, totalDeadline) }

    /// The limit that is over: the one of a phase, or the one of the whole.
    private func timedOut(_ phase: ClientFailure.Phase) -> ClientFailure {
        .timedOut(loop.now < totalDeadline ? phase : .total)
    }

    private func answer() async throws(ClientFailure) -> ResponseHead {
        var deadline = connectDeadline()
        let lease = try await lease(before: deadline)
        try hold(lease.slot)
        if case .reuse(let slot) = lease, let idle = client.take(slot) {
            if let head = try await ask(idle, mayBeStale: true) { return head }
            transport = nil
            idle.abort()
            deadline = connectDeadline()
        }
        let fresh = try await connect(before: deadline)
        guard failure == nil else {
            fresh.abort()
            throw .cancelled
        }
        guard let head = try await ask(fresh, mayBeStale: false) else { throw .interrupted }
        return head
    }

    private func lease(before deadline: Instant) async throws(ClientFailure) -> HTTPClient.Pool.Lease {
        switch try client.leaseNow(key) {
        case .lease(let lease): return lease
        case .wait(let ticket):
            do throws(ClientFailure) {
                return try await client.wait(for: ticket, until: deadline, stop: stopper())
            } catch {
                throw error == .timedOut(.connect) ? timedOut(.connect) : error
            }
        }
    }

    private func connect(before deadline: Instant) async throws(ClientFailure) -> Transport {
        do throws(ClientFailure) {
            return try await client.connector.connect(key, deadline: deadline, stop: stopper())
        } catch {
            throw error == .timedOut(.connect) ? timedOut(.connect) : error
        }
    }

    /// Notes the slot, or gives it back where the exchange was given up meanwhile.
    private func hold(_ slot: HTTPClient.Slot) throws(ClientFailure) {
        guard failure == nil else {
            client.release(slot)
            throw .cancelled
        }
        self.slot = slot
    }

    /// Ends the exchange: nobody is woken for it any more, the slot is free, and the connection is kept or broken off.
    private func end(keeping idleTimeout: Duration?) {
        hasEnded = true
        // The timer's body holds this exchange: kept, it would hold itself for good.
        totalTimer.take()?.cancel()
        if let (cancellation, token) = callersCancellation { cancellation.remove(token) }
        callersCancellation = nil
        let transport = transport.take()
        if idleTimeout == nil { transport?.abort(.cancelled) }
        if let slot = slot.take() {
            if let transport, let idleTimeout {
                client.release(slot, keeping: transport, for: idleTimeout)
            } else {
                client.release(slot)
            }
        }
        stop?.fire()
    }

    /// The last byte of the answer has been taken.
    private func conclude() {
        guard !hasEnded else { return }
        let isReusable =
            head?.keepsAlive == true && reader.isClean && sender?.state == .done && transport?.isOpen == true
            && transport?.peerClosure == nil
        end(keeping: isReusable ? head?.fields.idleTimeout(atMost: client.limits.idleTimeout) : nil)
    }
}

// Sending and reading.
extension ClientExchange {
    /// Sends the request and reads the head of the answer.
    /// - Returns: nil when the connection turned out to have been closed while it was idle, and the request may be sent
    ///   again on another.
    private func ask(_ transport: Transport, mayBeStale: Bool) async throws(ClientFailure) -> ResponseHead? {
        self.transport = transport
        transport.readDeadline = nil
        let sender = RequestSender(transport, stall: request.limits.idle, until: totalDeadline)
        self.sender = sender
        let begun = loop.now
        let head = headBytes
        if sender.sendNow(head, request.body) {
            transport.readDeadline = answerDeadline
        } else if head.count + request.body.count <= HTTPMaxima.inlineRequestBytes {
            // It fits into an empty send buffer, so there is nothing to wait for.
            await send(head, by: sender)
        } else {
            loop.spawn { await self.send(head, by: sender) }
        }
        do throws(ClientFailure) {
            while true {
                if let head = try reader.nextHead() { return head }
                // Until the request has left, each slice of it has its own time; from then on the answer has.
                try await read(.firstByte, until: transport.readDeadline)
            }
        } catch {
            let canNotHaveBeenProcessed =
                sender.state != .done || loop.now - begun <= HTTPMaxima.staleWindow
            if mayBeStale, error == .interrupted, failure == nil, !reader.hasBegun,
                request.method.isIdempotent || canNotHaveBeenProcessed
            {
                return nil
            }
            throw error
        }
    }

    private func send(_ head: [UInt8], by sender: RequestSender) async {
        do throws(IOFailure) {
            try await sender.send(head, request.body)
        } catch {
            if error == .timedOut, self.sender === sender { fail(timedOut(.idle)) }
            // Otherwise reading shows what has become of the connection, and whether an answer was left there.
        }
        guard self.sender === sender, self.head == nil, !hasEnded else { return }
        transport?.readDeadline = answerDeadline
    }

    /// Until when the head of an answer to a request that has left just now is waited for.
    private var answerDeadline: Instant { min(loop.now + request.limits.firstByte, totalDeadline) }

    /// Reads once, into the reader.
    private func read(_ phase: ClientFailure.Phase, until deadline: Instant?) async throws(ClientFailure) {
        guard let transport else { throw failure ?? .interrupted }
        transport.readDeadline = deadline.map { min($0, totalDeadline) } ?? totalDeadline
        let bytes: [UInt8]
        do throws(IOFailure) {
            bytes = try await transport.read()
        } catch {
            if let failure { throw failure }
            switch error {
            case .timedOut: throw timedOut(phase)
            case .cancelled: throw .cancelled
            case .tls(let reason): throw .tls(reason)
            case .closed, .reset, .truncated, .system: throw .interrupted
            }
        }
        if let failure { throw failure }
        guard bytes.isEmpty else {
            reader.receive(bytes)
            return
        }
        // A reset that a write has reported is an end to the next read (SO_ERROR is told once), and no good one.
        guard sender?.state != .failed else { throw .interrupted }
        try reader.receiveEnd()
    }
}

extension Fields {
    /// How long a connection may be idle: less than the upstream says (`keep-alive: timeout=5`), so that it is not
    /// closed there just when it is used here. Nil: not at all.
    func idleTimeout(atMost most: Duration) -> Duration? {
        let prefix: StaticString = "timeout="
        let seconds: Int? =
            withValue(of: .keepAlive) { value in
                var seconds: Int?
                value.forEachListElement { range in
                    let element = value.extracting(range)
                    guard element.count > prefix.utf8CodeUnitCount,
                        element.extracting(0..<prefix.utf8CodeUnitCount).equalsIgnoringASCIICase(prefix)
                    else { return }
                    seconds = element.extracting(prefix.utf8CodeUnitCount..<element.count).decimal
                }
                return seconds
            } ?? nil
        guard let seconds else { return most }
        return seconds > 1 ? Swift.min(most, .seconds(Swift.min(seconds, 86_400) - 1)) : nil
    }
}
