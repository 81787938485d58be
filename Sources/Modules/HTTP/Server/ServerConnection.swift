// SPDX-License-Identifier: Apache-2.0
//
// One connection is one task on its loop, straight from the first byte to the last:
//
//     handshake → ┌ idle → head → responder (reads the body, writes the answer) → rest of the body ┐ → linger → close
//                 └────────────────────────────── keep-alive ──────────────────────────────────────┘
//
// Pipelined requests wait in the input buffer, and in the kernel's behind it: they are answered in order because nothing
// reads them earlier. Behind anything malformed nothing is read as a request any more.

import Bytes
import EventLoop
import Platform
import TLS

/// A connection that the server has accepted. Confined to its loop.
@safe final class ServerConnection: @unchecked Sendable {
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
    /// Who is at the other end; behind a proxy that says so, whom it has the connection from.
    private(set) var peer: Peer
    /// Where a proxy's head is still to be read.
    private var unread: Socket?
    let isSecure: Bool
    /// Of the peer, for the count of its connections.
    let address: IPAddress?

    /// The server holds this connection in turn, until its task has ended.
    private let server: HTTPServer
    private var limits: HTTPServerLimits { server.limits }
    private let transport: Transport
    private var phase = Phase.handshake {
        didSet {
            if phase.waitsFor != oldValue.waitsFor { server.note(self, waitsFor: phase.waitsFor) }
            transport.readerBegins = phase == .idle
        }
    }
    /// Where the server finds it when it looks for one that waits; the server's alone.
    var place = WaitingConnections.Place()
    /// Its place was given to another: it ends behind what it is doing.
    private(set) var isLeaving = false
    private var input = InputBuffer()
    private var scanner: HeadScanner
    private var requests = 0

    // Of the request that is being answered.
    private var body = RequestBody(.none, HTTPServerLimits())
    private var pace = BodyPace()
    private var owesContinue = false
    private var version = Version.http11
    private var staysOpen = false
    // Held by `answer`, which forgets it here before it lets go of it.
    private var request: Unmanaged<Request>?

    /// True from the moment in which the task of a quiet connection ends until the next one goes on.
    private(set) var isResting = false
    /// When the wait for the next request is over.
    private var idleDeadline = Instant(nanoseconds: 0)

    /// - Parameter address: of the peer, where it counts.
    /// - Throws: where there is no memory for TLS.
    init(
        _ socket: Socket, _ context: TLSServerContext?, _ address: IPAddress?, of server: HTTPServer
    ) throws(IOFailure) {
        transport = try Transport(accepting: socket, context)
        isSecure = context != nil
        self.server = server
        loop = server.loop
        scanner = HeadScanner(server.limits)
        self.address = address
        peer =
            socket.peerCredentials.map {
                .unix(processID: $0.processID, userID: $0.userID, groupID: $0.groupID)
            } ?? .address(socket.peer)
        if let proxies = server.proxies, proxies.sendHeads, proxies.trusts(peer) { unread = socket }
    }

    /// Serves the connection to its end, or until it rests (`isResting`): then this is to be called again, in a task of its
    /// own, when something has happened (`rest`). A task keeps the memory of the deepest call it has made, some 25 KB behind
    /// a request, until it ends, and two even where it does nothing: a quiet connection has none.
    func run() async {
        do throws(IOFailure) {
            if phase == .handshake {
                if let socket = unread { try await readProxyHead(socket) }
                try await transport.shakeHands(deadline: loop.now + limits.handshakeTimeout)
                // Once for the connection: a request that comes later finds what has been told before it. Both ends of
                // a connection, `close` and `abort`, forget it, and one of them comes before this object goes away.
                transport.onPeerClosed = { [unowned self] _ in tellResponder(.peerGone) }
            }
            try await serve()
            guard !isResting else { return }
        } catch {
            // Nobody is left who could be told: the peer broke off, was too slow, or the server aborted.
            transport.abort(error)
        }
        phase = .closing
    }

    /// Has the server run the quiet connection again when it has something to do: bytes, an end, or its time is over.
    func rest() {
        transport.readDeadline = idleDeadline
        // It captures one object, and so needs no memory of its own.
        transport.whenReadable { self.server.run(self) }
    }

    /// Reads what the proxy says, and not one byte more.
    private func readProxyHead(_ socket: Socket) async throws(IOFailure) {
        unread = nil
        socket.deadline = loop.now + limits.handshakeTimeout
        var head = ProxyHead()
        var step = head.receive([])
        while case .read(let count) = step {
            let bytes = try Self.take(count, from: socket)
            guard let bytes else {
                try await socket.wait(.reader, for: .read)
                continue
            }
            guard !bytes.isEmpty else { throw .reset }
            step = head.receive(bytes)
        }
        guard case .done(let client) = step else { throw .cancelled }
        if let client { peer = .address(client) }
        socket.deadline = nil
    }

