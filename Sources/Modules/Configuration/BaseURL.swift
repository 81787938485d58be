// SPDX-License-Identifier: Apache-2.0

import Bytes
package import Platform

/// The address of an HTTP service: scheme, host, port and the path that all its routes begin with (RFC 3986, of which
/// it takes only what such an address needs).
package struct BaseURL: Hashable, Sendable {
    /// `https`, and not `http`.
    package let isSecure: Bool
    /// A name in small letters, an IPv4 address, or an IPv6 address without brackets.
    package let host: String
    package let port: UInt16
    /// Empty, or with a slash at its beginning and none at its end.
    package let path: String

    /// The host as an address, if it is one rather than a name.
    package var address: IPAddress? { IPAddress(host) }

    /// Reads an address. User, query and fragment are refused, and so are empty, `.` and `..` segments.
    package init(_ text: String) throws(Complaint) {
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw Complaint("must be a URL of visible ASCII characters", hidesValue: true)
        }
        let rest: Substring
        if text.hasPrefix("https://") {
            (isSecure, rest) = (true, text.dropFirst(8))
        } else if text.hasPrefix("http://") {
            (isSecure, rest) = (false, text.dropFirst(7))
        } else {
            throw Complaint("must be a URL that begins with https:// or http://")
        }
        if rest.contains("?") || rest.contains("#") {
            throw Complaint("must be a URL without query and fragment", hidesValue: true)
        }
        let authority = rest.prefix { $0 != "/" }
        guard !authority.contains("@") else {
            throw Complaint(
                "must be a URL without user and password", hint: "a secret belongs in \"key\"", hidesValue: true)
        }
        (host, port) = try Self.hostAndPort(authority, standard: isSecure ? 443 : 80)
        path = try Self.path(rest.dropFirst(authority.count))
    }

    private static func hostAndPort(
        _ authority: Substring, standard: UInt16
    ) throws(Complaint) -> (String, UInt16) {
        let isBracketed = authority.hasPrefix("[")
        let host = isBracketed ? authority.prefix { $0 != "]" }.dropFirst() : authority.prefix { $0 != ":" }
        var rest = authority.dropFirst(host.count)
        if isBracketed {
            rest = authority.dropFirst(host.count + 1)
            guard rest.hasPrefix("]"), let address = IPAddress(host), address.isV6 else {
                throw Complaint("must be a URL with an IPv6 address in its brackets")
            }
            rest = rest.dropFirst()
        } else if let problem = HostName.complaint(String(host)) {
            throw Complaint("must be a URL whose host \(problem)")
        }
        guard !rest.isEmpty else { return (host.asciiLowercased, standard) }
        let digits = rest.dropFirst()
        guard rest.first == ":", (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy(\.isASCIIDigit),
            let port = UInt16(digits), port > 0
        else { throw Complaint("must be a URL with a port between 1 and 65535") }
        return (host.asciiLowercased, port)
    }

    private static func path(_ text: Substring) throws(Complaint) -> String {
        let path = text.hasSuffix("/") ? text.dropLast() : text
        guard !path.isEmpty else { return "" }
        for segment in path.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            guard !segment.isEmpty, segment != ".", segment != ".." else {
                throw Complaint("must be a URL without empty, \".\" and \"..\" segments in its path")
            }
        }
        // pchar of RFC 3986 §3.3 without "%": an escape in the path of a service is a mistake more often than not.
        let isPlain = path.utf8.allSatisfy { byte in
            byte.isASCIILetter || byte.isASCIIDigit || "/-._~!$&'()*+,;=:@".utf8.contains(byte)
        }
        guard isPlain else { throw Complaint("must be a URL with plain characters in its path") }
        return String(path)
    }
}

extension BaseURL: CustomStringConvertible {
    /// The address in its shortest form: `https://api.openai.com/v1`.
    package var description: String { origin + path }

    /// Scheme, host and, where it is not the usual one, port.
    package var origin: String {
        let name = host.contains(":") ? "[\(host)]" : host
        let isUsual = port == (isSecure ? 443 : 80)
        return (isSecure ? "https://" : "http://") + name + (isUsual ? "" : ":\(port)")
    }
}

/// Names of hosts (RFC 1123 §2.1).
enum HostName {
    /// What is wrong with a name or IPv4 address, as it stands behind "whose host"; nil if nothing is.
    static func complaint(_ host: String) -> String? {
        guard !host.isEmpty else { return "is empty" }
        guard host.utf8.count <= 253 else { return "has more than 253 bytes" }
        let labels = host.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        let areLabels = labels.allSatisfy { label in
            (1...63).contains(label.count) && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
                && label.allSatisfy {
                    $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
                }
        }
        guard areLabels else { return "is not a name of letters, digits, dots and hyphens" }
        // What ends in a number is an address, or a trick on those who read addresses leniently.
        if labels.last?.allSatisfy(\.isASCIIDigit) ?? false, IPAddress(host) == nil {
            return "is neither a name nor an IPv4 address"
        }
        return nil
    }
}
