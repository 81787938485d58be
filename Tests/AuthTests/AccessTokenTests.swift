// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Crypto
import JSON
import Platform
import Support
import Testing

@testable import Auth

/// Row W4: whatever is done to a token, it opens nothing. Each attack is shown to work on a reader that does what the textbook
/// says one must not: the attack itself is right, and the refusal is the house's.
@Suite struct AccessTokenTests {
    private static let issuer = "https://gatehouse.example"
    private static let now = WallTime(seconds: 1_800_000_000)
    private let key: AccessToken.Key
    private let keys: [String: AccessToken.Key]

    init() throws {
        key = try AccessToken.Key(id: "01JD0000000000000000000000", seed: SecretBytes(randomCount: 32))
        keys = [key.header: key]
    }

    private static let claims: JSONObject = [
        "iss": .string(issuer), "aud": "gatehouse", "sub": "usr_1", "sid": "ses_1", "iat": .int(Int(now.seconds)),
        "nbf": .int(Int(now.seconds)), "exp": .int(Int(now.seconds) + 900),
    ]

    private func read(_ text: String, at now: WallTime = now) -> Result<AccessToken, AccessToken.Defect> {
        Result { () throws(AccessToken.Defect) in
            try AccessToken(text.utf8.span, keys: keys, issuer: Self.issuer, at: now)
        }
    }

    private func signed(_ changes: JSONObject) throws -> String {
        var claims = Self.claims
        for (name, value) in changes.members { claims[name] = value }
        return try key.sign(.object(claims))
    }

    private static func encoded(_ value: JSONValue) -> String {
        Base64.encode(value.serialized(), alphabet: .url, isPadded: false)
    }

    @Test func `reads what it wrote`() throws {
        let token = AccessToken(
            user: UserID("usr_1"), session: SessionID("ses_1"), issuedAt: Self.now, expiresAt: Self.now + .seconds(900))
        let text = try token.text(key, issuer: Self.issuer)
        #expect(read(text) == .success(token))
        #expect(read(text, at: Self.now + .seconds(899)) == .success(token))
        #expect(read(text, at: Self.now + .seconds(900)) == .failure(.expired))
        #expect(try signed([:]) == text)
    }

    @Test func `refuses claims that are not meant for it`() throws {
        let changes: [(JSONObject, AccessToken.Defect)] = [
            (["iss": "https://evil.example"], .invalid), (["iss": .string(Self.issuer + "/")], .invalid),
            (["iss": .null], .invalid), (["aud": "another"], .invalid), (["aud": ["gatehouse"]], .invalid),
            (["exp": .int(Int(Self.now.seconds))], .expired), (["exp": .int(0)], .expired), (["exp": .null], .invalid),
            (["exp": "9999999999"], .invalid), (["exp": .double(1.5e300)], .invalid),
            (["nbf": .int(Int(Self.now.seconds) + 60)], .invalid), (["nbf": .null], .invalid),
            (["iat": .null], .invalid),
            (["sub": .null], .invalid), (["sub": 1], .invalid), (["sid": .null], .invalid),
        ]
        for (change, defect) in changes {
            #expect(read(try signed(change)) == .failure(defect), "\(JSONValue.object(change))")
        }
    }

    @Test func `no header but its own leads to a key`() throws {
        let payload = Self.encoded(.object(Self.claims))
        let foreign = try AccessToken.Key(id: "foreign", seed: SecretBytes(randomCount: 32))
        let publicKey = Base64.encode(foreign.publicKey.bytes, alphabet: .url, isPadded: false)
        let kid = JSONValue.string(key.id)
        let headers: [JSONValue] = [
            ["alg": "none", "kid": kid, "typ": "at+jwt"], ["alg": "None", "kid": kid, "typ": "at+jwt"],
            ["alg": "HS256", "kid": kid, "typ": "at+jwt"], ["alg": "ES256", "kid": kid, "typ": "at+jwt"],
            ["alg": "EdDSA", "kid": "foreign", "typ": "at+jwt"],
            ["alg": "EdDSA", "kid": "../../../../dev/null", "typ": "at+jwt"],
            ["alg": "EdDSA", "kid": "' OR 1=1 --", "typ": "at+jwt"], ["alg": "EdDSA", "kid": kid, "typ": "JWT"],
            ["alg": "EdDSA", "kid": kid], ["alg": "EdDSA", "typ": "at+jwt"],
            ["alg": "EdDSA", "kid": kid, "typ": "at+jwt", "jku": "https://evil.example/keys"],
            [
                "alg": "EdDSA", "kid": kid, "typ": "at+jwt",
                "jwk": ["kty": "OKP", "crv": "Ed25519", "x": .string(publicKey)],
            ],
            ["alg": "EdDSA", "kid": kid, "typ": "at+jwt", "x5u": "https://evil.example/"],
            ["alg": "EdDSA", "kid": kid, "typ": "at+jwt", "crit": ["exp"]],
            ["alg": "EdDSA", "kid": kid, "typ": "at+jwt", "b64": false],
        ]
        for header in headers {
            let text = Self.encoded(header) + "." + payload
            for signature in try signatures(of: text, foreign) {
                #expect(read(text + "." + signature) == .failure(.invalid), "\(header)")
            }
        }
        // The own header with everything but the own signature.
        for signature in try signatures(of: key.header + "." + payload, foreign) {
            #expect(read(key.header + "." + payload + "." + signature) == .failure(.invalid))
        }
    }