    /// Nil when there is nothing yet.
    private static func take(_ count: Int, from socket: Socket) throws(IOFailure) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var given: Int?
        var failure: IOFailure?
        unsafe bytes.withUnsafeMutableBytes { room in
            do throws(IOFailure) {
                // SAFETY: the room is the array's own for the time of the call, and is not empty.
                given = try unsafe socket.tryRead(into: room)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return given.map { Array(bytes.prefix($0)) }
    }

    /// Whom a request is from.
    func client(of head: RequestHead) -> Peer {
        guard let proxies = unsafe server.proxies.map({ unsafe Unmanaged.passUnretained($0) }) else { return peer }
        // SAFETY: the server holds them, who are set before it listens.
        return unsafe proxies.lend { $0.client(of: peer, head.fields) }
    }

    /// Who has sent what is no request; nil where that is a proxy, which only hands it on.
    private var sender: Peer? { server.proxies?.trusts(peer) ?? false ? nil : peer }

    private func serve() async throws(IOFailure) {
        while true {
            beginWait()
            var arrival = try arrive()
            while case .waiting = arrival {
                let isInTime = try await wait()
                // Also where the time is over: what has come at the same moment is not left unread.
                arrival = try arrive()
                if !isInTime, case .waiting = arrival {
                    arrival = late()
                    break
                }
            }
            switch consume arrival {
            case .head(let head):
                if transport.shouldShare { await transport.share() }
                requests += 1
                guard try await answer(consume head) else { return await linger() }
            case .defect(let defect, let isHEAD): return try await refuse(defect, isHEAD: isHEAD)
            case .over:
                phase = .closing
                return await transport.close()
            case .waiting:
                isResting = true
                return
            }
        }
    }

    /// Gives its place to another connection. A peer that was only idle is told the end of the stream; one that is slow
    /// with its handshake or its head has nothing to be told.
    func leave() {
        isLeaving = true
        if phase == .idle { transport.readDeadline = loop.now } else { abort() }
    }

    /// Ends the connection if it has been idle for a while; otherwise it ends behind its next answer, which says so. Whoever
    /// has come and not asked yet is still owed one, and the next request of a busy client is on its way: it would meet a
    /// closed connection, and whether anything came of it the client could not know.
    func drain() {
        let latest = loop.now + HTTPMaxima.drainGrace
        switch phase {
        case .handshake: transport.deadline = transport.readDeadline.map { min($0, latest) } ?? latest
        case .idle:
            let answered = idleDeadline - limits.idleTimeout
            idleDeadline = min(idleDeadline, requests == 0 ? latest : answered + HTTPMaxima.drainPause)
            transport.readDeadline = max(idleDeadline, loop.now)
        case .head, .active, .closing: break
        }
    }

    /// Breaks the connection off, and tells whoever works for it.
    func abort(_ cause: Cancellation.Cause = .unwanted) {
        tellResponder(cause)
        transport.abort(.cancelled)
    }

    /// Tells whoever works on the request that nobody wants its answer any more.
    private func tellResponder(_ cause: Cancellation.Cause) {
        unsafe request?.takeUnretainedValue().cancellation.fire(cause)
    }
}

// Requests in.
extension ServerConnection {
    /// What the wait for the next request comes to.
    private enum Arrival {
        case head(RequestHead)
        /// Not a request: to be answered, and the connection ends. The method is known or still in the input.
        case defect(RequestDefect, isHEAD: Bool)
        /// The connection is to be closed.
        case over
        /// More has to come.
        case waiting
    }

    /// True once a byte of the next request has come.
    private var hasBegun: Bool { phase != .idle }

    /// Sets the time for the next request, or goes on with what is left of it where the connection has rested.
    private func beginWait() {
        guard !isResting else {
            isResting = false
            transport.readDeadline = idleDeadline
            return
        }
        scanner = HeadScanner(limits)
        phase = .idle
        idleDeadline = loop.now + (requests == 0 ? limits.headTimeout : limits.idleTimeout)
        if server.isDraining {
            let pause = requests == 0 ? HTTPMaxima.drainGrace : HTTPMaxima.drainPause
            idleDeadline = min(idleDeadline, loop.now + pause)
        }
        transport.readDeadline = min(idleDeadline, loop.now + limits.restAfter)
    }

