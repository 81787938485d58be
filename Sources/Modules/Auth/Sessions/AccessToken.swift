// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Crypto
import JSON
import Platform

/// What a person's program sends with each request: a JWT (RFC 7519) in the profile for access tokens (RFC 9068), signed with
/// Ed25519 (RFC 8037), valid for minutes.
///
/// How one is read leaves an attacker nothing to say. The header is not parsed: it must be, character by character, the one
/// that this house writes for one of its keys, and that finds the key. So there is no algorithm to choose, no `kid` to
/// traverse, no `jku` or `jwk` to follow, and what is checked next is always an Ed25519 signature under a key of our own.
/// Only behind that is the rest looked at.
struct AccessToken: Equatable, Sendable {
    static let bytesMax = 1024

    let user: UserID
    let session: SessionID
    let issuedAt: WallTime
    let expiresAt: WallTime

    /// A key, and what all tokens under it begin with.
    final class Key: Sendable {
        let id: String
        let header: String
        let publicKey: Ed25519.PublicKey
        private let privateKey: Ed25519.PrivateKey

        init(id: String, seed: SecretBytes) throws(CryptoError) {
            privateKey = try Ed25519.PrivateKey(seed: seed)
            publicKey = privateKey.publicKey
            self.id = id
            header = Self.encoded(["alg": "EdDSA", "kid": .string(id), "typ": "at+jwt"])
        }

        func sign(_ claims: JSONValue) throws(CryptoError) -> String {
            let text = header + "." + Self.encoded(claims)
            let signature = try privateKey.signature(of: text.utf8.span)
            return text + "." + Base64.encode(signature, alphabet: .url, isPadded: false)
        }

        private static func encoded(_ value: JSONValue) -> String {
            Base64.encode(value.serialized(), alphabet: .url, isPadded: false)
        }
    }

    /// Why a text is no token that opens anything.
    enum Defect: Error, Equatable, Sendable {
        /// No token of this house.
        case invalid
        case expired
    }

    static let audience = "gatehouse"

    func text(_ key: Key, issuer: String) throws(CryptoError) -> String {
        try key.sign([
            "iss": .string(issuer), "aud": .string(Self.audience), "sub": .string(user.text),
            "sid": .string(session.text), "iat": .int(Int(issuedAt.seconds)), "nbf": .int(Int(issuedAt.seconds)),
            "exp": .int(Int(expiresAt.seconds)),
        ])
    }

    /// - Parameter keys: those of this house, by the headers of their tokens.
    init(_ text: Span<UInt8>, keys: [String: Key], issuer: String, at now: WallTime) throws(Defect) {
        guard text.count <= Self.bytesMax else { throw .invalid }
        let text = String(decoding: text)
        let parts = text.split(separator: ".", maxSplits: 3, omittingEmptySubsequences: false)
        // Strict base 64: each signature has one text.
        guard parts.count == 3, let key = keys[String(parts[0])],
            let signature = Base64.decode(parts[2], alphabet: .url, isPadded: false),
            key.publicKey.isValid(signature.span, of: (parts[0] + "." + parts[1]).utf8.span)
        else { throw .invalid }
        guard let bytes = Base64.decode(parts[1], alphabet: .url, isPadded: false),
            let claims = try? JSONValue(parsing: bytes), claims["iss"]?.string == issuer,
            claims["aud"]?.string == Self.audience, let subject = claims["sub"]?.string,
            let session = claims["sid"]?.string, let issued = claims["iat"]?.int, let start = claims["nbf"]?.int,
            let end = claims["exp"]?.int
        else { throw .invalid }
        guard start <= Int(now.seconds) + Self.leewaySeconds else { throw .invalid }
        guard Int(now.seconds) < end else { throw .expired }
        (user, self.session) = (UserID(subject), SessionID(session))
        (issuedAt, expiresAt) = (WallTime(seconds: Int64(issued)), WallTime(seconds: Int64(end)))
    }

    init(user: UserID, session: SessionID, issuedAt: WallTime, expiresAt: WallTime) {
        (self.user, self.session, self.issuedAt, self.expiresAt) = (user, session, issuedAt, expiresAt)
    }

    /// The clock that issued is the clock that reads; it may have been set back a little.
    private static let leewaySeconds = 5
}
