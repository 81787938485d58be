// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import Platform

/// HMAC-SHA-1 (RFC 2104), for one-time codes only (RFC 4226, RFC 6238): it is what authenticator apps compute. What broke
/// SHA-1, collisions, does not break HMAC; nothing else in this house uses it.
package enum HMACSHA1 {
    package static let byteCount = 20

    /// The code of `message` under `key`, 20 bytes. HMAC(3).
    package static func code(of message: Span<UInt8>, key: SecretBytes) throws(CryptoError) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: byteCount)
        var count: UInt32 = 0
        // Key, message and code live for the length of the closures; the call reads the counts of the first two and writes
        // the 20 bytes of a SHA-1 digest.
        let isDone = unsafe code.withUnsafeMutableBufferPointer { code in
            key.withBytes { key in
                unsafe key.withUnsafeBytes { key in
                    unsafe message.withUnsafeBufferPointer { message in
                        unsafe HMAC(
                            EVP_sha1(), key.baseAddress, Int32(clamping: key.count), message.baseAddress,
                            message.count, code.baseAddress, &count) != nil
                    }
                }
            }
        }
        guard isDone, count == byteCount else { throw OpenSSLErrors.take("HMAC-SHA-1") }
        return code
    }
}