    /// Looks for a head in what has come in.
    private func arrive() throws(IOFailure) -> Arrival {
        while true {
            if !input.isEmpty, !hasBegun {
                phase = .active
                transport.readDeadline = loop.now + limits.headTimeout
            }
            switch input.find(&scanner) {
            case .wait: if hasBegun { phase = .head }
            case .refuse(let defect):
                return .defect(RequestDefect(defect), isHEAD: Self.isHEAD(input.bytes[input.range]))
            case .head(let range):
                phase = .active
                let place = input.start + range.lowerBound..<input.start + range.upperBound
                do throws(RequestDefect) {
                    let (count, server) = (scanner.fieldCount, server)
                    let head = try input.lend { (bytes) throws(RequestDefect) in
                        try RequestHead(in: bytes, place, fieldCount: count, limits: server.limits)
                    }
                    input.consume(range.upperBound)
                    return .head(head)
                } catch {
                    return .defect(error, isHEAD: Self.isHEAD(input.bytes[place]))
                }
            }
            if isLeaving, !hasBegun { return .over }
            guard let new = try transport.readNow(upTo: HTTPMaxima.readBytes) else { return .waiting }
            guard !new.isEmpty else { return .over }
            input.append(new)
        }
    }

    /// Waits for more of the request.
    /// - Returns: false when its time is over.
    @inline(__always)
    private func wait() async throws(IOFailure) -> Bool {
        do throws(IOFailure) {
            try await transport.waitToRead()
            return true
        } catch {
            guard error == .timedOut else { throw error }
            return false
        }
    }

    /// What it means that nothing came in time. `.waiting`: only that the connection is quiet.
    private func late() -> Arrival {
        if hasBegun { return .defect(.headTimeout, isHEAD: Self.isHEAD(input.bytes[input.range])) }
        return isLeaving || loop.now >= idleDeadline ? .over : .waiting
    }

    /// Reads more of a body.
    /// - Returns: false at the end of the stream.
    private func fill() async throws(IOFailure) -> Bool {
        let bytes = try await transport.read(upTo: HTTPMaxima.readBytes)
        input.append(bytes)
        return !bytes.isEmpty
    }

    /// Whether what came in is a request of the method HEAD as far as it goes: its answer has no body, however malformed
    /// the rest is (RFC 9110 §9.3.2). A client that got one would take it for the next answer.
    private static func isHEAD(_ bytes: ArraySlice<UInt8>) -> Bool {
        let emptyLine = [Octet.carriageReturn, Octet.lineFeed]
        return (bytes.starts(with: emptyLine) ? bytes.dropFirst(2) : bytes).starts(with: "HEAD ".utf8)
    }

    /// Answers a malformed request, and ends the connection.
    private func refuse(_ defect: RequestDefect, isHEAD: Bool) async throws(IOFailure) {
        phase = .closing
        var answer = server.onDefect(defect.status, defect, sender)
        if defect == .methodRefused { answer.fields.append("allow", Method.allowed) }
        try await sendLast(defect.status, answer, isHEAD: isHEAD)
        await linger()
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
    @inline(__always)
    private func answer(_ head: consuming RequestHead) async throws(IOFailure) -> Bool {
        body = RequestBody(head.framing, limits)
        pace = BodyPace()
        owesContinue = head.expectsContinue && !body.isComplete
        version = head.version
        staysOpen = head.keepsAlive && requests < limits.requestsPerConnectionMax
        let request = Request(consume head, on: self)
        let response = ResponseWriter(to: request.head.method, version, on: self)
        unsafe self.request = Unmanaged.passUnretained(request)
        if transport.peerClosure != nil { request.cancellation.fire(.peerGone) }
        await server.responder.respond(to: request, with: response)
        unsafe self.request = nil
        request.detach()
        response.detach()
        guard response.hasBegun else {
            try await sendLast(500, server.onDefect(500, nil, sender), isHEAD: request.head.method == .head)
            return false
        }
        guard response.isComplete else { throw .cancelled }
        guard staysOpen else { return false }
        return body.isComplete ? true : await skipRestOfBody()
    }
}

// Bodies in.
extension ServerConnection {
    /// What can be had of a body without waiting.
    enum BodyStep {
        case chunk([UInt8])
        case end
        /// More has to come.
        case wait
    }

    /// The next bytes of the body, as far as they are here.
    func takeBody() throws(BodyFailure) -> BodyStep {
        guard !body.isComplete else { return .end }
        guard !input.isEmpty else { return .wait }
        if let bytes = body.takeKnown(from: &input) { return .chunk(bytes) }
        var chunk: [UInt8] = []
        let received = input
        do throws(RequestDefect) {
            let taken = try body.take(received.bytes.span.extracting(received.range), into: &chunk)
            input.consume(taken)
        } catch {
            staysOpen = false
            throw error == .bodyTooLarge ? .tooLarge : .malformed
        }
        return chunk.isEmpty ? (body.isComplete ? .end : .wait) : .chunk(chunk)
    }

