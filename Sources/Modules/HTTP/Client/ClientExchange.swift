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
    /// How far the request has left.
    private enum Sending: Equatable {
        case underWay
        /// The connection has all of it.
        case done
        /// It ended before; what the upstream has is no whole request.
        case failed
    }

    private let client: HTTPClient
    private let loop: EventLoop
    private let request: ClientRequest

    /// Wakes whoever waits for a slot, a name or a connection; nil while nobody had to.
    private var stop: Cancellation?
    private var callersCancellation: (cancellation: Cancellation, token: Cancellation.Token)?
    /// The end of the time for the whole. Every wait ends at it at the latest, and nothing is given out behind it.
    private let totalDeadline: Instant
    /// Ends an answer of which nobody reads what is still to come. One that has come in whole needs none.
    private var totalTimer: Timer?

    private var slot: HTTPClient.Slot?
    private var transport: Transport?
    private var sending = Sending.underWay
    private var reader: ResponseReader
    /// What the head of the answer said, once it is here.
    private var status: Status?
    /// How long the connection may be idle behind the answer; nil: not at all.
    private var idleTimeout: Duration?

    /// The first reason to give up.
    private var failure: ClientFailure?
    /// True once the slot is given back and nothing can happen any more.
    private(set) var hasEnded = false

    init(_ request: consuming ClientRequest, on client: HTTPClient) {
        loop = client.loop
        let limits = request.limits
        totalDeadline = client.loop.now + limits.total
        reader = ResponseReader(answering: request.method, client.limits.head, bodyBytesMax: limits.bodyBytesMax)
        self.request = request
        self.client = client
    }

    /// Does everything up to the head of the answer.
    // In line, as what it calls: of a chain of functions that wait each has memory of its own.
    @inline(__always)
    func begin(_ cancellation: consuming Cancellation?) async throws(ClientFailure) -> ResponseHead {
        guard client.open(request) else { throw .unsendable }
        guard request.hasTrust else { throw .tls("no context for an https origin") }
        guard cancellation?.isFired != true else { throw .cancelled }
        watch(cancellation)
        do throws(ClientFailure) {
            let head = try await answer()
            status = head.status
            idleTimeout = head.idleTimeout(atMost: client.limits.idleTimeout)
            if reader.isAtEnd { conclude() } else if !reader.hasAll { scheduleEnd() }
            return head
        } catch {
            fail(error)
            throw failure ?? error
        }
    }

    /// What can be had of a body without waiting.
    enum BodyStep {
        /// Never empty.
        case data([UInt8])
        case end
        /// More has to come.
        case wait
    }

    /// True once the last byte of a body of a known length has come.
    var hasAll: Bool { reader.hasAll }

    /// The next piece of the body, as far as it is here.
    func takeData() throws(ClientFailure) -> BodyStep {
        loop.checkThread()
        if let failure { throw failure }
        do throws(ClientFailure) {
            guard hasEnded || loop.now < totalDeadline else { throw .timedOut(.total) }
            let data = try reader.nextData()
            let isAtEnd = reader.isAtEnd
            if isAtEnd { conclude() }
            return data.map { .data($0) } ?? (isAtEnd ? .end : .wait)
        } catch {
            fail(error)
            throw failure ?? error
        }
    }

    /// Waits for more of the body.
    func waitForData() async throws(ClientFailure) {
        do throws(ClientFailure) {
            try await read(.idle, until: loop.now + request.limits.idle)
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
        if loop.isCurrent { fail(.cancelled) } else { abandonElsewhere() }
    }

    // Not in line: what the loop is to call would be held by everybody who abandons.
    @inline(never)
    private func abandonElsewhere() {
        loop.post { self.fail(.cancelled) }
    }
}

