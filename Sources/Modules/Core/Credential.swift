// SPDX-License-Identifier: Apache-2.0

import Bytes
package import HTTP

/// What a caller presented to say who it is: the text of a key or token, not yet believed.
///
/// It has no description and is not Codable: a credential must not reach a log by being interpolated.
package struct Credential: Sendable {
    /// The text as presented, at most ``bytesMax`` bytes.
    package let text: String

    /// Longer ones are refused unread; our keys have 53 characters, signed tokens some hundreds.
    package static let bytesMax = 4096

    /// Finds the credential in a request's fields: `authorization: Bearer …`, `x-api-key` or `api-key`.
    ///
    /// Two fields that disagree are refused rather than ranked: a proxy in front may have checked the other one.
    ///
    /// - Returns: `nil` if the request carries none.
    /// - Throws: `invalid_api_key` for a scheme other than Bearer, an over-long text, or two that differ.
    package static func find(in fields: Fields) throws(Failure) -> Credential? {
        var found: String?
        // Nearly all have one authorization field and no other.
        if fields.count(of: .xAPIKey) == 0, fields.count(of: .apiKey) == 0, fields.count(of: .authorization) <= 1 {
            guard let value = fields[.authorization] else { return nil }
            found = try checked(bearer(value), beside: nil)
        } else {
            for value in fields.all(.authorization) { found = try checked(bearer(value), beside: found) }
            for value in fields.all(.xAPIKey) + fields.all(.apiKey) { found = try checked(value, beside: found) }
        }
        return found.map(Credential.init(text:))
    }

    private static func checked(_ text: String, beside other: String?) throws(Failure) -> String {
        guard text.utf8.count <= bytesMax, !text.isEmpty, other == nil || other == text else {
            throw Failure(.invalidAPIKey, "the credential is not valid", cause: "several or malformed credentials")
        }
        return text
    }

    /// Whether a request carries something meant as a credential, well-formed or not. The plain-HTTP listener asks this.
    package static func isPresent(in fields: Fields) -> Bool {
        ["authorization", "x-api-key", "api-key", "cookie", "proxy-authorization"].contains { fields[$0] != nil }
    }

    /// The token of `Bearer TOKEN` (RFC 6750 §2.1; the scheme's name is case-insensitive, RFC 9110 §11.1).
    private static func bearer(_ value: String) throws(Failure) -> String {
        let scheme: StaticString = "bearer "
        let bytes = value.utf8.span
        guard bytes.count > scheme.utf8CodeUnitCount,
            bytes.extracting(0..<scheme.utf8CodeUnitCount).equalsIgnoringASCIICase(scheme)
        else {
            throw Failure(.invalidAPIKey, "the authorization field must read: Bearer, a space, the key")
        }
        var start = scheme.utf8CodeUnitCount
        while start < bytes.count, bytes[start] == UInt8(ascii: " ") { start += 1 }
        return String(decoding: bytes.extracting(start..<bytes.count))
    }
}
