// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
package import Platform

/// A listening socket in a loop's epoll set. Each connection is handed over as a `Socket` on that loop.
///
/// It accepts a bounded number a turn, and rests when no descriptor is left instead of spinning on a queue it cannot
/// take from.
package final class Listener: EventSource, @unchecked Sendable {
    /// The loop it lives on.
    package let loop: EventLoop
    /// Where it listens, with the port the kernel chose if 0 was asked for.
    package let address: SocketAddress

    private let isShared: Bool
    private let holder: Holder
    private var id: UInt64?
    private var accept: ((Socket) -> Void)?
    private var rest: Timer?
    private var isPaused = false

    /// Called when the process or the system has no descriptor (or memory) left, once each time it starts to rest.
    package var onExhausted: ((Errno) -> Void)?

    /// Takes over a listening socket. Any thread; everything after is for the loop's.
    package init(_ socket: consuming ListeningSocket, on loop: EventLoop) {
        self.loop = loop
        address = socket.address
        isShared = socket.isShared
        holder = Holder(socket)
    }

    deinit {
        guard let id, let number = holder.number else { return }
        let (loop, holder) = (loop, holder)
        if loop.isCurrent {
            rest?.cancel()
            loop.unregister(id, descriptor: number)
        } else {
            // The slot is the loop's to clear; the descriptor stays open until then.
            loop.post {
                loop.unregister(id, descriptor: number)
                holder.socket = nil
            }
        }
    }

    /// Begins to accept, and hands each connection to `accept`.
    package func start(_ accept: @escaping (Socket) -> Void) throws(Errno) {
        loop.checkThread()
        self.accept = accept
        try watch()
    }

    /// Leaves connections in the kernel's queue until `resume`.
    package func pause() {
        loop.checkThread()
        isPaused = true
        unwatch()
    }

    /// Goes on after `pause`.
    package func resume() throws(Errno) {
        loop.checkThread()
        isPaused = false
        try watch()
    }

    /// Stops for good. Connections that the kernel has queued are refused, unless another loop listens there too.
    package func close() {
        loop.checkThread()
        rest?.cancel()
        rest = nil
        unwatch()
        accept = nil
        holder.socket = nil
    }

    override func loopEnds() {
        close()
    }

    override func handle(_ events: UInt32) {
        for _ in 0..<EventLoopLimits.acceptsPerTurn {
            guard let number = holder.number, let accept, id != nil else { return }
            let (result, peer) = unsafe SocketAddress.read { unsafe clinux_accept(number, $0, $1) }
            guard result >= 0 else {
                if react(to: .last) { continue } else { return }
            }
            let descriptor = FileDescriptor(owning: result)
            let isLocal = address.port == nil
            if !isLocal { clinux_no_delay(result) }
            let credentials = isLocal ? PeerCredentials(of: result) : nil
            // A local connection whose other end the kernel cannot name is nobody's.
            guard !isLocal || credentials != nil else { continue }
            do throws(Errno) {
                accept(
                    try Socket(
                        descriptor, peer: peer ?? .unix(path: ""), credentials: credentials, on: loop))
            } catch {
                beginRest(error)
                return
            }
        }
    }

    /// True when the next connection can be tried at once.
    private func react(to number: Errno) -> Bool {
        switch number {
        case .wouldBlock:
            return false
        case .tooManyOpenFiles, .tooManyOpenFilesInSystem, .noBuffers, .outOfMemory:
            beginRest(number)
            return false
        case .badDescriptor, .invalidArgument, .notSocket:
            preconditionFailure("accept on what is no listening socket")
        default:
            // Errors of a connection that is gone already (accept(2)): the next one may be well.
            return true
        }
    }

    private func beginRest(_ number: Errno) {
        unwatch()
        onExhausted?(number)
        rest = loop.schedule(after: EventLoopLimits.acceptRest) { [weak self] in
            guard let self, !self.isPaused else { return }
            do throws(Errno) { try self.watch() } catch { self.beginRest(error) }
        }
    }

    private func watch() throws(Errno) {
        guard id == nil, let number = holder.number, accept != nil else { return }
        // Level-triggered: what a turn leaves in the queue is told again in the next one. Where several loops share one
        // queue, the kernel wakes one of them.
        let events = clinux_EPOLLIN | (isShared ? clinux_EPOLLEXCLUSIVE : 0)
        id = try loop.register(self, descriptor: number, events: events)
    }

    private func unwatch() {
        guard let id, let number = holder.number else { return }
        loop.unregister(id, descriptor: number)
        self.id = nil
    }
}

/// Lets a closure own a listening socket.
private final class Holder: @unchecked Sendable {
    var socket: ListeningSocket?

    init(_ socket: consuming ListeningSocket) {
        self.socket = consume socket
    }

    var number: CInt? { socket?.descriptor.rawValue }
}

extension PeerCredentials {
    /// Asks the kernel who connected a local socket.
    init?(of descriptor: CInt) {
        var credentials = clinux_credentials()
        // SAFETY: the structure has the layout of `struct ucred` and lives through the call.
        guard unsafe clinux_peer_credentials(descriptor, &credentials) == 0 else { return nil }
        self.init(processID: credentials.pid, userID: credentials.uid, groupID: credentials.gid)
    }
}
