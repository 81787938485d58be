// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// SHA-256 (FIPS 180-4), whole or in parts. It cannot fail.
@safe package struct SHA256: ~Copyable {
    private let context: OpaquePointer

    /// The algorithm, looked up once: a lookup a call costs more than the digest of a short text. EVP_MD_fetch(3).
    static let algorithm = unsafe Algorithm(OpenSSLErrors.require(EVP_MD_fetch(nil, "SHA256", nil), "SHA256"))

    /// Starts an empty message.
    package init() {
        let context = unsafe OpenSSLErrors.require(EVP_MD_CTX_new(), "EVP_MD_CTX_new")
        unsafe OpenSSLErrors.require(EVP_DigestInit_ex2(context, SHA256.algorithm.pointer, nil), "EVP_DigestInit_ex2")
        unsafe self.context = context
    }

    deinit { unsafe EVP_MD_CTX_free(context) }

    /// Adds `bytes` to the message.
    package mutating func update(_ bytes: Span<UInt8>) {
        // The buffer lives for the length of the call, which reads its count.
        unsafe bytes.withUnsafeBytes { buffer in
            unsafe OpenSSLErrors.require(
                EVP_DigestUpdate(context, buffer.baseAddress, buffer.count), "EVP_DigestUpdate")
        }
    }

    /// The digest of what was added.
    package consuming func finish() -> Digest {
        unsafe Digest { target in
            // 32 bytes is what SHA-256 writes and what a digest holds.
            unsafe OpenSSLErrors.require(
                EVP_DigestFinal_ex(context, target.baseAddress?.assumingMemoryBound(to: UInt8.self), nil),
                "EVP_DigestFinal_ex")
        }
    }

    /// The digest of `bytes`.
    package static func digest(_ bytes: Span<UInt8>) -> Digest {
        var hash = SHA256()
        hash.update(bytes)
        return hash.finish()
    }

    /// The digest of `bytes`.
    package static func digest(_ bytes: [UInt8]) -> Digest { digest(bytes.span) }
}

/// A fetched algorithm: read only, shared by all threads, never freed. OpenSSL counts references atomically
/// (openssl-threads(7)), hence `@unchecked Sendable`.
@safe struct Algorithm: @unchecked Sendable {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { unsafe self.pointer = pointer }
}
