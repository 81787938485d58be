// SPDX-License-Identifier: Apache-2.0
//
// One connection is one task on its loop, straight from the first byte to the last:
//
//     handshake → ┌ idle → head → responder (reads the body, writes the answer) → rest of the body ┐ → linger → close
//                 └────────────────────────────── keep-alive ──────────────────────────────────────┘
//
// Pipelined requests wait in the input buffer, and in the kernel's behind it: they are answered in order because nothing
// reads them earlier. Behind anything malformed nothing is read as a request any more.

import EventLoop
import Platform
import TLS

/// A connection that the server has accepted. Confined to its loop.
final class ServerConnection: @unchecked Sendable {
    private enum Phase {
        case handshake
        /// Between two requests, without a byte of the next one.
        case idle
        /// A head has begun, and is not complete.
        case head
        case active
        case closing

        var waitsFor: WaitingConnections.Kind? {
            switch self {
            case .handshake, .head: .rest
            case .idle: .request
            case .active, .closing: nil
            }
        }
    }

    let loop: EventLoop
    let peer: Peer
    private(set) var isSecure = false
    /// Of the peer, for the count of its connections.
    let address: IPAddress?

    /// The server holds this connection in turn, until its task has ended.
    private let server: HTTPServer
    private let limits: HTTPServerLimits
    private let socket: Socket
    private var transport: Transport?
    private var phase = Phase.handshake {
        didSet { if phase.waitsFor != oldValue.waitsFor { server.note(self, waitsFor: phase.waitsFor) } }
    }
    /// Where the server finds it when it looks for one that waits; the server's alone.
    var place = WaitingConnections.Place()
    /// Its place was given to another: it ends behind what it is doing.
    private(set) var isLeaving = false
    private var input = InputBuffer()
    private var requests = 0

    // Of the request that is being answered.
    private var body = RequestBody(.none, HTTPServerLimits())
    private var pace = BodyPace(HTTPServerLimits())
    private var owesContinue = false
    private var version = Version.http11
    private var staysOpen = false
    private var request: Request?

    /// True from the moment in which the task of a quiet connection ends until the next one takes over.
    private(set) var isResting = false
    /// When the wait for the next request is over.
    private var idleDeadline = Instant(nanoseconds: 0)

    init(_ socket: Socket, of server: HTTPServer) {
        self.socket = socket
        self.server = server
        limits = server.limits
        loop = server.loop
        address = socket.peerCredentials == nil ? socket.peer.ip : nil
        peer =
            socket.peerCredentials.map {
                .unix(processID: $0.processID, userID: $0.userID, groupID: $0.groupID)
            } ?? .address(socket.peer)
    }

    /// Serves the connection to its end, or until it rests (`isResting`): then this is to be called again, in a task of its
    /// own. A task keeps the memory of the deepest call it has made, some 25 KB behind a request, until it ends; so the
    /// one that waits on a quiet connection is a fresh one.
    func run(_ context: TLSServerContext?) async {
        do throws(IOFailure) {
            if transport == nil {
                let transport = try await Transport.accept(
                    socket, context, deadline: loop.now + limits.handshakeTimeout)
                self.transport = transport
                isSecure = context != nil
                // Once for the connection: a request that comes later finds what has been told before it. Both ends of
                // a connection, `close` and `abort`, forget it, and one of them comes before this object goes away.
                transport.onPeerClosed = { [unowned self] _ in request?.cancellation.fire(.peerGone) }
            }
            try await serve()
            guard !isResting else { return }
        } catch {
            // Nobody is left who could be told: the peer broke off, was too slow, or the server aborted.
            socket.abort(error)
        }
        phase = .closing
        transport = nil
    }

    private func serve() async throws(IOFailure) {
        while let head = try await nextHead() {
            requests += 1
            guard try await answer(head) else { return await linger() }
        }
    }

    /// Gives its place to another connection. A peer that was only idle is told the end of the stream; one that is slow
    /// with its handshake or its head has nothing to be told.
    func leave() {
        isLeaving = true
        if phase == .idle { transport?.readDeadline = loop.now } else { abort() }
    }

    /// Ends the connection if it waits for a request or a handshake; otherwise it ends behind its answer.
    func drain() {
        if phase == .handshake { return socket.abort(.cancelled) }
        // The waiting read ends at once, and finds that the server drains.
        if phase == .idle { transport?.readDeadline = loop.now }
    }

    /// Breaks the connection off, and tells whoever works for it.
    func abort(_ cause: Cancellation.Cause = .unwanted) {
        request?.cancellation.fire(cause)
        if let transport { transport.abort(.cancelled) } else { socket.abort(.cancelled) }
    }
}

