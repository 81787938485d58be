// SPDX-License-Identifier: Apache-2.0

import EventLoop
import HTTP
import Platform
import Synchronization

/// The HTTP clients of the loops, one each, made when a loop first needs one. Connections to providers never cross loops.
final class UpstreamClients: Sendable {
    private let resolver: Resolver
    // A loop a core: so few that looking through them is quicker than hashing. Guards the list alone.
    private let clients = Mutex<[HTTPClient]>([])

    init() throws(Errno) {
        resolver = try Resolver()
    }

    /// The client of the loop that is running.
    func client(on loop: EventLoop) -> HTTPClient {
        clients.withLock { clients in
            for index in clients.indices where clients[index].loop === loop { return clients[index] }
            let client = HTTPClient(on: loop, resolver: resolver)
            clients.append(client)
            return client
        }
    }

    func stop() {
        resolver.stop()
    }
}
