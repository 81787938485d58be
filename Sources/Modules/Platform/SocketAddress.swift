// SPDX-License-Identifier: Apache-2.0

/// Where a socket is bound or connected: an IP address with a port, or a path of the file system.
package enum SocketAddress: Hashable, Sendable {
    /// An IP address and a TCP port. `scope` is the interface of a link-local IPv6 address (0: none).
    case ip(IPAddress, port: UInt16, scope: UInt32 = 0)
    /// A path of at most 107 bytes (unix(7)).
    case unix(path: String)

    /// Reads `127.0.0.1:8080` or `[::1]:8443`. There is no default for address or port here.
    package init?(_ text: some StringProtocol) {
        guard let colon = text.lastIndex(of: ":"), let port = Self.port(text[text.index(after: colon)...]) else {
            return nil
        }
        let host = text[..<colon]
        if host.first == "[" {
            guard host.last == "]", let address = IPAddress(host.dropFirst().dropLast()), address.isV6 else {
                return nil
            }
            self = .ip(address, port: port)
        } else {
            guard let address = IPAddress(host), !address.isV6 else { return nil }
            self = .ip(address, port: port)
        }
    }

    /// The IP address, if it is one.
    package var ip: IPAddress? {
        if case .ip(let address, _, _) = self { return address }
        return nil
    }

    /// The port, if it has one.
    package var port: UInt16? {
        if case .ip(_, let port, _) = self { return port }
        return nil
    }

    private static func port(_ text: some StringProtocol) -> UInt16? {
        // Digits only: the initialiser of the integer would take a sign.
        guard (1...5).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return UInt16(text)
    }
}

extension SocketAddress: CustomStringConvertible {
    /// `127.0.0.1:8080`, `[::1]:8443`, or the path.
    package var description: String {
        switch self {
        case .ip(let address, let port, _): address.isV6 ? "[\(address)]:\(port)" : "\(address):\(port)"
        case .unix(let path): path
        }
    }
}

/// Who is at the other end of a local socket, as the kernel noted when it connected (unix(7), SO_PEERCRED).
package struct PeerCredentials: Hashable, Sendable {
    package let processID: Int32
    package let userID: UInt32
    package let groupID: UInt32

    /// Notes the three numbers.
    package init(processID: Int32, userID: UInt32, groupID: UInt32) {
        self.processID = processID
        self.userID = userID
        self.groupID = groupID
    }
}
