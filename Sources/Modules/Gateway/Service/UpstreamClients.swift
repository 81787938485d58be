// SPDX-License-Identifier: Apache-2.0

import EventLoop
import HTTP
import Platform
import Synchronization

/// The HTTP clients of the loops, one each, made when a loop first needs one. Connections to providers never cross loops.
final class UpstreamClients: Sendable {
    private let resolver: Resolver
    // A loop a core: so few that looking through them is quicker than hashing. Guards the list, and whether it is for good.
    private let clients = Mutex<(list: [HTTPClient], areForever: Bool)>(([], false))

    init() throws(Errno) {
        resolver = try Resolver()
    }

    /// The client of the loop that is running.
    func client(on loop: EventLoop) -> HTTPClient {
        clients.withLock { clients in
            for index in clients.list.indices where clients.list[index].loop === loop { return clients.list[index] }
            let client = HTTPClient(on: loop, resolver: resolver)
            if clients.areForever { Immortal.keep(client) }
            clients.list.append(client)
            return client
        }
    }

    /// Says that these are the clients of the process, and those that are still made: they are not counted any more.
    func isForever() {
        Immortal.keep(self)
        clients.withLock { clients in
            clients.areForever = true
            for client in clients.list { Immortal.keep(client) }
        }
    }

    func stop() {
        resolver.stop()
    }
}
