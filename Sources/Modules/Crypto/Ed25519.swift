// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import Platform

/// Ed25519 signatures (RFC 8032).
package enum Ed25519 {
    package static let seedByteCount = 32
    package static let publicKeyByteCount = 32
    package static let signatureByteCount = 64

    /// Signs. Any thread may use it.
    package final class PrivateKey: Sendable {
        private let key: Key
        package let publicKey: PublicKey

        /// From a seed of 32 bytes (what RFC 8032 calls the private key).
        package init(seed: SecretBytes) throws(CryptoError) {
            guard seed.count == seedByteCount else { throw .length(expected: seedByteCount, actual: seed.count) }
            // 32 bytes, alive for the call, which copies them.
            let raw = unsafe seed.withBytes { seed in
                unsafe seed.withUnsafeBufferPointer { seed in
                    unsafe EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed.baseAddress, seed.count)
                }
            }
            guard let raw = unsafe raw else { throw OpenSSLErrors.take("Ed25519") }
            let key = unsafe Key(raw)
            var bytes = [UInt8](repeating: 0, count: publicKeyByteCount)
            var count = bytes.count
            // The call writes at most `count` bytes, the array's own count.
            let success = unsafe bytes.withUnsafeMutableBufferPointer {
                unsafe EVP_PKEY_get_raw_public_key(key.pointer, $0.baseAddress, &count)
            }
            guard success == 1 else { throw OpenSSLErrors.take("Ed25519") }
            let publicKey = try PublicKey(bytes.span)
            self.key = key
            self.publicKey = publicKey
        }

        /// The signature of `message`, 64 bytes, the same each time.
        package func signature(of message: Span<UInt8>) throws(CryptoError) -> [UInt8] {
            let context = unsafe OpenSSLErrors.require(EVP_MD_CTX_new(), "EVP_MD_CTX_new")
            defer { unsafe EVP_MD_CTX_free(context) }
            var signature = [UInt8](repeating: 0, count: signatureByteCount)
            var count = signature.count
            // The call writes at most `count` bytes, the array's own count, and reads the message's.
            let success = unsafe signature.withUnsafeMutableBufferPointer { signature in
                unsafe message.withUnsafeBufferPointer { message in
                    unsafe EVP_DigestSignInit(context, nil, nil, nil, key.pointer) == 1
                        && EVP_DigestSign(context, signature.baseAddress, &count, message.baseAddress, message.count)
                            == 1
                }
            }
            guard success, count == signatureByteCount else { throw OpenSSLErrors.take("Ed25519") }
            return signature
        }
    }

    /// Verifies. Any thread may use it.
    package final class PublicKey: Sendable {
        private let key: Key
        /// The 32 bytes of the key.
        package let bytes: [UInt8]

        /// From 32 bytes. Whether they are a point of the curve shows when a signature is checked.
        package init(_ bytes: Span<UInt8>) throws(CryptoError) {
            guard bytes.count == publicKeyByteCount else {
                throw .length(expected: publicKeyByteCount, actual: bytes.count)
            }
            // 32 bytes, alive for the call, which copies them.
            let raw = unsafe bytes.withUnsafeBufferPointer {
                unsafe EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, $0.baseAddress, $0.count)
            }
            guard let raw = unsafe raw else { throw OpenSSLErrors.take("Ed25519") }
            unsafe key = Key(raw)
            self.bytes = bytes.indices.map { bytes[$0] }
        }

        /// True where `signature` is one of `message` under this key.
        package func isValid(_ signature: Span<UInt8>, of message: Span<UInt8>) -> Bool {
            guard signature.count == signatureByteCount else { return false }
            let context = unsafe OpenSSLErrors.require(EVP_MD_CTX_new(), "EVP_MD_CTX_new")
            defer { unsafe EVP_MD_CTX_free(context) }
            // Both buffers live for the length of the closures; the call reads their counts.
            let result = unsafe signature.withUnsafeBufferPointer { signature in
                unsafe message.withUnsafeBufferPointer { message in
                    unsafe EVP_DigestVerifyInit(context, nil, nil, nil, key.pointer) == 1
                        ? EVP_DigestVerify(
                            context, signature.baseAddress, signature.count, message.baseAddress, message.count) : -1
                }
            }
            if result != 1 { ERR_clear_error() }
            return result == 1
        }
    }
}

/// An EVP_PKEY with one owner. Signing and verifying only read it, so threads may share it (openssl-threads(7)): hence
/// `@unchecked Sendable`. EVP_PKEY_free wipes a private key.
@safe final class Key: @unchecked Sendable {
    let pointer: OpaquePointer

    /// Takes over `pointer`.
    init(_ pointer: OpaquePointer) { unsafe self.pointer = pointer }

    deinit { unsafe EVP_PKEY_free(pointer) }
}