// A connection.
extension ClientExchange {
    private func watch(_ cancellation: consuming Cancellation?) {
        guard let token = cancellation?.onFire({ self.fail(.cancelled) }) else { return }
        callersCancellation = (consume cancellation).map { ($0, token) }
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

    @inline(__always)
    private func answer() async throws(ClientFailure) -> ResponseHead {
        var deadline = connectDeadline()
        let lease: HTTPClient.Pool.Lease
        switch try client.leaseNow(for: request) {
        case .lease(let free): lease = free
        case .wait(let ticket): lease = try await self.lease(ticket, before: deadline)
        }
        try hold(lease.slot)
        var idle: Transport?
        if case .reuse(let slot) = lease { idle = client.take(slot) }
        // Once over a connection that was idle, and once over a fresh one.
        while true {
            let mayBeStale = idle != nil
            let transport: Transport
            if let kept = idle.take() {
                transport = kept
            } else {
                transport = try await connect(before: deadline)
                guard failure == nil else {
                    transport.abort()
                    throw .cancelled
                }
            }
            if let head = try await ask(transport, mayBeStale: mayBeStale) { return head }
            guard mayBeStale else { throw .interrupted }
            self.transport = nil
            transport.abort()
            deadline = connectDeadline()
        }
    }

    private func lease(
        _ ticket: HTTPClient.Pool.Ticket, before deadline: Instant
    ) async throws(ClientFailure) -> HTTPClient.Pool.Lease {
        do throws(ClientFailure) {
            return try await client.wait(for: ticket, until: deadline, stop: stopper())
        } catch {
            throw error == .timedOut(.connect) ? timedOut(.connect) : error
        }
    }

    private func connect(before deadline: Instant) async throws(ClientFailure) -> Transport {
        // The name that is asked for leaves by a thread of its own.
        loop.settleDues()
        if let failure { throw failure }
        do throws(ClientFailure) {
            return try await client.connector.connect(request.key, deadline: deadline, stop: stopper())
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

    /// Ends the exchange: nobody is woken for it any more, the slot is free, and the connection is kept, where it may be and
    /// is whole, or broken off.
    private func end(keeping idleTimeout: Duration?) {
        hasEnded = true
        // The timer's body holds this exchange: kept, it would hold itself for good.
        totalTimer.take()?.cancel()
        if let (cancellation, token) = callersCancellation.take() { cancellation.remove(token) }
        if let transport = transport.take() {
            if let idleTimeout, let slot, transport.isOpen, transport.peerClosure == nil {
                self.slot = nil
                client.release(slot, keeping: consume transport, for: idleTimeout)
            } else {
                transport.abort(.cancelled)
            }
        }
        if let slot = slot.take() { client.release(slot) }
        stop?.fire()
    }

    /// The last byte of the answer has been taken.
    private func conclude() {
        guard !hasEnded else { return }
        end(keeping: sending == .done && reader.isClean ? idleTimeout : nil)
    }
}

// Sending and reading.
extension ClientExchange {
    /// Sends the request and reads the head of the answer.
    /// - Returns: nil when the connection turned out to have been closed while it was idle, and the request may be sent
    ///   again on another.
    @inline(__always)
    private func ask(_ transport: Transport, mayBeStale: Bool) async throws(ClientFailure) -> ResponseHead? {
        self.transport = transport
        let begun = loop.now
        if let (first, second) = sendNow(on: transport) {
            transport.readDeadline = nil
            if first.count + second.count <= HTTPMaxima.inlineRequestBytes {
                // It fits into an empty send buffer, so there is nothing to wait for.
                await send(first, second, on: transport)
            } else {
                loop.spawn { await self.send(first, second, on: transport) }
            }
        } else {
            transport.readDeadline = answerDeadline
        }
        do throws(ClientFailure) {
            while true {
                if let head = try reader.nextHead() { return head }
                if try receiveNow(from: transport) { continue }
                // Until the request has left, each slice of it has its own time; from then on the answer has.
                try await wait(for: transport, .firstByte, until: transport.readDeadline)
            }
        } catch {
            let canNotHaveBeenProcessed = sending != .done || loop.now - begun <= HTTPMaxima.staleWindow
            if mayBeStale, error == .interrupted, failure == nil, !reader.hasBegun,
                request.method.isIdempotent || canNotHaveBeenProcessed
            {
                return nil
            }
            throw error
        }
    }

    /// Writes the request at once, where that is possible without waiting.
    /// - Returns: what `send` has to write; nil also for a connection that is broken, as reading it shows.
    private func sendNow(on transport: Transport) -> (first: [UInt8], second: [UInt8])? {
        sending = .underWay
        do throws(IOFailure) {
            if let unwritten = try client.sendNow(request, on: transport) { return unwritten }
            sending = .done
        } catch {
            sending = .failed
        }
        return nil
    }

    /// Writes head and body while somebody may already read the answer: an upstream that refuses a long body says so
    /// before it has read it, and may not read on.
    private func send(_ head: [UInt8], _ body: [UInt8], on transport: Transport) async {
        do throws(IOFailure) {
            let isWhole = try await sendSlices(head, body, on: transport)
            guard self.transport === transport else { return }
            sending = isWhole ? .done : .failed
        } catch {
            guard self.transport === transport else { return }
            sending = .failed
            if error == .timedOut { fail(timedOut(.idle)) }
            // Otherwise reading shows what has become of the connection, and whether an answer was left there.
        }
        guard status == nil, !hasEnded else { return }
        transport.readDeadline = answerDeadline
    }

    /// Writes in slices that each have the time of a stall.
    /// - Returns: false if the upstream has refused the request meanwhile, and the rest was kept back.
    private func sendSlices(
        _ head: [UInt8], _ body: [UInt8], on transport: Transport
    ) async throws(IOFailure) -> Bool {
        var head = head
        var start = 0
        repeat {
            let end = min(body.count, start + HTTPMaxima.writeSliceBytes)
            transport.writeDeadline = min(loop.now + request.limits.idle, totalDeadline)
            // A body of one slice, as nearly all are, is not copied.
            try await transport.write(head, end - start == body.count ? body : Array(body[start..<end]))
            head = []
            start = end
        } while start < body.count && !isRefused
        return start == body.count
    }

    /// True once the head of an answer says that there is no use in sending more.
    private var isRefused: Bool { status.map { $0.code >= 400 } ?? false }

    /// Until when the head of an answer to a request that has left just now is waited for.
    private var answerDeadline: Instant { min(loop.now + request.limits.firstByte, totalDeadline) }

    /// Reads once, into the reader.
    private func read(_ phase: ClientFailure.Phase, until deadline: Instant) async throws(ClientFailure) {
        guard let transport else { throw failure ?? .interrupted }
        while try !receiveNow(from: transport) { try await wait(for: transport, phase, until: deadline) }
    }

    /// Reads what is here, into the reader.
    /// - Returns: false when there is nothing.
    private func receiveNow(from transport: Transport) throws(ClientFailure) -> Bool {
        guard !hasEnded else { throw failure ?? .interrupted }
        let bytes: [UInt8]
        do throws(IOFailure) {
            guard let new = try transport.readNow() else { return false }
            bytes = new
        } catch {
            throw reason(error, .idle)
        }
        guard bytes.isEmpty else {
            reader.receive(bytes)
            return true
        }
        // A reset that a write has reported is an end to the next read (SO_ERROR is told once), and no good one.
        guard sending != .failed else { throw .interrupted }
        try reader.receiveEnd()
        return true
    }

    /// Waits until there is something to read.
    private func wait(
        for transport: Transport, _ phase: ClientFailure.Phase, until deadline: Instant?
    ) async throws(ClientFailure) {
        transport.readDeadline = deadline.map { min($0, totalDeadline) } ?? totalDeadline
        if transport.shouldShare { await transport.share() }
        do throws(IOFailure) {
            try await transport.waitToRead()
        } catch {
            throw reason(error, phase)
        }
        if let failure { throw failure }
    }

    /// What it means that the connection failed.
    private func reason(_ error: IOFailure, _ phase: ClientFailure.Phase) -> ClientFailure {
        if let failure { return failure }
        return switch error {
        case .timedOut: timedOut(phase)
        case .cancelled: .cancelled
        case .tls(let reason): .tls(reason)
        case .closed, .reset, .truncated, .system: .interrupted
        }
    }
}

extension ResponseHead {
    /// How long the connection may be idle behind the answer; nil: not at all.
    fileprivate func idleTimeout(atMost most: Duration) -> Duration? {
        keepsAlive ? fields.idleTimeout(atMost: most) : nil
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
