// SPDX-License-Identifier: Apache-2.0

import Bytes

/// The names that this house looks for in every message. The parser finds out once which of them a line has, so that a
/// look-up compares a number instead of letters.
package enum FieldName: UInt8, CaseIterable, Sendable {
    /// Any other name.
    case other
    case host, expect, origin, connection, authorization
    case keepAlive, apiKey, xAPIKey, contentType, contentLength, transferEncoding

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
        }
    }

    /// Length and first letter leave one candidate, or two; only that one is compared.
    init(of name: Span<UInt8>) {
        self = .other
        guard !name.isEmpty else { return }
        let candidate: FieldName
        switch (name.count, name[0] | 0x20) {
        case (4, UInt8(ascii: "h")): candidate = .host
        case (6, UInt8(ascii: "e")): candidate = .expect
        case (6, UInt8(ascii: "o")): candidate = .origin
        case (7, UInt8(ascii: "a")): candidate = .apiKey
        case (9, UInt8(ascii: "x")): candidate = .xAPIKey
        case (10, UInt8(ascii: "c")): candidate = .connection
        case (10, UInt8(ascii: "k")): candidate = .keepAlive
        case (12, UInt8(ascii: "c")): candidate = .contentType
        case (13, UInt8(ascii: "a")): candidate = .authorization
        case (14, UInt8(ascii: "c")): candidate = .contentLength
        case (17, UInt8(ascii: "t")): candidate = .transferEncoding
        default: return
        }
        if let text = candidate.text, name.equalsIgnoringASCIICase(text) { self = candidate }
    }
}
