// SPDX-License-Identifier: Apache-2.0

import Bytes
import Crypto
import Platform

/// What is kept of a password: scrypt (RFC 7914) of it, with its own salt and cost, in the form of the PHC string format
/// (`$scrypt$ln=17,r=8,p=1$salt$hash`, both in base 64 without padding).
struct PasswordHash: Equatable, Sendable {
    static let saltBytes = 16
    static let digestBytes = 32
    /// The longest text that is read.
    private static let textBytesMax = 256

    let scrypt: Scrypt
    let salt: [UInt8]
    let digest: [UInt8]

    private init(scrypt: Scrypt, salt: [UInt8], digest: [UInt8]) {
        (self.scrypt, self.salt, self.digest) = (scrypt, salt, digest)
    }

    /// Hashes a new password. Takes the time and memory that `scrypt` says: on the hasher's threads only.
    static func make(_ password: String, _ scrypt: Scrypt) throws(CryptoError) -> PasswordHash {
        let salt = Random.bytes(saltBytes)
        return PasswordHash(
            scrypt: scrypt, salt: salt, digest: try digest(password, scrypt, salt, count: digestBytes))
    }

    /// What an unknown user's password is compared with: nothing agrees with it, at the same cost.
    static func decoy(_ scrypt: Scrypt) -> PasswordHash {
        PasswordHash(scrypt: scrypt, salt: Random.bytes(saltBytes), digest: Random.bytes(digestBytes))
    }

    /// Whether this is the password. At the cost it was made with; the comparison takes the same time whatever differs.
    func matches(_ password: String) throws(CryptoError) -> Bool {
        let found = try Self.digest(password, scrypt, salt, count: digest.count)
        return constantTimeEquals(found.span, digest.span)
    }

    /// The text that is stored.
    var text: String {
        let ln = scrypt.cost.trailingZeroBitCount
        let (salt, digest) = (Base64.encode(salt, isPadded: false), Base64.encode(digest, isPadded: false))
        return "$scrypt$ln=\(ln),r=\(scrypt.blockSize),p=\(scrypt.parallelism)$\(salt)$\(digest)"
    }

    /// The text that `text` writes; nil for any other, and for costs that ``Scrypt`` does not allow.
    init?(_ text: String) {
        guard text.utf8.count <= Self.textBytesMax else { return nil }
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0].isEmpty, parts[1] == "scrypt",
            let salt = Base64.decode(parts[3], isPadded: false), (8...64).contains(salt.count),
            let digest = Base64.decode(parts[4], isPadded: false), (16...64).contains(digest.count)
        else { return nil }
        let costs = parts[2].split(separator: ",", omittingEmptySubsequences: false)
        guard costs.count == 3, let ln = Self.number(costs[0], "ln="), (1...24).contains(ln),
            let r = Self.number(costs[1], "r="), let p = Self.number(costs[2], "p="),
            let scrypt = try? Scrypt(cost: 1 << ln, blockSize: r, parallelism: p)
        else { return nil }
        self.init(scrypt: scrypt, salt: salt, digest: digest)
    }

    private static func number(_ text: Substring, _ name: String) -> Int? {
        guard text.hasPrefix(name) else { return nil }
        return Int(text.dropFirst(name.count))
    }

    private static func digest(
        _ password: String, _ scrypt: Scrypt, _ salt: [UInt8], count: Int
    ) throws(CryptoError) -> [UInt8] {
        let key = try scrypt.derive(password: password.utf8.span, salt: salt.span, count: count)
        return key.withBytes { bytes in bytes.indices.map { bytes[$0] } }
    }
}
