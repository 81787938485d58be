// SPDX-License-Identifier: Apache-2.0

import Bytes
package import Platform
import TOML

extension ValueKind where Value == SocketAddress {
    /// Where to listen: `[::]:8443`, `127.0.0.1:8080`, or `:8443` for every address. Port 0 lets the kernel choose. A name is
    /// refused: what it stands for is decided elsewhere, and by somebody else.
    package static var address: ValueKind<SocketAddress> {
        ValueKind("address") { value throws(Complaint) in
            let hint = "addresses are written \"127.0.0.1:8443\", \"[::1]:8443\" or, for all, \"[::]:8443\""
            guard let text = value.string else { throw Complaint("must be an address, not \(value.kind)", hint: hint) }
            if let address = SocketAddress(text.hasPrefix(":") ? "[::]\(text)" : text) { return address }
            if text.hasPrefix("localhost") {
                throw Complaint("must be an address, not a name", hint: "localhost is \"127.0.0.1\" or \"[::1]\"")
            }
            throw Complaint("must be an address with a port", hint: hint)
        } write: {
            quoted($0.description)
        }
    }
}

extension ValueKind where Value == BaseURL {
    /// The address of an HTTP service, `https://api.example.com/v1`.
    package static var url: ValueKind {
        ValueKind("URL") { value throws(Complaint) in
            guard let text = value.string else { throw Complaint("must be a URL, not \(value.kind)") }
            guard text.utf8.count <= 2048 else { throw Complaint("must have at most 2048 bytes") }
            return try BaseURL(text)
        } write: {
            quoted($0.description)
        }
    }
}

extension ValueKind where Value == String {
    /// The name or address that clients put into `Host`, in small letters and without port; IPv6 in brackets.
    package static var host: ValueKind {
        ValueKind("host name") { value throws(Complaint) in
            guard let text = value.string else { throw Complaint("must be a host name, not \(value.kind)") }
            if text.hasPrefix("["), text.hasSuffix("]") {
                guard let address = IPAddress(text.dropFirst().dropLast()), address.isV6 else {
                    throw Complaint("must have an IPv6 address in its brackets")
                }
                return "[\(address)]"
            }
            if let problem = HostName.complaint(text) {
                let hint = text.contains(":") ? "write the name alone, without scheme and port" : nil
                throw Complaint("must be a host name; what stands here \(problem)", hint: hint)
            }
            return text.asciiLowercased
        } write: {
            quoted($0)
        }
    }

    /// What browsers send as `Origin` (RFC 6454 §6.2): scheme, host and port, as `https://app.example.org`.
    package static var origin: ValueKind {
        ValueKind("origin") { value throws(Complaint) in
            guard let text = value.string else { throw Complaint("must be an origin, not \(value.kind)") }
            let hint = "origins are written \"https://app.example.org\""
            guard !text.contains("*") else { throw Complaint("must be one exact origin", hint: hint) }
            let url = try BaseURL(text)
            guard url.path.isEmpty, !text.hasSuffix("/") else {
                throw Complaint("must be an origin without path", hint: hint)
            }
            return url.origin
        } write: {
            quoted($0)
        }
    }
}