    /// The whole body, where its length is known and all of it is here; nil otherwise, and nothing has been taken.
    func takeWholeBody() -> [UInt8]? {
        body.isComplete ? [] : body.takeWhole(from: &input)
    }

    func nextBodyChunk() async throws(BodyFailure) -> [UInt8]? {
        while true {
            switch try takeBody() {
            case .chunk(let bytes): return bytes
            case .end: return nil
            case .wait: try await waitForBody()
            }
        }
    }

    /// Waits for more of the body.
    func waitForBody() async throws(BodyFailure) {
        try await sendContinue()
        try await fillBody()
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
        transport.readDeadline = pace.deadline(from: start, limits)
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
    /// Decides whether the connection stays open behind an answer that begins now.
    private func persistence(_ framing: MessageEncoder.Body, closing: Bool) -> MessageEncoder.Persistence {
        staysOpen =
            staysOpen && !closing && !server.isDraining && !isLeaving && framing != .untilClose
            && (body.isComplete || canSkipRestOfBody())
        // Too late to ask for a body: an interim answer does not follow a final one.
        owesContinue = false
        return staysOpen ? (version == .http10 ? .keepAlive : .implied) : .close
    }

    /// The head of an answer.
    func encodedHead(
        _ status: Status, _ fields: borrowing Fields, also more: borrowing Fields, _ framing: MessageEncoder.Body,
        closing: Bool
    ) -> [UInt8] {
        let persistence = persistence(framing, closing: closing)
        var output: [UInt8] = []
        MessageEncoder.appendHead(status, fields, also: more, framing, persistence, date: server.date(), to: &output)
        return output
    }

    /// Writes a whole answer where nobody has to wait.
    ///
    /// - Parameter isBare: true for a head that only speaks of the body.
    /// - Returns: nil where it is written; otherwise what `write` is to be given.
    // Not in line: in a function that may wait, what is lent would be counted as held.
    @inline(never)
    func sendNow(
        _ status: Status, _ fields: borrowing Fields, also more: borrowing Fields, _ framing: MessageEncoder.Body,
        _ body: borrowing [UInt8], isBare: Bool, closing: Bool
    ) throws(IOFailure) -> (first: [UInt8], second: [UInt8])? {
        guard body.count <= TLSLimits.recordBytes - MessageEncoder.headBytesMax(fields, more) else {
            return (encodedHead(status, fields, also: more, framing, closing: closing), isBare ? [] : copy body)
        }
        let persistence = persistence(framing, closing: closing)
        let date = server.date()
        let unwritten = try transport.writeNow { output in
            MessageEncoder.appendHead(status, fields, also: more, framing, persistence, date: date, to: &output)
            if !isBare { output.append(body.span) }
        }
        return unwritten.map { ($0, []) }
    }

    /// Writes a chunk of a body, behind what is left of the head, where nobody has to wait.
    ///
    /// - Parameter isLast: true where the body ends behind it.
    /// - Returns: nil where it is written; otherwise what `write` is to be given.
    func sendNow(
        _ head: borrowing [UInt8], chunk data: borrowing [UInt8], isLast: Bool
    ) throws(IOFailure) -> (first: [UInt8], second: [UInt8])? {
        guard head.count + data.count <= TLSLimits.recordBytes - MessageEncoder.chunkFrameBytesMax else {
            var chunk: [UInt8] = []
            MessageEncoder.appendChunk(data.span, to: &chunk)
            if isLast { MessageEncoder.appendLastChunk(to: &chunk) }
            return (copy head, chunk)
        }
        let unwritten = try transport.writeNow { output in
            output.append(head.span)
            MessageEncoder.appendChunk(data.span, to: &output)
            if isLast { MessageEncoder.appendLastChunk(to: &output) }
        }
        return unwritten.map { ($0, []) }
    }

    /// Writes two pieces as one where nobody has to wait; false where `write` has to.
    func writeNow(_ first: [UInt8], _ second: [UInt8]) throws(IOFailure) -> Bool {
        try transport.writeNow(first, second)
    }

    /// Writes two pieces as one. Each slice of a large one has the write timeout to itself, so that a reader need not be
    /// fast, only be there.
    func write(_ first: [UInt8], _ second: [UInt8] = []) async throws(IOFailure) {
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
        transport.writeDeadline = loop.now + limits.lingerTimeout
        await transport.close(draining: HTTPMaxima.lingerBytes, until: loop.now + limits.lingerTimeout)
    }
}
