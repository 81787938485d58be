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

    let responder: any Responder
    let onDefect: DefectResponder
    private(set) var isDraining = false

    private let admission: ConnectionAdmission
    private var listeners: [Listener] = []
    private var connections: [ObjectIdentifier: ServerConnection] = [:]
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
        try listener.start { [unowned self] in accept($0) }
        listeners.append(listener)
    }

    /// Stops: listeners close, idle connections close at once, the others behind the answer they are working on. What
    /// is left at the deadline is broken off, and its requests' cancellations fire.
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

    /// The date field's value at this moment.
    func date() -> [UInt8] {
        dates.bytes(at: .now())
    }

    private func accept(_ socket: Socket) {
        let connection = ServerConnection(socket, of: self)
        guard !isDraining, admission.admit(connection.address) else { return socket.abort(.cancelled) }
        connections[ObjectIdentifier(connection)] = connection
        let context = context
        loop.spawn {
            await connection.run(context)
            self.forget(connection)
        }
    }

    private func forget(_ connection: ServerConnection) {
        connections[ObjectIdentifier(connection)] = nil
        admission.release(connection.address)
        if connections.isEmpty { whenEmpty?.fulfil(true) }
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
