// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Scheme, host and port of a URL (RFC 6454 §4): what a connection is made to. An object, since it goes with every request
/// and never changes.
package final class Origin: Hashable, Sendable {
    /// https.
    package let isSecure: Bool
    /// In lower case; an IPv6 address without its brackets.
    package let host: String
    /// 1…65,535.
    package let port: Int
    /// What stands in a Host field: the port only where it is not the scheme's (RFC 9110 §7.2).
    package let authority: String

    /// Nil unless `url` is an `http` or `https` origin alone, or followed by `/`: no user information, path, query or
    /// fragment, and its host a name or address.
    package convenience init?(_ url: String) {
        let bytes = Array(url.utf8)
        let text = bytes.span
        let isSecure = text.count > 8 && text.extracting(0..<8).equalsIgnoringASCIICase("https://")
        guard isSecure || text.count > 7 && text.extracting(0..<7).equalsIgnoringASCIICase("http://") else {
            return nil
        }
        let start = isSecure ? 8 : 7
        let end = text[text.count - 1] == Octet.slash ? text.count - 1 : text.count
        guard let host = Host(text.extracting(start..<end)) else { return nil }
        self.init(isSecure: isSecure, host: host)
    }

    private init?(isSecure: Bool, host: Host) {
        let port = host.port ?? (isSecure ? 443 : 80)
        guard port > 0 else { return nil }
        self.isSecure = isSecure
        self.host = host.name.first == "[" ? String(host.name.dropFirst().dropLast()) : host.name
        self.port = port
        authority = port == (isSecure ? 443 : 80) ? host.name : "\(host.name):\(port)"
    }

    package static func == (left: Origin, right: Origin) -> Bool {
        left === right || left.port == right.port && left.isSecure == right.isSecure && left.host == right.host
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(host)
        hasher.combine(port)
        hasher.combine(isSecure)
    }
}

extension Origin: CustomStringConvertible {
    /// The serialised origin (RFC 6454 §6.2).
    package var description: String { (isSecure ? "https://" : "http://") + authority }
}