// Requests in.
extension ServerConnection {
    /// The head of the next request; nil at the end of the connection, which has then been told to the peer, and where it
    /// rests.
    private func nextHead() async throws(IOFailure) -> RequestHead? {
        var scanner = HeadScanner(limits)
        var hasBegun = false
        beginWait()
        while true {
            if !input.isEmpty, !hasBegun {
                hasBegun = true
                phase = .active
                transport?.readDeadline = loop.now + limits.headTimeout
            }
            let bytes = input.bytes
            switch scanner.scan(bytes.span.extracting(input.range)) {
            case .wait: if hasBegun { phase = .head }
            case .refuse(let defect): return try await refuse(RequestDefect(defect))
            case .head(let range):
                phase = .active
                let place = input.start + range.lowerBound..<input.start + range.upperBound
                input.consume(range.upperBound)
                do throws(RequestDefect) {
                    return try RequestHead(in: bytes, place, limits: limits)
                } catch {
                    return try await refuse(error, isHEAD: Self.isHEAD(bytes[place]))
                }
            }
            if server.isDraining || isLeaving, !hasBegun { return try await closeIdle() }
            do throws(IOFailure) {
                guard try await fill() else { return try await closeIdle() }
            } catch .timedOut {
                if hasBegun { return try await refuse(.headTimeout) }
                if server.isDraining || isLeaving || loop.now >= idleDeadline { return try await closeIdle() }
                isResting = true
                return nil
            }
        }
    }

    /// Sets the time for the next request, or goes on with what is left of it where the connection has rested.
    private func beginWait() {
        guard !isResting else {
            isResting = false
            transport?.readDeadline = idleDeadline
            return
        }
        phase = input.isEmpty ? .idle : .active
        idleDeadline = loop.now + (requests == 0 ? limits.headTimeout : limits.idleTimeout)
        transport?.readDeadline = min(idleDeadline, loop.now + limits.restAfter)
    }

    /// Reads more. False at the end of the stream.
    private func fill() async throws(IOFailure) -> Bool {
        guard let transport else { throw .closed }
        let bytes = try await transport.read(upTo: HTTPMaxima.readBytes)
        input.append(bytes)
        return !bytes.isEmpty
    }

    private func closeIdle() async throws(IOFailure) -> RequestHead? {
        phase = .closing
        await transport?.close()
        return nil
    }

    /// Whether what came in is a request of the method HEAD as far as it goes: its answer has no body, however malformed
    /// the rest is (RFC 9110 §9.3.2). A client that got one would take it for the next answer.
    private static func isHEAD(_ bytes: ArraySlice<UInt8>) -> Bool {
        let emptyLine = [Octet.carriageReturn, Octet.lineFeed]
        return (bytes.starts(with: emptyLine) ? bytes.dropFirst(2) : bytes).starts(with: "HEAD ".utf8)
    }

    /// Answers a malformed request, and ends the connection.
    ///
    /// - Parameter isHEAD: nil where the request still stands in the input.
    private func refuse(_ defect: RequestDefect, isHEAD: Bool? = nil) async throws(IOFailure) -> RequestHead? {
        let isHEAD = isHEAD ?? Self.isHEAD(input.bytes[input.range])
        phase = .closing
        var answer = server.onDefect(defect.status, defect)
        if defect == .methodRefused { answer.fields.append("allow", Method.allowed) }
        try await sendLast(defect.status, answer, isHEAD: isHEAD)
        await linger()
        return nil
    }

    /// Sends an answer that no responder made, behind which the connection ends.
    private func sendLast(_ status: Status, _ answer: DefectAnswer, isHEAD: Bool) async throws(IOFailure) {
        var output: [UInt8] = []
        MessageEncoder.appendHead(
            status, answer.fields, .length(answer.body.count), .close, date: server.date(), to: &output)
        if !isHEAD { output.append(contentsOf: answer.body) }
        try await write(output)
    }

    /// Has the request answered.
    ///
    /// - Returns: true if the connection can serve another one.
    private func answer(_ head: RequestHead) async throws(IOFailure) -> Bool {
        body = RequestBody(head.framing, limits)
        pace = BodyPace(limits)
        owesContinue = head.expectsContinue && !body.isComplete
        version = head.version
        staysOpen = head.keepsAlive && requests < limits.requestsPerConnectionMax
        let request = Request(head, on: self)
        let response = ResponseWriter(to: head, on: self)
        self.request = request
        if transport?.peerClosure != nil { request.cancellation.fire(.peerGone) }
        await server.responder.respond(to: request, with: response)
        request.detach()
        response.detach()
        self.request = nil
        guard response.hasBegun else {
            try await sendLast(500, server.onDefect(500, nil), isHEAD: head.method == .head)
            return false
        }
        guard response.isComplete else { throw .cancelled }
        guard staysOpen else { return false }
        return await skipRestOfBody()
    }
}

