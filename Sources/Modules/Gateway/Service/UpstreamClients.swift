// SPDX-License-Identifier: Apache-2.0

import EventLoop
import HTTP
import Platform
import Synchronization

/// The HTTP clients of the loops, one each, made when a loop first needs one. Connections to providers never cross loops.
final class UpstreamClients: Sendable {
    private let resolver: Resolver
    private let clients = Mutex<[ObjectIdentifier: HTTPClient]>([:])

    init() throws(Errno) {
        resolver = try Resolver()
    }

    /// The client of the loop that is running.
    func client(on loop: EventLoop) -> HTTPClient {
        clients.withLock { clients in
            if let client = clients[ObjectIdentifier(loop)] { return client }
            let client = HTTPClient(on: loop, resolver: resolver)
            clients[ObjectIdentifier(loop)] = client
            return client
        }
    }

    func stop() {
        resolver.stop()
    }
}
