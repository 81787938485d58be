// SPDX-License-Identifier: Apache-2.0

package import EventLoop
package import Platform
package import TLS

/// The HTTP server of one loop: its listeners, its connections, and what they share. A machine's server is one of these
/// for each loop, with one `ConnectionAdmission` between them.
///
/// Everything but `init` is for the loop's own thread.
package final class HTTPServer: @unchecked Sendable {
    package let loop: EventLoop
    package let limits: HTTPServerLimits

    /// The certificate for the connections that follow; nil for a server in plain text. Changing it drops nobody.
    package var context: TLSServerContext?

    /// Whose word about a client's address is believed; nil for nobody's. Set before it listens.
    package var proxies: TrustedProxies?

    /// Called when there was no descriptor (or memory) left for a connection.
    package var onExhausted: (@Sendable (Errno) -> Void)?

    let responder: any Responder
    let onDefect: DefectResponder
    private(set) var isDraining = false

    private let admission: ConnectionAdmission
    private var listeners: [Listener] = []
    private var connections: [ObjectIdentifier: ServerConnection] = [:]
    /// Those of them for which nothing is being done.
    private var waiting = WaitingConnections()
    private var dates = DateCache()
    private var whenEmpty: OneShot<Bool>?

    /// - Parameter onDefect: gives the answers that no responder makes; the server adds `connection: close`.
    package init(
        on loop: EventLoop, limits: HTTPServerLimits, admission: ConnectionAdmission, context: TLSServerContext? = nil,
        responder: any Responder, onDefect: @escaping DefectResponder = DefectAnswer.plain
    ) {
        self.loop = loop
        self.limits = limits
        self.admission = admission
        self.context = context
        self.responder = responder
        self.onDefect = onDefect
    }

    /// The number of open connections, those in the handshake included.
    package var connectionCount: Int { connections.count }

    /// Accepts connections from `socket` until the server drains.
    package func listen(on socket: consuming ListeningSocket) throws(Errno) {
        loop.checkThread()
        let listener = Listener(socket, on: loop)
        listener.onExhausted = { [unowned self] in makeRoom(after: $0) }
        try listener.start { [unowned self] in accept($0) }
        listeners.append(listener)
    }

    /// Stops: listeners close, idle connections close at once, the others behind the answer they are working on, or behind
    /// the one to a request that is on its way. What is left at the deadline is broken off, and its requests' cancellations
    /// fire.
    ///
    /// - Returns: true if nothing had to be broken off.
    @discardableResult
    package func drain(until deadline: Instant) async -> Bool {
        loop.checkThread()
        isDraining = true
        for listener in listeners { listener.close() }
        listeners = []
        for connection in connections.values { connection.drain() }
        if await becomesEmpty(before: deadline) { return true }
        for connection in connections.values { connection.abort(.stopping) }
        // The tasks of the aborted connections have only to notice.
        _ = await becomesEmpty(before: loop.now + .seconds(1))
        return false
    }

    /// The date field at this moment.
    func date() -> DateLine {
        dates.line(at: loop.now)
    }

    private func accept(_ socket: Socket) {
        // A proxy's connections are those of many.
        let isProxy = proxies?.trusts(.address(socket.peer)) ?? false
        let address = socket.peerCredentials == nil && !isProxy ? socket.peer.ip : nil
        guard !isDraining, admit(address) else { return socket.abort(.cancelled) }
        let connection: ServerConnection
        do throws(IOFailure) {
            connection = try ServerConnection(socket, context, address, of: self)
        } catch {
            admission.release(address)
            return socket.abort(error)
        }
        connections[ObjectIdentifier(connection)] = connection
        waiting.move(connection, to: .rest, at: loop.now)
        run(connection)
    }

    /// Serves a connection until it ends or rests.
    func run(_ connection: ServerConnection) {
        loop.spawn {
            await connection.run()
            guard connection.isResting else { return self.forget(connection) }
            connection.rest()
        }
    }

    /// When all places are taken, one that waits gives way to one that comes: whoever only holds connections open would
    /// otherwise lock everybody out. Nobody who is being served gives way. Each loop closes its own; the kernel spreads
    /// connections over the loops, so that none is without for long.
    private func admit(_ address: IPAddress?) -> Bool {
        switch admission.admit(address) {
        case .admitted: return true
        case .addressFull: return false
        case .full:
            guard let other = waiting.first(at: loop.now) else { return false }
            remove(other)
            return admission.admit(address) == .admitted
        }
    }

    /// Gives back some descriptors. The listener rests meanwhile.
    private func makeRoom(after cause: Errno) {
        for _ in 0..<HTTPMaxima.closedWhenExhausted {
            guard let idle = waiting.idle else { break }
            remove(idle)
        }
        onExhausted?(cause)
    }

    /// Ends a connection that waits, and counts it no more.
    private func remove(_ connection: ServerConnection) {
        waiting.move(connection, to: nil, at: loop.now)
        release(connection)
        connection.leave()
    }

    /// A connection waits from now on, or (nil) does not.
    func note(_ connection: ServerConnection, waitsFor kind: WaitingConnections.Kind?) {
        waiting.move(connection, to: connection.isLeaving ? nil : kind, at: loop.now)
    }

    private func release(_ connection: ServerConnection) {
        guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        admission.release(connection.address)
        if connections.isEmpty { whenEmpty?.fulfil(true) }
    }

    private func forget(_ connection: ServerConnection) {
        waiting.move(connection, to: nil, at: loop.now)
        release(connection)
    }

    private func becomesEmpty(before deadline: Instant) async -> Bool {
        guard !connections.isEmpty else { return true }
        let empty = OneShot<Bool>(on: loop)
        whenEmpty = empty
        let timer = loop.makeTimer { empty.fulfil(false) }
        timer.reschedule(at: deadline)
        defer { timer.cancel() }
        return await empty.value()
    }
}
