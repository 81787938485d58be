// SPDX-License-Identifier: Apache-2.0

import Bytes

/// A request method (RFC 9110 §9). Methods are case-sensitive: `get` is not GET.
package enum Method: Hashable, Sendable {
    case get, head, post, put, patch, delete, options
    /// Any other token. CONNECT and TRACE never come here from the network: the parser refuses them.
    case other(String)

    /// The methods this server knows, as an `allow` field lists them.
    package static let allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

    /// The method as it stands in a request line.
    package var name: String {
        switch self {
        case .get: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .patch: "PATCH"
        case .delete: "DELETE"
        case .options: "OPTIONS"
        case .other(let name): name
        }
    }

    /// Written out, so that it is not asked for by way of the protocol's table wherever methods are compared.
    package static func == (left: Method, right: Method) -> Bool {
        switch (left, right) {
        case (.get, .get), (.head, .head), (.post, .post), (.put, .put), (.patch, .patch), (.delete, .delete),
            (.options, .options):
            true
        case (.other(let left), .other(let right)): left == right
        default: false
        }
    }

    /// True if a client may repeat the request when it does not know whether it arrived (RFC 9110 §9.2.2).
    package var isIdempotent: Bool {
        switch self {
        case .get, .head, .put, .delete, .options: true
        case .post, .patch, .other: false
        }
    }

    /// The method of nearly all requests whose name and a space `line` begins with, and how long the name is.
    @inline(__always)
    static func begin(_ line: Span<UInt8>) -> (Method?, nameCount: Int) {
        guard line.count >= 8 else { return (nil, 0) }
        // A character of a literal stands for its byte, the first in the lowest.
        let word = line.word(at: 0)
        if word & 0xFF_FFFF_FFFF == 0x20_5453_4F50 { return (.post, 4) }  // "POST "
        if word & 0xFFFF_FFFF == 0x2054_4547 { return (.get, 3) }  // "GET "
        return (nil, 0)
    }

    /// The method with this name; nil if the bytes are not a token.
    package init?(_ name: Span<UInt8>) {
        if name.equals("GET") {
            self = .get
        } else if name.equals("POST") {
            self = .post
        } else if name.equals("HEAD") {
            self = .head
        } else if name.equals("PUT") {
            self = .put
        } else if name.equals("PATCH") {
            self = .patch
        } else if name.equals("DELETE") {
            self = .delete
        } else if name.equals("OPTIONS") {
            self = .options
        } else {
            guard name.isToken else { return nil }
            self = .other(String(decoding: name))
        }
    }
}
