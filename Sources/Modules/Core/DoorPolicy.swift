// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
import Synchronization

/// What a door asks of a request before it looks for a route: the host it names, the origin it comes from, and whether
/// its peer is the operator. Hosts and origins can change at a reload.
package final class DoorPolicy: Sendable {
    /// Which door this is.
    package enum Kind: Sendable {
        /// The network. A peer is nobody until a credential says who.
        case network
        /// The admin socket. The kernel says who the peer is; only root and the server's own user get in.
        case socket(ownUserID: UInt32)
    }

    /// The names and origins of the network door.
    package struct Names: Sendable, Equatable {
        /// Lower-case host names and literal addresses (`[::1]`) without ports.
        package var hosts: Set<String>
        /// Serialized origins (`https://app.example.org`, RFC 6454 §6.2), compared exactly.
        package var origins: Set<String>

        package init(hosts: Set<String>, origins: Set<String>) {
            self.hosts = hosts
            self.origins = origins
        }
    }

    /// The same laid out for the look at every request.
    private struct Lists {
        /// So few that comparing is quicker than hashing; beyond that only the set is asked.
        static let comparedMax = 8

        let names: Names
        /// One behind the other, and where each ends: what is compared is not counted as held.
        private let hostBytes: [UInt8]
        private let hostEnds: [Int]

        init(_ names: Names) {
            self.names = names
            let hosts = names.hosts.count <= Self.comparedMax ? names.hosts.map { Array($0.utf8) } : []
            hostBytes = Array(hosts.joined())
            hostEnds = hosts.indices.map { hosts[...$0].joined().count }
        }

        func contains(host: Span<UInt8>) -> Bool {
            var start = 0
            for index in hostEnds.indices {
                let known = hostBytes.span.extracting(start..<hostEnds[index])
                if host.equalsIgnoringASCIICase(known) { return true }
                start = hostEnds[index]
            }
            return hostEnds.isEmpty && names.hosts.contains(String(decoding: host).asciiLowercased)
        }
    }

    private let kind: Kind
    private let lists: Mutex<Lists>
    /// Whether any origin is allowed.
    private let hasOrigins: Atomic<Bool>
    /// The origins of keys that are meant for pages.
    private let keyOrigins: OriginBook

    package init(
        kind: Kind, names: Names = Names(hosts: [], origins: []), keyOrigins: OriginBook = OriginBook()
    ) {
        (self.kind, self.keyOrigins) = (kind, keyOrigins)
        lists = Mutex(Lists(names))
        hasOrigins = Atomic(!names.origins.isEmpty)
    }

    /// Changes hosts and origins for the requests that follow.
    package func replace(_ new: Names) {
        lists.withLock { lists in
            lists = Lists(new)
            hasOrigins.store(!new.origins.isEmpty, ordering: .relaxed)
        }
    }

    func accepts(host head: RequestHead) -> Bool {
        guard case .network = kind else { return true }
        return head.withHostName { host in lists.withLock { $0.contains(host: host) } } ?? false
    }

    /// The operator at the admin socket, by the credentials of the peer that the kernel vouches for.
    func principal(ofPeer peer: Peer) -> Principal? {
        guard case .socket(let own) = kind, case .unix(_, let userID, _) = peer, userID == 0 || userID == own else {
            return nil
        }
        return Principal(kind: .socketPeer(userID: userID), tenant: nil, scopes: Scopes())
    }

    // MARK: Cross-origin requests (the Fetch standard, "CORS protocol")

    /// A preflight of an origin on the list, or on that of some key, which is not known yet: a preflight carries none. Any
    /// other OPTIONS goes to the router like every method.
    func isPreflight(_ head: RequestHead) -> Bool {
        head.method == .options && head.fields["access-control-request-method"] != nil && allowedOrigin(head) != nil
    }

    /// Appends the fields an allowed origin gets; all others, `null` among them, get no cross-origin field at all. An origin
    /// of a key gets them with that key only (``CallPlaces``).
    func appendCrossOriginFields(for head: RequestHead, to fields: inout Fields) {
        guard case .network = kind, hasOrigins.load(ordering: .relaxed) || !keyOrigins.isEmpty else { return }
        fields.append("vary", "origin")
        guard let origin = allowedOrigin(head) else { return }
        Self.appendAllowed(origin, to: &fields)
        if head.method == .options {
            fields.append("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE")
            fields.append(
                "access-control-allow-headers",
                "authorization, content-type, x-api-key, api-key, x-zdr, x-end-user, idempotency-key, anthropic-version, anthropic-beta"
            )
            fields.append("access-control-max-age", "600")
        }
    }

    static func appendAllowed(_ origin: String, to fields: inout Fields) {
        fields.append("access-control-allow-origin", origin)
        fields.append("access-control-expose-headers", "x-request-id, retry-after, retry-after-ms")
    }

    private func allowedOrigin(_ head: RequestHead) -> String? {
        // Two of them are nobody's: which one a browser meant cannot be known.
        guard head.fields.count(of: .origin) == 1, let origin = head.fields[.origin], origin != "null" else {
            return nil
        }
        if lists.withLock({ $0.names.origins.contains(origin) }) { return origin }
        return head.method == .options && keyOrigins.contains(origin) ? origin : nil
    }
}
