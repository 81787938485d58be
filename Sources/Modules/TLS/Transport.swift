// SPDX-License-Identifier: Apache-2.0
package import Bytes
package import EventLoop
package import Platform

/// One byte stream, plain or TLS, on one loop. One task may read and one may write at a time.
///
/// It is ended by `close` or `abort`; dropped without either, the connection closes without a goodbye.
package final class Transport: @unchecked Sendable {
    /// What was agreed in a TLS handshake.
    package struct Security: Equatable, Sendable {
        /// `TLSv1.3` or `TLSv1.2`.
        package let version: String
        /// The name of the cipher suite.
        package let cipher: String
        /// The protocol chosen by ALPN; nil when there was none.
        package let applicationProtocol: String?
        /// True when the handshake took up an earlier session.
        package let isResumed: Bool
    }

    private let socket: Socket
    /// Nil for a plain stream.
    private let session: TLSSession?
    /// What the last read that gave nothing waits for.
    private var readInterest = Socket.Interest.read

    private init(_ socket: Socket, _ session: TLSSession?) {
        self.socket = socket
        self.session = session
    }

    /// Wraps an accepted socket; with a context as the server's side of TLS, which begins with `shakeHands`.
    package convenience init(accepting socket: Socket, _ context: TLSServerContext?) throws(IOFailure) {
        if let context {
            self.init(socket, try TLSSession(accepting: socket, context))
        } else {
            self.init(socket, nil)
        }
    }

    /// Wraps an accepted socket; with a context, after the server's side of a TLS handshake.
    ///
    /// On failure the socket is closed. The deadline is for the handshake; afterwards there is none.
    package static func accept(
        _ socket: Socket, _ context: TLSServerContext? = nil, deadline: Instant? = nil
    ) async throws(IOFailure) -> Transport {
        let transport: Transport
        do throws(IOFailure) {
            transport = try Transport(accepting: socket, context)
        } catch {
            socket.close()
            throw error
        }
        try await transport.shakeHands(deadline: deadline)
        return transport
    }

    /// Connects to exactly this address; with a context, after a TLS handshake in which the server has proved to be
    /// `host` (a name, or an address as text).
    package static func connect(
        to address: SocketAddress, host: String, _ context: TLSClientContext? = nil, on loop: EventLoop,
        deadline: Instant? = nil, cancellation: Cancellation? = nil
    ) async throws(IOFailure) -> Transport {
        let socket = try await Socket.connect(to: address, on: loop, deadline: deadline, cancellation: cancellation)
        guard let context else { return Transport(socket, nil) }
        let token = cancellation?.onFire { socket.abort(.cancelled) }
        defer { if let token { cancellation?.remove(token) } }
        let session: TLSSession
        do throws(IOFailure) {
            session = try TLSSession(connecting: socket, context, host: host, port: address.port ?? 0)
        } catch {
            socket.close()
            throw error
        }
        let transport = Transport(socket, session)
        try await transport.shakeHands(deadline: deadline)
        return transport
    }

    /// The handshake of TLS, before anything else; nothing for a plain stream. The deadline is for it alone; afterwards
    /// there is none. On failure the socket is closed, not broken off: the other side is told why.
    package func shakeHands(deadline: Instant?) async throws(IOFailure) {
        guard let session else { return }
        socket.deadline = deadline
        do throws(IOFailure) {
            while case .wait(let interest) = try session.shakeHands() { try await socket.wait(.reader, for: interest) }
        } catch {
            socket.close()
            throw error
        }
        socket.deadline = nil
    }

    /// What TLS agreed on; nil for a plain stream.
    package var security: Security? {
        session.map {
            Security(
                version: $0.version, cipher: $0.cipher, applicationProtocol: $0.applicationProtocol,
                isResumed: $0.isResumed)
        }
    }
}

