// SPDX-License-Identifier: Apache-2.0

import Bytes
package import HTTP

/// What a caller presents to say who it is: the text of a key or token, not yet believed.
///
/// It is lent where it stands in the request, and nobody makes a text of it that could reach a log by being interpolated.
package enum Credential {
    /// Longer ones are refused unread; our keys have 53 characters, signed tokens some hundreds.
    package static let bytesMax = 4096

    /// Finds the credential in a request's fields, `authorization: Bearer …`, `x-api-key` or `api-key`, and lends its 1 to
    /// ``bytesMax`` bytes to `body`.
    ///
    /// Two fields that disagree are refused rather than ranked: a proxy in front may have checked the other one.
    ///
    /// - Returns: false, without calling `body`, if the request carries none.
    /// - Throws: `invalid_api_key` for a scheme other than Bearer, an over-long text, or two that differ.
    // Neither in line, and not given the fields themselves: their arrays would be counted as held by whoever looks at them.
    @inline(never)
    package static func read(in request: Request, _ body: (Span<UInt8>) -> Void) throws(Failure) -> Bool {
        try read(in: request.head, body)
    }

    @inline(never)
    private static func read(in head: RequestHead, _ body: (Span<UInt8>) -> Void) throws(Failure) -> Bool {
        // Nearly all have one authorization field and no other.
        guard head.fields.count(of: .xAPIKey) == 0, head.fields.count(of: .apiKey) == 0,
            head.fields.count(of: .authorization) <= 1
        else {
            let token = try oneOfMany(in: head.fields)
            body(token.span)
            return true
        }
        let reading = head.withValue(of: .authorization) { value -> Reading in
            guard let start = tokenStart(value) else { return .notBearer }
            let token = value.extracting(start...)
            guard !token.isEmpty, token.count <= bytesMax else { return .malformed }
            body(token)
            return .found
        }
        switch reading {
        case nil: return false
        case .found: return true
        case .notBearer: throw notBearer
        case .malformed: throw malformed
        }
    }

    private enum Reading {
        case found, notBearer, malformed
    }

    /// The credential that several fields agree on.
    private static func oneOfMany(in fields: Fields) throws(Failure) -> [UInt8] {
        var found: [UInt8]?
        func note(_ token: some Sequence<UInt8>) throws(Failure) {
            let token = Array(token)
            guard token.count <= bytesMax, !token.isEmpty, found == nil || found == token else { throw malformed }
            found = token
        }
        for value in fields.all(.authorization) {
            guard let start = tokenStart(value.utf8.span) else { throw notBearer }
            try note(value.utf8.dropFirst(start))
        }
        for value in fields.all(.xAPIKey) + fields.all(.apiKey) { try note(value.utf8) }
        guard let found else { throw malformed }
        return found
    }

    private static var notBearer: Failure {
        Failure(.invalidAPIKey, "the authorization field must read: Bearer, a space, the key")
    }

    private static var malformed: Failure {
        Failure(.invalidAPIKey, "the credential is not valid", cause: "several or malformed credentials")
    }

    /// Whether a request carries something meant as a credential, well-formed or not. The plain-HTTP listener asks this.
    package static func isPresent(in fields: Fields) -> Bool {
        ["authorization", "x-api-key", "api-key", "cookie", "proxy-authorization"].contains { fields[$0] != nil }
    }

    /// Where the token of `Bearer TOKEN` begins (RFC 6750 §2.1; the scheme's name is case-insensitive, RFC 9110 §11.1).
    private static func tokenStart(_ value: Span<UInt8>) -> Int? {
        let scheme: StaticString = "bearer "
        var start = scheme.utf8CodeUnitCount
        guard value.count > start, value.extracting(..<start).equalsIgnoringASCIICase(scheme) else { return nil }
        while start < value.count, value[start] == UInt8(ascii: " ") { start += 1 }
        return start
    }
}
