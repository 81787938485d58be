// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Crypto
import Platform

/// Codes of six digits that change every 30 seconds (RFC 6238 with HMAC-SHA-1, RFC 4226): what every authenticator app
/// computes.
enum OneTimeCode {
    static let digits = 6
    static let periodSeconds = 30
    static let secretBytes = 20
    /// Steps before and behind the present one whose codes are taken: clocks differ.
    static let drift = 1

    static func step(at now: WallTime) -> Int { Int(now.seconds) / periodSeconds }

    /// The code of a step.
    static func code(_ secret: SecretBytes, step: Int) throws(CryptoError) -> String {
        let counter = (0..<8).map { UInt8(truncatingIfNeeded: step >> (56 - 8 * $0)) }
        let digest = try HMACSHA1.code(of: counter.span, key: secret)
        // RFC 4226 §5.3: four bits of the last byte say which four bytes are taken.
        let offset = Int(digest[19] & 0x0F)
        let number = digest[offset...offset + 3].reduce(0) { $0 << 8 | Int($1) } & 0x7FFF_FFFF
        let text = String(number % 1_000_000)
        return String(repeating: "0", count: digits - text.count) + text
    }

    /// The step whose code this is, if it is one of the present ones and behind `spent`: each code works once. All of them
    /// are compared, each in constant time.
    static func step(
        of code: String, secret: SecretBytes, after spent: Int, at now: WallTime
    ) throws(CryptoError) -> Int? {
        let present = step(at: now)
        var found: Int?
        for step in (present - drift)...(present + drift) {
            let agrees = constantTimeEquals(try self.code(secret, step: step).utf8.span, code.utf8.span)
            if agrees, step > spent, found == nil { found = step }
        }
        return found
    }
}

/// Seals the secrets of second factors under a key of the keyring, each for its owner: in a stolen database they say nothing,
/// and one moved to another person's row does not open.
struct SecondFactorVault: Sendable {
    private let cipher: AES256GCM

    init(key: SecretBytes) throws(CryptoError) { cipher = try AES256GCM(key: key) }

    /// Nonce, then the sealed secret.
    func seal(_ secret: SecretBytes, of user: UserID) throws(CryptoError) -> [UInt8] {
        let nonce = Random.bytes(AES256GCM.nonceByteCount)
        let data = Array(user.text.utf8)
        return nonce
            + (try secret.withBytes { (bytes) throws(CryptoError) in
                try cipher.seal(bytes, nonce: nonce.span, associatedData: data.span)
            })
    }

    func open(_ sealed: [UInt8], of user: UserID) throws(CryptoError) -> SecretBytes {
        guard sealed.count > AES256GCM.nonceByteCount else { throw .notAuthentic }
        let data = Array(user.text.utf8)
        let (nonce, rest) = (
            Array(sealed[..<AES256GCM.nonceByteCount]), Array(sealed[AES256GCM.nonceByteCount...])
        )
        var plain = try cipher.open(rest.span, nonce: nonce.span, associatedData: data.span)
        return SecretBytes(taking: &plain)
    }
}

/// Codes for the day the phone is lost: ten, each good once, 80 random bits each, so that nobody guesses one and no lock is
/// needed. They are shown when they are made and kept as digests.
enum RecoveryCode {
    static let count = 10
    private static let randomBytes = 10

    /// `ABCD-EFGH-IJKL-MNOP`.
    static func random() -> String {
        let text = Array(Base32.encode(Random.bytes(randomBytes).span))
        return stride(from: 0, to: text.count, by: 4).map { String(text[$0..<$0 + 4]) }.joined(separator: "-")
    }

    /// What is kept of a code, however it was typed; nil for what is none.
    static func digest(_ text: String, of user: UserID, under key: HMACSHA256) -> [UInt8]? {
        guard text.utf8.count <= 64 else { return nil }
        let plain = text.filter { $0 != "-" && $0 != " " }
        guard let bytes = Base32.decode(plain), bytes.count == randomBytes else { return nil }
        return key.code(of: Array("recovery \(user.text) ".utf8) + bytes).bytes
    }
}
