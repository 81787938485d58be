// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// SHA-256 (FIPS 180-4), whole or in parts. It cannot fail, and allocates nothing.
package struct SHA256: ~Copyable {
    private var context = SHA256_CTX()

    /// For those calls of OpenSSL that want the algorithm itself. EVP_MD_fetch(3).
    static let algorithm = unsafe Algorithm(OpenSSLErrors.require(EVP_MD_fetch(nil, "SHA256", nil), "SHA256"))

    /// Starts an empty message.
    package init() { unsafe copenssl_sha256_start(&context) }

    /// Adds `bytes` to the message.
    package mutating func update(_ bytes: Span<UInt8>) {
        // The buffer lives for the length of the call, which reads its count.
        unsafe bytes.withUnsafeBytes { buffer in
            unsafe copenssl_sha256_update(&context, buffer.baseAddress, buffer.count)
        }
    }

    /// The digest of what was added.
    package consuming func finish() -> Digest {
        unsafe Digest { target in
            guard let digest = unsafe target.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
            // 32 bytes is what SHA-256 writes and what a digest holds.
            unsafe copenssl_sha256_finish(&context, digest)
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

    /// The digest of `first` and then `bytes`.
    package static func digest(_ first: UInt8, _ bytes: Span<UInt8>) -> Digest {
        unsafe Digest { target in
            guard let digest = unsafe target.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
            // The bytes live for the length of the call, which reads their count and writes the 32 bytes of a digest.
            unsafe bytes.withUnsafeBufferPointer {
                unsafe copenssl_sha256_behind(first, $0.baseAddress, $0.count, digest)
            }
        }
    }

    /// The digest of `first` and then two digests.
    package static func digest(_ first: UInt8, _ left: Digest, _ right: Digest) -> Digest {
        unsafe Digest { target in
            guard let digest = unsafe target.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
            var (left, right) = (left, right)
            // Locals of 32 bytes each, read within the call, which writes the 32 bytes of a digest.
            unsafe copenssl_sha256_pair(first, &left, &right, digest)
        }
    }
}

/// A fetched algorithm: read only, shared by all threads, never freed. OpenSSL counts references atomically
/// (openssl-threads(7)), hence `@unchecked Sendable`.
@safe struct Algorithm: @unchecked Sendable {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { unsafe self.pointer = pointer }
}
