// SPDX-License-Identifier: Apache-2.0

import Bytes

/// The names that this house looks for in every message, and those that stand in most of them. The parser finds out once
/// which of them a line has, so that a look-up compares a number instead of letters.
package enum FieldName: UInt8, CaseIterable, Sendable {
    /// Any other name.
    case other
    case host, expect, origin, connection, authorization
    case keepAlive, apiKey, xAPIKey, contentType, contentLength, transferEncoding
    case date, server, accept, userAgent, acceptEncoding, contentEncoding, endUser

    /// The name in lower case; nil for `other`.
    package var text: StaticString? {
        switch self {
        case .other: nil
        case .host: "host"
        case .expect: "expect"
        case .origin: "origin"
        case .connection: "connection"
        case .authorization: "authorization"
        case .keepAlive: "keep-alive"
        case .apiKey: "api-key"
        case .xAPIKey: "x-api-key"
        case .contentType: "content-type"
        case .contentLength: "content-length"
        case .transferEncoding: "transfer-encoding"
        case .date: "date"
        case .server: "server"
        case .accept: "accept"
        case .userAgent: "user-agent"
        case .acceptEncoding: "accept-encoding"
        case .contentEncoding: "content-encoding"
        case .endUser: "x-end-user"
        }
    }

    /// Length and first letter leave one candidate, or two; only that one is compared.
    init(of name: Span<UInt8>) {
        self = .other
        guard !name.isEmpty else { return }
        switch (name.count, name[0] | 0x20) {
        case (4, UInt8(ascii: "h")): if name.equalsIgnoringASCIICase(small: "host") { self = .host }
        case (4, UInt8(ascii: "d")): if name.equalsIgnoringASCIICase(small: "date") { self = .date }
        case (6, UInt8(ascii: "a")): if name.equalsIgnoringASCIICase(small: "accept") { self = .accept }
        case (6, UInt8(ascii: "s")): if name.equalsIgnoringASCIICase(small: "server") { self = .server }
        case (6, UInt8(ascii: "e")): if name.equalsIgnoringASCIICase(small: "expect") { self = .expect }
        case (6, UInt8(ascii: "o")): if name.equalsIgnoringASCIICase(small: "origin") { self = .origin }
        case (7, UInt8(ascii: "a")): if name.equalsIgnoringASCIICase(small: "api-key") { self = .apiKey }
        case (9, UInt8(ascii: "x")): if name.equalsIgnoringASCIICase(small: "x-api-key") { self = .xAPIKey }
        case (10, UInt8(ascii: "c")): if name.equalsIgnoringASCIICase(small: "connection") { self = .connection }
        case (10, UInt8(ascii: "k")): if name.equalsIgnoringASCIICase(small: "keep-alive") { self = .keepAlive }
        case (10, UInt8(ascii: "u")): if name.equalsIgnoringASCIICase(small: "user-agent") { self = .userAgent }
        case (10, UInt8(ascii: "x")): if name.equalsIgnoringASCIICase(small: "x-end-user") { self = .endUser }
        case (16, UInt8(ascii: "c")):
            if name.equalsIgnoringASCIICase(small: "content-encoding") { self = .contentEncoding }
        case (15, UInt8(ascii: "a")):
            if name.equalsIgnoringASCIICase(small: "accept-encoding") { self = .acceptEncoding }
        case (12, UInt8(ascii: "c")): if name.equalsIgnoringASCIICase(small: "content-type") { self = .contentType }
        case (13, UInt8(ascii: "a")): if name.equalsIgnoringASCIICase(small: "authorization") { self = .authorization }
        case (14, UInt8(ascii: "c")): if name.equalsIgnoringASCIICase(small: "content-length") { self = .contentLength }
        case (17, UInt8(ascii: "t")):
            if name.equalsIgnoringASCIICase(small: "transfer-encoding") { self = .transferEncoding }
        default: return
        }
    }

    /// Its place in a set of names; none for `other`.
    @inline(__always)
    var bit: UInt32 { (1 &<< UInt32(rawValue)) & ~1 }

    /// True for the names that the writer of a message keeps to itself (`FramingFields`).
    var isFraming: Bool {
        switch self {
        case .host, .date, .expect, .connection, .keepAlive, .contentLength, .transferEncoding: true
        case .other, .origin, .authorization, .apiKey, .xAPIKey, .contentType: false
        case .server, .accept, .userAgent, .acceptEncoding, .contentEncoding, .endUser: false
        }
    }
}