// Reading and writing.
extension Transport {
    /// Reads what is there, at most `count` bytes, behind what the buffer holds. Waits when there is nothing.
    /// - Returns: the number of bytes, 0 at the orderly end of the stream.
    /// - Throws: `.timedOut` at the read deadline, after which reading may go on; otherwise the stream is over.
    package func read(
        into buffer: inout ByteBuffer, upTo count: Int = TLSLimits.recordBytes
    ) async throws(IOFailure) -> Int {
        precondition(buffer.room > 0 && count > 0, "a read needs room")
        while true {
            var interest = Socket.Interest.read
            var isDone = false
            let given = try unsafe buffer.fill(upTo: count) { (room) throws(IOFailure) -> Int in
                switch try unsafe tryRead(into: room) {
                case .done(let count):
                    isDone = true
                    return count
                case .wait(let wanted):
                    interest = wanted
                    return 0
                }
            }
            if isDone {
                await share()
                return given
            }
            try await socket.wait(.reader, for: interest)
        }
    }

    /// Reads what is there, at most `count` bytes and `EventLoopLimits.scratchBytes`, as an array of just that length.
    /// Waits when there is nothing. Empty at the orderly end of the stream.
    package func read(upTo count: Int = EventLoopLimits.scratchBytes) async throws(IOFailure) -> [UInt8] {
        while true {
            if let bytes = try readNow(upTo: count) {
                await share()
                return bytes
            }
            try await waitToRead()
        }
    }

    /// The same where nobody has to wait; nil when there is nothing. Whoever reads again and again shares the loop.
    package func readNow(upTo count: Int = EventLoopLimits.scratchBytes) throws(IOFailure) -> [UInt8]? {
        precondition(count > 0, "a read needs room")
        // SAFETY: the scratch belongs to whoever runs on the loop; the bytes are copied out before anybody else does.
        let scratch = unsafe socket.loop.scratch
        let room = unsafe UnsafeMutableRawBufferPointer(rebasing: scratch[..<min(count, scratch.count)])
        switch try unsafe tryRead(into: room) {
        case .done(let given):
            return unsafe [UInt8](copying: UnsafeRawBufferPointer(rebasing: room[..<given]))
        case .wait(let interest):
            readInterest = interest
            return nil
        }
    }

    /// Waits until `readNow`, which gave nothing, may give something.
    /// - Throws: `.timedOut` at the read deadline, after which reading may go on; otherwise the stream is over.
    package func waitToRead() async throws(IOFailure) {
        try await socket.wait(.reader, for: readInterest)
    }

    /// Calls `body` once, on the loop, when `waitToRead` would return or throw: for a stream that may rest for long.
    package func whenReadable(_ body: @escaping () -> Void) {
        socket.notify(readInterest, body)
    }

    /// True when this stream has moved so much within one turn of the loop that the others come first.
    package var shouldShare: Bool { socket.shouldShare }

    /// Lets the others go first where it is their turn.
    package func share() async {
        await socket.share()
    }

    /// Writes all bytes; returns when they are held for the end of the turn or the kernel has taken them. There is a bound
    /// to what is held, which is the stream's back-pressure.
    /// - Throws: also `.timedOut` leaves a part written: the stream can only be aborted then.
    package func write(_ bytes: [UInt8]) async throws(IOFailure) {
        try await write(bytes, [])
    }

    /// Writes two pieces as one, without copying them together where they are large.
    package func write(_ first: [UInt8], _ second: [UInt8]) async throws(IOFailure) {
        var written = 0
        while written < first.count + second.count {
            switch try attemptWrite(first, second, from: written) {
            case .done(let count):
                written += count
                await share()
            case .wait(let interest):
                try await socket.wait(.writer, for: interest)
            }
        }
    }

