// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
package import Platform

extension Socket {
    /// Connects to exactly this address. On the loop's thread.
    /// - Throws: `.timedOut` at the deadline, `.cancelled` when `cancellation` fires, or the system's refusal.
    package static func connect(
        to address: SocketAddress, on loop: EventLoop, deadline: Instant? = nil, cancellation: Cancellation? = nil
    ) async throws(IOFailure) -> Socket {
        loop.settleDues()
        if cancellation?.isFired == true { throw .cancelled }
        let socket: Socket
        do throws(Errno) {
            socket = try begin(address, on: loop)
        } catch {
            throw IOFailure(error)
        }
        let token = cancellation?.onFire { socket.abort(.cancelled) }
        defer { if let token { cancellation?.remove(token) } }
        do throws(IOFailure) {
            socket.writeDeadline = deadline
            try await socket.wait(.writer, for: .write)
            try socket.checkConnected()
            socket.writeDeadline = nil
        } catch {
            socket.abort(error)
            throw error
        }
        return socket
    }

    /// A pair of connected local sockets, for tests and for talking to oneself.
    package static func pair(on loop: EventLoop) throws(Errno) -> (Socket, Socket) {
        var ends: [CInt] = [-1, -1]
        // SAFETY: two numbers, as socketpair(2) wants.
        try Errno.check { unsafe clinux_socket_pair(&ends) }
        let first = FileDescriptor(owning: ends[0])
        let second = FileDescriptor(owning: ends[1])
        return (
            try Socket(first, peer: .unix(path: ""), on: loop), try Socket(second, peer: .unix(path: ""), on: loop)
        )
    }

    private static func begin(_ address: SocketAddress, on loop: EventLoop) throws(Errno) -> Socket {
        let descriptor = FileDescriptor(owning: try Errno.check { clinux_stream_socket(address.family) })
        let number = descriptor.rawValue
        if address.port != nil { clinux_no_delay(number) }
        try unsafe address.withSystem { (pointer, length) throws(Errno) in
            guard unsafe Glibc.connect(number, pointer, length) != 0 else { return }
            // Interrupted, it goes on by itself, as it does when in progress (connect(2)).
            let result = Errno.last
            guard result == .inProgress || result == .interrupted else { throw result }
        }
        return try Socket(descriptor, peer: address, isConnecting: true, on: loop)
    }
}