    /// None, an HMAC under the public key (the confusion of algorithms), a foreign key's, zeros.
    private func signatures(of text: String, _ foreign: AccessToken.Key) throws -> [String] {
        let publicBytes = key.publicKey.bytes
        let confused = HMACSHA256(key: SecretBytes(copying: publicBytes.span)).code(of: Array(text.utf8)).bytes
        let other = try foreign.sign(.object(Self.claims)).split(separator: ".")[2]
        return [
            "", Base64.encode(confused, alphabet: .url, isPadded: false), String(other),
            Base64.encode([UInt8](repeating: 0, count: 64), alphabet: .url, isPadded: false),
        ]
    }

    /// The control: a reader that believes the header takes what has no signature, and what is signed with the public key.
    @Test func `a reader that believes the header is fooled by the same tokens`() throws {
        let publicBytes = key.publicKey.bytes
        func believes(_ text: String) -> Bool {
            let parts = text.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 3, let bytes = Base64.decode(parts[0], alphabet: .url, isPadded: false),
                let header = try? JSONValue(parsing: bytes),
                let signature = Base64.decode(parts[2], alphabet: .url, isPadded: false)
            else { return false }
            let signed = Array((parts[0] + "." + parts[1]).utf8)
            switch header["alg"]?.string {
            case "none": return true
            case "HS256":
                return HMACSHA256(key: SecretBytes(copying: publicBytes.span)).code(of: signed).bytes == signature
            default: return key.publicKey.isValid(signature.span, of: signed.span)
            }
        }
        let payload = Self.encoded(.object(Self.claims))
        let none = Self.encoded(["alg": "none"]) + "." + payload + "."
        let head = Self.encoded(["alg": "HS256"]) + "." + payload
        let code = HMACSHA256(key: SecretBytes(copying: publicBytes.span)).code(of: Array(head.utf8)).bytes
        let confused = head + "." + Base64.encode(code, alphabet: .url, isPadded: false)
        for text in [none, confused] {
            #expect(believes(text))
            #expect(read(text) == .failure(.invalid))
        }
    }

    @Test func `every single flipped bit is found`() throws {
        let text = Array(try signed([:]).utf8)
        #expect((try? read(String(decoding: text, as: UTF8.self)).get()) != nil)
        for index in text.indices {
            for bit in 0..<8 {
                var changed = text
                changed[index] ^= 1 << UInt8(bit)
                let result = Result { () throws(AccessToken.Defect) in
                    try AccessToken(changed.span, keys: keys, issuer: Self.issuer, at: Self.now)
                }
                #expect(result == .failure(.invalid), "byte \(index), bit \(bit)")
            }
        }
    }

    @Test func `what is cut off, or has more, is no token`() throws {
        let text = try signed([:])
        for count in 0..<text.utf8.count {
            #expect(read(String(decoding: Array(text.utf8.prefix(count)), as: UTF8.self)) == .failure(.invalid))
        }
        for end in [".", "=", "A", " ", "\n", ".e30"] { #expect(read(text + end) == .failure(.invalid), "\(end)") }
        #expect(read(" " + text) == .failure(.invalid))
        #expect(read(String(repeating: "e", count: 100_000)) == .failure(.invalid))
    }

    @Test func `a key that was destroyed opens nothing any more`() throws {
        let text = try signed([:])
        #expect(
            throws: AccessToken.Defect.invalid,
            performing: { try AccessToken(text.utf8.span, keys: [:], issuer: Self.issuer, at: Self.now) })
    }
}

/// Every vector of the suite is of another algorithm, signed well or badly: refused here.
@Suite(.enabled(if: Suites.isPresent, Comment(rawValue: Suites.absence)))
struct ForeignSignatureTests {
    @Test func `no JSON web signature of the suite opens anything`() throws {
        let file = try JSONValue(
            parsing: try TestFile.bytes(Suites.path("wycheproof/json_web_signature_test.json")))
        let key = try AccessToken.Key(id: "01JD0000000000000000000000", seed: SecretBytes(randomCount: 32))
        var count = 0
        for test in (file["testGroups"]?.array ?? []).flatMap({ $0["tests"]?.array ?? [] }) {
            guard let text = test["jws"]?.string else { continue }
            count += 1
            #expect(
                throws: AccessToken.Defect.invalid,
                performing: {
                    try AccessToken(
                        text.utf8.span, keys: [key.header: key], issuer: "x", at: WallTime(seconds: 1_800_000_000))
                })
        }
        #expect(count == file["numberOfTests"]?.int && count > 300)
    }
}
