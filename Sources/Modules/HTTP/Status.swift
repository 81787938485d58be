// SPDX-License-Identifier: Apache-2.0

/// A status code (RFC 9110 §15).
package struct Status: Hashable, Sendable, ExpressibleByIntegerLiteral {
    /// 100…599. A code outside of that range becomes 500: nothing else may reach the wire.
    package let code: Int

    package init(_ code: Int) {
        self.code = (100...599).contains(code) ? code : 500
    }

    package init(integerLiteral code: Int) {
        self.init(code)
    }

    /// 1xx.
    package var isInterim: Bool { code < 200 }

    /// True if an answer with this status ends with its head, whatever its fields say (RFC 9110 §6.4.1).
    package var forbidsBody: Bool { code < 200 || code == 204 || code == 304 }

    /// The usual phrase; empty for a code without one. It means nothing to a client (RFC 9112 §4).
    package var reason: StaticString {
        switch code {
        case 100: "Continue"
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 206: "Partial Content"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 303: "See Other"
        case 304: "Not Modified"
        case 307: "Temporary Redirect"
        case 308: "Permanent Redirect"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 410: "Gone"
        case 411: "Length Required"
        case 412: "Precondition Failed"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 416: "Range Not Satisfiable"
        case 417: "Expectation Failed"
        case 421: "Misdirected Request"
        case 422: "Unprocessable Content"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: ""
        }
    }
}

/// A version of the protocol that this house speaks.
package enum Version: Hashable, Sendable {
    case http10, http11
}

/// How a version is written, as the number that the eight bytes make.
enum HTTPVersionWord {
    static let count = 8
    /// `HTTP/1.1`, the first byte in the lowest place.
    static let http11: UInt64 = 0x312E_312F_5054_5448
}