    /// Writes two pieces that together fit into a record, where nobody has to wait.
    /// - Returns: false where they have to be given to `write`, the same ones and first.
    package func writeNow(_ first: [UInt8], _ second: [UInt8]) throws(IOFailure) -> Bool {
        guard first.count + second.count <= TLSLimits.recordBytes else { return false }
        if case .done = try attemptWrite(first, second, from: 0) { return true }
        return false
    }

    /// Writes what `compose` puts into a record's room, where nobody has to wait.
    /// - Returns: nil where it is written; otherwise what was put together, to be given to `write` as it is, and first.
    @inline(__always)
    package func writeNow(composing compose: (inout OutputSpan<UInt8>) -> Void) throws(IOFailure) -> [UInt8]? {
        // SAFETY: the scratch is longer than a record, and nobody else runs on the loop until the call returns.
        let room = unsafe UnsafeMutableRawBufferPointer(rebasing: socket.loop.scratch[..<TLSLimits.recordBytes])
        let buffer = unsafe room.bindMemory(to: UInt8.self)
        var output = unsafe OutputSpan(buffer: buffer, initializedCount: 0)
        compose(&output)
        let count = unsafe output.finalize(for: buffer)
        let record = unsafe UnsafeRawBufferPointer(rebasing: room[..<count])
        // Not bound to a name, a session is not counted.
        if let attempt = try unsafe session?.write(record) {
            if case .done = attempt { return nil }
        } else if try unsafe socket.hold(record, UnsafeRawBufferPointer(start: nil, count: 0)) {
            return nil
        }
        return unsafe [UInt8](copying: record)
    }

    /// True while whoever waits to read waits for something new to do: what is under way on the loop goes first.
    package var readerBegins: Bool {
        get { socket.readerBegins }
        set { socket.readerBegins = newValue }
    }

    /// True while nothing waits to be read: neither bytes, nor an end, nor a failure. What TLS says on its own behalf
    /// (session tickets) is taken in on the way. For a stream at rest, which anything else makes useless: a byte that is
    /// there is lost.
    package var isQuiet: Bool {
        // SAFETY: the scratch is longer than a byte, and nobody else runs on the loop until the call returns.
        let byte = unsafe UnsafeMutableRawBufferPointer(rebasing: socket.loop.scratch[..<1])
        do throws(IOFailure) {
            if case .wait = try unsafe tryRead(into: byte) { return true }
        } catch {}
        return false
    }

    private func tryRead(into room: UnsafeMutableRawBufferPointer) throws(IOFailure) -> Attempt {
        // As above.
        if let attempt = try unsafe session?.read(into: room) { return attempt }
        guard let count = try unsafe socket.tryRead(into: room) else { return .wait(.read) }
        return .done(count)
    }

    private func attemptWrite(_ first: [UInt8], _ second: [UInt8], from start: Int) throws(IOFailure) -> Attempt {
        // The closures of the standard library cannot rethrow a typed error through two levels without help.
        let outcome: Result<Attempt, IOFailure> = unsafe first.withUnsafeBytes { first in
            unsafe second.withUnsafeBytes { second in
                let head = unsafe UnsafeRawBufferPointer(rebasing: first[min(start, first.count)...])
                let tail = unsafe UnsafeRawBufferPointer(rebasing: second[max(0, start - first.count)...])
                do throws(IOFailure) {
                    return .success(try unsafe tryWrite(head, tail))
                } catch {
                    return .failure(error)
                }
            }
        }
        return try outcome.get()
    }

