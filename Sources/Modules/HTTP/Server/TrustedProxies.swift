// SPDX-License-Identifier: Apache-2.0

package import Platform

/// The proxies whose word about a client's address is believed. What anybody else says of it is not even read: a field that a
/// client can write would let it choose whom it is counted as.
/// An object, which a server has once and lends.
package final class TrustedProxies: Sendable {
    private let contains: @Sendable (IPAddress) -> Bool
    /// Whether their connections begin with a head of the PROXY protocol.
    let sendHeads: Bool

    package init(sendHeads: Bool, contains: @escaping @Sendable (IPAddress) -> Bool) {
        (self.sendHeads, self.contains) = (sendHeads, contains)
    }

    /// Entries of a field that are read; who has more proxies in a row than this has another problem.
    private static let entriesMax = 32

    func trusts(_ peer: Peer) -> Bool {
        guard case .address(let address) = peer, let ip = address.ip else { return false }
        return contains(ip)
    }

    /// Whom a request is from. Each proxy adds whom it had it from at the end of `x-forwarded-for`, so the field is read from
    /// there, as far as those who say so are trusted: what stands before that, anybody can have written.
    ///
    /// - Parameter peer: who has sent the request.
    func client(of peer: Peer, _ fields: Fields) -> Peer {
        guard trusts(peer) else { return peer }
        var client = peer
        let entries = fields.all("x-forwarded-for").flatMap { $0.split(separator: ",") }
        for entry in entries.reversed().prefix(Self.entriesMax) {
            // Behind an entry that says nothing nobody is known: whoever said the last that does stands for it.
            guard let address = Self.address(entry) else { break }
            client = .address(.ip(address, port: 0))
            guard contains(address) else { break }
        }
        return client
    }

    /// An address, which some proxies write with a port.
    private static func address(_ entry: Substring) -> IPAddress? {
        var text = entry
        while text.first == " " || text.first == "\t" { text.removeFirst() }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return IPAddress(text) ?? SocketAddress(text)?.ip
    }
}
