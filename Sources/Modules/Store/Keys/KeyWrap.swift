// SPDX-License-Identifier: Apache-2.0

import Crypto
import Platform

/// Seals keys and short secrets under another key, bound to what they are for.
///
///     version    1   1
///     nonce     12   random
///     sealed     n   AES-256-GCM; a key has 32
///     tag       16
///
/// A wrapping key is good for 2^32 wraps (NIST SP 800-38D §8.3); none here comes near: a tenant's is renewed with its
/// erasures and holds one wrap an object.
struct KeyWrap: Sendable {
    static let keyByteCount = 32
    private static let version: UInt8 = 1
    private static let headByteCount = 1 + AES256GCM.nonceByteCount

    private let cipher: AES256GCM

    /// Holds on to `key`, 32 bytes: every caller has made it so.
    init(_ key: SecretBytes) {
        do {
            cipher = try AES256GCM(key: key)
        } catch {
            preconditionFailure("a wrapping key has 32 bytes: \(error)")
        }
    }

    func wrap(_ secret: SecretBytes, as data: AssociatedData) -> [UInt8] {
        wrap(secret, nonce: Random.bytes(AES256GCM.nonceByteCount)[...], as: data)
    }

    /// The same with a nonce that the caller has drawn, among many at once: 12 random bytes, used for nothing else.
    func wrap(_ secret: SecretBytes, nonce: ArraySlice<UInt8>, as data: AssociatedData) -> [UInt8] {
        let sealed: [UInt8]
        do {
            sealed = try secret.withBytes { bytes throws(CryptoError) in
                try cipher.seal(bytes, nonce: nonce.span, associatedData: data.bytes.span)
            }
        } catch {
            // Lengths are right by construction: what is left is a broken library, and to go on would lose the key.
            fatalError("a key cannot be wrapped: \(error)")
        }
        var wrapped: [UInt8] = []
        wrapped.reserveCapacity(Self.headByteCount + sealed.count)
        wrapped.append(Self.version)
        wrapped += nonce
        wrapped += sealed
        return wrapped
    }

    /// What `wrap` was given, for the same purpose; `nil` for anything else.
    func unwrap(_ wrapped: [UInt8], as data: AssociatedData) -> SecretBytes? {
        guard wrapped.count > Self.headByteCount, wrapped[0] == Self.version else { return nil }
        let span = wrapped.span
        guard
            var bytes = try? cipher.open(
                span.extracting(Self.headByteCount...), nonce: span.extracting(1..<Self.headByteCount),
                associatedData: data.bytes.span)
        else { return nil }
        return SecretBytes(taking: &bytes)
    }

    /// The same for a key, which has 32 bytes.
    func unwrapKey(_ wrapped: [UInt8], as data: AssociatedData) -> SecretBytes? {
        guard let key = unwrap(wrapped, as: data), key.count == Self.keyByteCount else { return nil }
        return key
    }
}

/// A value by which a key can be recognised before it is used, and that says nothing about it: HKDF with a label of its own.
///
/// AES-GCM does not commit to its key: one ciphertext can be made that opens under two keys, differently. So wherever
/// somebody else may have chosen the key (a passphrase, a file that was swapped), this is compared first.
enum KeyCommitment {
    static let byteCount = 32

    static func make(of key: SecretBytes, salt: [UInt8], label: StaticString) -> [UInt8] {
        let info = Array("gatehouse/v1/commitment/\(label)".utf8)
        do {
            let value = try key.withBytes { key throws(CryptoError) in
                try HKDFSHA256.derive(key: key, salt: salt.span, info: info.span, count: byteCount)
            }
            return value.withBytes { bytes in bytes.indices.map { bytes[$0] } }
        } catch {
            fatalError("a commitment cannot be derived: \(error)")
        }
    }

    static func isRight(_ commitment: [UInt8], of key: SecretBytes, salt: [UInt8], label: StaticString) -> Bool {
        let own = make(of: key, salt: salt, label: label)
        return constantTimeEquals(own.span, commitment.span)
    }
}
