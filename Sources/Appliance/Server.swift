// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import HTTP
import Log
import Platform
import TLS

/// The doors of the house on its loops: TLS, plain HTTP that redirects, and the admin socket.
///
/// Made and told what to do from the main thread; what happens on a loop is posted there.
final class Server: Sendable {
    /// The address of the first TLS listener, with the port the kernel chose if 0 was asked for.
    let address: SocketAddress?
    /// The same for the plain listener.
    let redirectAddress: SocketAddress?

    private let loops: [EventLoop]
    /// The servers of a loop.
    private let doors: [Doors]
    private let network: FrontDoor
    private let log: Logger

    private struct Doors: Sendable {
        let loop: EventLoop
        let secure: HTTPServer
        let plain: HTTPServer?
        let admin: HTTPServer?

        var all: [HTTPServer] { [secure, plain, admin].compactMap { $0 } }
    }

    /// What the doors are made of.
    struct Plan {
        let settings: HTTPSettings
        let context: TLSServerContext
        let network: FrontDoor
        let stages: Stages
        /// Makes the redirecting responder once the port of the TLS listener is known.
        let redirect: (_ port: Int) -> any Responder
        let admin: (any Responder)?
        let socketPath: String?
        /// Sockets that were bound for this process.
        let inherited: InheritedSockets
        /// Whether only the loopback may be listened on.
        let isDevelopment: Bool
        let loops: [EventLoop]
        let log: Logger
    }

    /// Binds every address, so that what is taken shows before anything is served; then listens.
    init(_ plan: Plan) throws(StartFailure) {
        let sockets = try ListeningSockets(plan)
        address = sockets.secureAddress
        redirectAddress = sockets.plainAddress
        loops = plan.loops
        log = plan.log
        let limits = plan.settings.limits
        let admission = ConnectionAdmission(
            connectionsMax: limits.connectionsMax, connectionsPerAddressMax: limits.connectionsPerAddressMax)
        // The operator gets in when the network's places are taken.
        let adminAdmission = ConnectionAdmission(connectionsMax: 64, connectionsPerAddressMax: 64)
        let redirect = plan.redirect(Int(sockets.secureAddress?.port ?? 443))
        var doors: [Doors] = []
        let onDefect = DefectAnswers.house(telling: plan.stages)
        for (index, loop) in plan.loops.enumerated() {
            let secure = HTTPServer(
                on: loop, limits: limits, admission: admission, context: plan.context, responder: plan.network,
                onDefect: onDefect)
            let plain = HTTPServer(
                on: loop, limits: limits, admission: admission, responder: redirect, onDefect: onDefect)
            for server in [secure, plain] { server.proxies = plan.settings.proxies }
            let admin =
                index == 0
                ? plan.admin.map {
                    HTTPServer(
                        on: loop, limits: limits, admission: adminAdmission, responder: $0,
                        onDefect: DefectAnswers.house)
                } : nil
            doors.append(Doors(loop: loop, secure: secure, plain: plain, admin: admin))
        }
        self.doors = doors
        network = plan.network
        Self.tellWhenExhausted(doors, plan.log)
        for (index, door) in doors.enumerated() {
            sockets.listen(secure: door.secure, plain: door.plain, admin: door.admin, loopIndex: index, log: plan.log)
        }
    }

    /// A server that has no descriptor left accepts nobody, and should say so: once a minute, not ten times a second.
    private static func tellWhenExhausted(_ doors: [Doors], _ log: Logger) {
        let told = Monitor<Instant?>(nil)
        for door in doors {
            for server in door.all {
                door.loop.post {
                    server.onExhausted = { cause in
                        let isNews = told.withLock { last in
                            if let last, Instant.now() - last < .seconds(60) { return false }
                            last = .now()
                            return true
                        }
                        guard isNews else { return }
                        log.error("no connection can be accepted; idle ones are closed", ["cause": .string("\(cause)")])
                    }
                }
            }
        }
    }

    /// Uses another certificate for the connections that follow.
    func replace(_ context: TLSServerContext) {
        for door in doors {
            door.loop.post { door.secure.context = context }
        }
    }

    /// Stops accepting, lets requests under way finish, also those whose answer was only a receipt, and breaks off what is
    /// left at the deadline.
    ///
    /// - Parameter finished: called once, on some loop, when every door is empty.
    func drain(until deadline: Instant, finished: @escaping @Sendable () -> Void) {
        let servers = doors.flatMap { door in door.all.map { (door.loop, $0) } }
        let left = Monitor(servers.count)
        let network = network
        for (loop, server) in servers {
            loop.spawn {
                _ = await server.drain(until: deadline)
                let isLast = left.withLock { count in
                    count -= 1
                    return count == 0
                }
                guard isLast else { return }
                _ = await network.drainRemainders(on: loop, until: deadline)
                finished()
            }
        }
    }
}
