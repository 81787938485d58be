// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import Glibc
import HTTP
import Log
import Platform

/// Every listening socket of the house, bound but not yet in a loop: one of each address for each loop (SO_REUSEPORT, so
/// that each has a queue of its own), and the admin socket.
///
/// A door for which sockets were handed over (`InheritedSockets`) listens on these and on nothing else; its loops share
/// the queue of each.
struct ListeningSockets {
    private var secure: [[SocketBox]]
    private var plain: [[SocketBox]]
    private var admin: SocketBox?
    let secureAddress: SocketAddress?
    let plainAddress: SocketAddress?

    init(_ plan: Server.Plan) throws(StartFailure) {
        let inherited = try Self.adopt(plan)
        let missing = { (door: Door, addresses: [SocketAddress]) throws(StartFailure) -> [[SocketBox]] in
            if let handed = inherited[door] { return handed }
            return try Self.bind(addresses, loops: plan.loops.count)
        }
        secure = try missing(.secure, plan.settings.listen)
        plain = try missing(.plain, plan.settings.redirect)
        secureAddress = secure.first?.first?.address
        plainAddress = plain.first?.first?.address
        if let handed = inherited[.admin] {
            admin = handed.first?.first
        } else if plan.admin != nil, let path = plan.socketPath {
            admin = try SocketBox(.unix(path: path), sharesPort: false)
        }
    }

    /// The sockets that were handed over, by door; one row a socket, with one duplicate of it for each loop.
    private static func adopt(_ plan: Server.Plan) throws(StartFailure) -> [Door: [[SocketBox]]] {
        var doors: [Door: [[SocketBox]]] = [:]
        for item in plan.inherited.items {
            let socket = try SocketBox(adopting: item)
            let door = try Door.of(item, at: socket.address, plan.settings, socketPath: plan.socketPath)
            if door == .admin, plan.admin == nil || doors[.admin] != nil {
                throw StartFailure(
                    plan.admin == nil
                        ? "a socket named admin was handed over, and there is no section [admin]"
                        : "more than one socket was handed over for [admin]")
            }
            // What [http] promises of development, a socket unit must not undo.
            if plan.isDevelopment, door != .admin, socket.address.ip?.isLoopback != true {
                throw StartFailure("development mode listens on loopback only, and was handed \(socket.address)")
            }
            var row = [socket]
            for _ in 1..<max(1, plan.loops.count) { row.append(try socket.duplicate()) }
            doors[door, default: []].append(row)
        }
        return doors
    }

    /// Hands the sockets of one loop to its servers.
    func listen(
        secure secureServer: HTTPServer, plain plainServer: HTTPServer?, admin adminServer: HTTPServer?, loopIndex: Int,
        log: Logger
    ) {
        for address in secure { address[loopIndex].open(secureServer, log) }
        if let plainServer {
            for address in plain { address[loopIndex].open(plainServer, log) }
        }
        if let adminServer, let admin { admin.open(adminServer, log) }
    }

    /// One row an address, one socket a loop. The first socket decides the port where 0 was asked for.
    private static func bind(_ addresses: [SocketAddress], loops: Int) throws(StartFailure) -> [[SocketBox]] {
        var rows: [[SocketBox]] = []
        for address in addresses {
            guard let first = try SocketBox(address, sharesPort: true, mayBeMissing: addresses.count > 1) else {
                continue
            }
            var row = [first]
            for _ in 1..<max(1, loops) { row.append(try first.sibling()) }
            rows.append(row)
        }
        return rows
    }
}

/// Carries a listening socket, which has one owner, to the loop that will own it.
final class SocketBox: @unchecked Sendable {
    let address: SocketAddress
    /// Taken once, on the loop; the post that brings this box there orders the two threads.
    private var socket: ListeningSocket?

    /// - Parameter mayBeMissing: gives `nil` for the loopback address of a protocol that this host does not have: a machine
    ///   without IPv6 still has 127.0.0.1.
    init?(_ address: SocketAddress, sharesPort: Bool, mayBeMissing: Bool = false) throws(StartFailure) {
        do throws(Errno) {
            let socket = try ListeningSocket(on: address, sharesPort: sharesPort)
            self.address = socket.address
            self.socket = consume socket
        } catch .addressInUse {
            throw StartFailure(
                "\(address) is in use", hint: "stop what listens there, or choose another address in [http]")
        } catch .permissionDenied {
            throw StartFailure(
                "\(address) may not be bound by this user", hint: "ports below 1024 need CAP_NET_BIND_SERVICE")
        } catch {
            let isMissing = error == Errno(EAFNOSUPPORT) || error == Errno(EADDRNOTAVAIL)
            if isMissing, mayBeMissing, address.ip?.isLoopback == true { return nil }
            throw StartFailure(
                "cannot listen on \(address): \(error)",
                hint: isMissing ? "this host does not have that address; name one that it has in [http] listen" : nil)
        }
    }

    /// Takes over a socket that was bound for this process.
    init(adopting item: InheritedSockets.Item) throws(StartFailure) {
        do throws(Errno) {
            let socket = try ListeningSocket(adopting: FileDescriptor(owning: item.descriptor))
            address = socket.address
            self.socket = consume socket
        } catch {
            throw StartFailure(
                "descriptor \(item.descriptor)\(item.name.isEmpty ? "" : " (\(item.name))") is no listening stream socket",
                hint: "the socket unit has ListenStream= lines and Accept=no (systemd.socket(5))")
        }
    }

    private init(address: SocketAddress, _ socket: consuming ListeningSocket) {
        self.address = address
        self.socket = consume socket
    }

    /// Another queue on the same port, for another loop. Before `open`.
    func sibling() throws(StartFailure) -> SocketBox {
        do throws(Errno) {
            guard let other = try socket?.sibling() else { throw .badDescriptor }
            return SocketBox(address: address, other)
        } catch {
            throw StartFailure("cannot listen on \(address) a second time: \(error)")
        }
    }

    /// The same queue for another loop. Before `open`.
    func duplicate() throws(StartFailure) -> SocketBox {
        do throws(Errno) {
            guard let copy = try socket?.duplicate() else { throw .badDescriptor }
            return SocketBox(address: address, copy)
        } catch {
            throw StartFailure("the socket \(address) cannot be shared between the loops: \(error)")
        }
    }

    /// Has a server accept from the socket, on the server's loop.
    func open(_ server: HTTPServer, _ log: Logger) {
        server.loop.post { [self] in
            guard let socket = socket.take() else { return }
            do throws(Errno) {
                try server.listen(on: socket)
            } catch {
                log.error("cannot accept", ["address": .string("\(address)"), "cause": .string("\(error)")])
            }
        }
    }
}
