// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Scheme, host and port of a URL (RFC 6454 §4): what a connection is made to.
package struct Origin: Hashable, Sendable {
    /// https.
    package let isSecure: Bool
    /// In lower case; an IPv6 address without its brackets.
    package let host: String
    /// 1…65,535.
    package let port: Int

    /// Nil unless `url` is an origin alone, or followed by `/`: no user information, path, query or fragment.
    package init?(_ url: String) {
        guard let base = BaseURL(url), base.path.isEmpty else { return nil }
        self = base.origin
    }

    init?(isSecure: Bool, host: Host) {
        let port = host.port ?? (isSecure ? 443 : 80)
        guard port > 0 else { return nil }
        self.isSecure = isSecure
        self.host = host.name.first == "[" ? String(host.name.dropFirst().dropLast()) : host.name
        self.port = port
    }

    /// What stands in a Host field: the port only where it is not the scheme's (RFC 9110 §7.2).
    package var authority: String {
        let name = host.utf8.contains(Octet.colon) ? "[\(host)]" : host
        return port == (isSecure ? 443 : 80) ? name : "\(name):\(port)"
    }
}

extension Origin: CustomStringConvertible {
    /// The serialised origin (RFC 6454 §6.2).
    package var description: String { (isSecure ? "https://" : "http://") + authority }
}

/// An `http` or `https` URL under which the routes of an upstream lie (`https://api.example.com/v1`).
package struct BaseURL: Hashable, Sendable {
    package let origin: Origin
    /// Empty, or begins with `/` and does not end with one.
    package let path: String

    /// Nil unless `url` is absolute, its scheme `http` or `https`, its host a name or address, and its path free of
    /// escapes, dot segments and empty segments; without user information, query and fragment.
    package init?(_ url: String) {
        let bytes = Array(url.utf8)
        let text = bytes.span
        var isSecure = false
        var start = 0
        if text.count > 8, text.extracting(0..<8).equalsIgnoringASCIICase("https://") {
            isSecure = true
            start = 8
        } else if text.count > 7, text.extracting(0..<7).equalsIgnoringASCIICase("http://") {
            start = 7
        }
        guard start > 0 else { return nil }
        let slash = text.firstIndex(of: Octet.slash, from: start) ?? text.count
        guard let host = Host(text.extracting(start..<slash)), let origin = Origin(isSecure: isSecure, host: host)
        else { return nil }
        var end = text.count
        if end > slash, text[end - 1] == Octet.slash { end -= 1 }
        let path = String(decoding: text.extracting(slash..<max(slash, end)))
        for segment in path.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
            let isPlain = segment.utf8.allSatisfy { CharacterSet128.path.contains($0) }
            guard isPlain, !segment.isEmpty, segment != ".", segment != ".." else { return nil }
        }
        self.origin = origin
        self.path = path
    }
}
