// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import Platform

/// HMAC-SHA256 (RFC 2104) under one key, for any number of messages on any thread.
///
/// The key is worked in once; a message then costs two short hashes, without a lock, an allocation or a look-up.
@safe package final class HMACSHA256: @unchecked Sendable {
    // Written before anybody else sees it, never again, and wiped before it is given back: hence `@unchecked Sendable`.
    private let state: UnsafeMutablePointer<copenssl_hmac_sha256>

    /// Works in `key`, of any length (32 bytes are right; longer than 64 are hashed first).
    /// It stays with its owner.
    package init(key: SecretBytes) {
        let state = UnsafeMutablePointer<copenssl_hmac_sha256>.allocate(capacity: 1)
        unsafe state.initialize(to: copenssl_hmac_sha256())
        // The key lives for the length of the call, which reads its count.
        key.withBytes { key in
            unsafe key.withUnsafeBufferPointer { key in
                unsafe copenssl_hmac_sha256_key(state, key.baseAddress, key.count)
            }
        }
        unsafe self.state = state
    }

    /// The same for a key that is no secret of ours.
    package convenience init(key: Span<UInt8>) { self.init(key: SecretBytes(copying: key)) }

    deinit {
        unsafe OPENSSL_cleanse(state, MemoryLayout<copenssl_hmac_sha256>.size)
        unsafe state.deallocate()
    }

    /// The code of `message`.
    package func code(of message: Span<UInt8>) -> Digest {
        unsafe Digest { target in
            // The message lives for the length of the call, which reads its count and writes the 32 bytes of a digest.
            unsafe message.withUnsafeBufferPointer { message in
                guard let code = unsafe target.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
                unsafe copenssl_hmac_sha256_code(state, message.baseAddress, message.count, code)
            }
        }
    }

    /// The code of `message`.
    package func code(of message: [UInt8]) -> Digest { code(of: message.span) }

    /// True where `code` is the code of `message`. In constant time.
    package func isValid(_ code: Digest, of message: Span<UInt8>) -> Bool { self.code(of: message) == code }
}
