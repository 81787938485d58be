// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import Platform

/// HKDF with HMAC-SHA256 (RFC 5869): keys from a key. For passwords there is scrypt.
package enum HKDFSHA256 {
    /// The most bytes one derivation gives (RFC 5869 §2.3).
    package static let byteCountMax = 255 * 32

    private static let algorithm = unsafe Algorithm(OpenSSLErrors.require(EVP_KDF_fetch(nil, "HKDF", nil), "HKDF"))

    /// `count` bytes (1 to `byteCountMax`) from `key`. `salt` may be empty; `info` names what the derived key is for,
    /// and keys for different things have different `info`.
    package static func derive(
        key: Span<UInt8>, salt: Span<UInt8>, info: Span<UInt8>, count: Int
    ) throws(CryptoError) -> SecretBytes {
        guard (1...byteCountMax).contains(count) else { throw .parameter("count") }
        let context = unsafe OpenSSLErrors.require(EVP_KDF_CTX_new(algorithm.pointer), "EVP_KDF_CTX_new")
        defer { unsafe EVP_KDF_CTX_free(context) }
        var output = [UInt8](repeating: 0, count: count)
        // Each buffer lives for the length of its closure, and the call stays within their counts. A key must not be
        // a null pointer, so an empty one points at the output (of which no byte is read).
        let success = unsafe output.withUnsafeMutableBufferPointer { output in
            unsafe key.withUnsafeBufferPointer { key in
                unsafe salt.withUnsafeBufferPointer { salt in
                    unsafe info.withUnsafeBufferPointer { info in
                        let nothing = unsafe UnsafePointer(output.baseAddress)
                        return unsafe copenssl_hkdf_sha256(
                            context, key.baseAddress ?? nothing, key.count, salt.baseAddress ?? nothing, salt.count,
                            info.baseAddress ?? nothing, info.count, output.baseAddress, output.count)
                    }
                }
            }
        }
        guard success == 1 else {
            SecretBytes.wipe(&output)
            throw OpenSSLErrors.take("HKDF")
        }
        return SecretBytes(taking: &output)
    }

    /// The same from a key that stays with its owner, without salt (the key is uniformly random already).
    package static func derive(key: SecretBytes, info: String, count: Int) throws(CryptoError) -> SecretBytes {
        let info = Array(info.utf8)
        let salt: [UInt8] = []
        return try key.withBytes { bytes throws(CryptoError) in
            try derive(key: bytes, salt: salt.span, info: info.span, count: count)
        }
    }
}