    private func tryWrite(
        _ head: UnsafeRawBufferPointer, _ tail: UnsafeRawBufferPointer
    ) throws(IOFailure) -> Attempt {
        guard let session else {
            let count = head.count + tail.count
            if count <= TLSLimits.recordBytes, try unsafe socket.hold(head, tail) { return .done(count) }
            guard let count = try unsafe socket.tryWrite(head, tail) else { return .wait(.write) }
            return .done(count)
        }
        if unsafe tail.isEmpty || head.count >= TLSLimits.recordBytes { return try unsafe session.write(head) }
        if unsafe head.isEmpty { return try unsafe session.write(tail) }
        // A small head and the start of a body share a record. Should it have to be tried again, the same bytes are put
        // together again.
        let record = unsafe socket.loop.scratch
        let rest = min(tail.count, TLSLimits.recordBytes - head.count)
        // SAFETY: the scratch is longer than a record, and nobody else runs on the loop until the call returns.
        unsafe record.copyMemory(from: head)
        unsafe UnsafeMutableRawBufferPointer(rebasing: record[head.count...])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: tail[..<rest]))
        return try unsafe session.write(
            UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(record)[..<(head.count + rest)]))
    }
}

// The socket underneath.
extension Transport {
    /// The loop it lives on.
    package var loop: EventLoop { socket.loop }
    /// The address of the other side.
    package var peer: SocketAddress { socket.peer }
    /// Who connected, for local sockets.
    package var peerCredentials: PeerCredentials? { socket.peerCredentials }
    /// True until it was closed, was aborted, or the socket failed.
    package var isOpen: Bool { socket.isOpen }
    /// How the other side has ended, as far as the kernel said so.
    package var peerClosure: PeerClosure? { socket.peerClosure }

    /// Until when a read waits; nil: as long as it takes. Moving it costs almost nothing.
    package var readDeadline: Instant? {
        get { socket.readDeadline }
        set { socket.readDeadline = newValue }
    }

    /// Until when a write waits; nil: as long as it takes.
    package var writeDeadline: Instant? {
        get { socket.writeDeadline }
        set { socket.writeDeadline = newValue }
    }

    /// Both deadlines.
    package var deadline: Instant? {
        get { socket.deadline }
        set { socket.deadline = newValue }
    }

    /// Called once, on the loop, when the other side has ended or broken the connection, also while nobody reads. Set
    /// after that has happened, it is called at once. `close` and `abort` forget it.
    package var onPeerClosed: ((PeerClosure) -> Void)? {
        get { socket.onPeerClosed }
        set { socket.onPeerClosed = newValue }
    }

    /// True while `onPeerClosed` is set.
    package var watchesPeer: Bool { socket.watchesPeer }
}

// Ending.
extension Transport {
    /// Ends the stream in order: TLS says goodbye, what was written is still sent. Nobody may be writing.
    package func close() async {
        await finishWriting()
        socket.close()
    }

    /// Ends the stream in order although the other side may still be sending: what comes is read and dropped, at most
    /// `bytesMax` bytes and until `deadline`, so that a reset does not destroy the answer on its way (RFC 9112 §9.6).
    package func close(draining bytesMax: Int, until deadline: Instant) async {
        await finishWriting()
        socket.shutdownWriting()
        socket.readDeadline = deadline
        var drained = 0
        while drained < bytesMax {
            let scratch = unsafe socket.loop.scratch
            do throws(IOFailure) {
                // Past TLS: nobody wants to know what it says.
                if let count = try unsafe socket.tryRead(into: scratch) {
                    guard count > 0 else { break }
                    drained += count
                    await share()
                } else {
                    try await socket.wait(.reader, for: .read)
                }
            } catch { break }
        }
        socket.close()
    }

    /// Breaks the stream off. Whoever reads or writes here fails with `reason` at once, the other side sees a reset.
    package func abort(_ reason: IOFailure = .closed) {
        socket.abort(reason)
    }

    private func finishWriting() async {
        let latest = loop.now + TLSLimits.goodbye
        socket.writeDeadline = socket.writeDeadline.map { min($0, latest) } ?? latest
        do throws(IOFailure) {
            if let session {
                while case .wait(.write) = try session.sayGoodbye() { try await socket.wait(.writer, for: .write) }
            }
            while try !socket.sendHeld() { try await socket.wait(.writer, for: .write) }
        } catch {
            // The other side has gone first; there is nobody to say goodbye to.
        }
    }
}