// Bodies in.
extension ServerConnection {
    func nextBodyChunk() async throws(BodyFailure) -> [UInt8]? {
        var chunk: [UInt8] = []
        while !body.isComplete {
            if !input.isEmpty {
                if let bytes = body.takeKnown(from: &input) { return bytes }
                let received = input
                do throws(RequestDefect) {
                    let taken = try body.take(received.bytes.span.extracting(received.range), into: &chunk)
                    input.consume(taken)
                } catch {
                    staysOpen = false
                    throw error == .bodyTooLarge ? .tooLarge : .malformed
                }
                if !chunk.isEmpty { return chunk }
                continue
            }
            try await sendContinue()
            try await fillBody()
        }
        return nil
    }

    /// Tells a client that waits for it that its body is wanted (RFC 9110 §10.1.1).
    private func sendContinue() async throws(BodyFailure) {
        guard owesContinue else { return }
        owesContinue = false
        do throws(IOFailure) {
            try await write(Self.interimContinue)
        } catch {
            throw error == .timedOut ? .timedOut : .gone
        }
    }

    private static let interimContinue = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

    private func fillBody() async throws(BodyFailure) {
        let start = loop.now
        transport?.readDeadline = pace.deadline(from: start)
        do throws(IOFailure) {
            guard try await fill() else { throw .reset }
        } catch {
            // What is missing of the body will never be known, so nothing behind it can be a request.
            staysOpen = false
            throw error == .timedOut ? .timedOut : .gone
        }
        pace.receive(input.count, after: loop.now - start)
    }

    /// Whether the connection can be kept behind an answer that begins now: if the body was read, or its rest is here
    /// already, or is short enough to be read and dropped. Nothing is dropped yet: a responder may read while it writes.
    private func canSkipRestOfBody() -> Bool {
        // A client that was not told to send its body will send it or not: it does not know either.
        guard !owesContinue else { return false }
        let received = input
        let left = body.bytesLeft(behind: received.bytes.span.extracting(received.range))
        return left.map { $0 <= HTTPMaxima.drainedBodyBytes } ?? false
    }

    /// Reads and drops what a responder left of a short body. False if the next request cannot be found.
    private func skipRestOfBody() async -> Bool {
        do throws(BodyFailure) {
            while try await nextBodyChunk() != nil {}
            return true
        } catch {
            return false
        }
    }
}

// Answers out.
extension ServerConnection {
    /// The head of an answer; this is where it is decided whether the connection stays open.
    func encodedHead(
        _ status: Status, _ fields: Fields, also more: Fields, _ framing: MessageEncoder.Body, closing: Bool
    ) -> [UInt8] {
        staysOpen =
            staysOpen && !closing && !server.isDraining && !isLeaving && framing != .untilClose
            && (body.isComplete || canSkipRestOfBody())
        // Too late to ask for a body: an interim answer does not follow a final one.
        owesContinue = false
        let persistence: MessageEncoder.Persistence = staysOpen ? (version == .http10 ? .keepAlive : .implied) : .close
        var output = loop.takeRoom()
        MessageEncoder.appendHead(status, fields, also: more, framing, persistence, date: server.date(), to: &output)
        return output
    }

    /// Writes two pieces as one where nobody has to wait; false where `write` has to.
    func writeNow(_ first: [UInt8], _ second: [UInt8]) throws(IOFailure) -> Bool {
        guard let transport else { throw .closed }
        return try transport.writeNow(first, second)
    }

    /// Writes two pieces as one. Each slice of a large one has the write timeout to itself, so that a reader need not be
    /// fast, only be there.
    func write(_ first: [UInt8], _ second: [UInt8] = []) async throws(IOFailure) {
        guard let transport else { throw .closed }
        guard !first.isEmpty || !second.isEmpty else { return }
        transport.writeDeadline = loop.now + limits.writeTimeout
        let slice = HTTPMaxima.writeSliceBytes
        guard second.count > slice || first.count > slice else { return try await transport.write(first, second) }
        for piece in [first, second] {
            for start in stride(from: 0, to: piece.count, by: slice) {
                transport.writeDeadline = loop.now + limits.writeTimeout
                try await transport.write(Array(piece[start..<min(start + slice, piece.count)]))
            }
        }
    }

    /// Ends the connection so that the peer can read the last answer: a socket that is closed with unread bytes in it
    /// sends a reset, which overtakes the answer (RFC 9112 §9.6).
    private func linger() async {
        phase = .closing
        input.removeAll()
        guard let transport else { return }
        transport.writeDeadline = loop.now + limits.lingerTimeout
        await transport.close(draining: HTTPMaxima.lingerBytes, until: loop.now + limits.lingerTimeout)
    }
}
