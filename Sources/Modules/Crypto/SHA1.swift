// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// SHA-1, for one thing: the service that knows leaked passwords files them by it. It protects nothing here.
package enum SHA1 {
    /// 20 bytes. EVP_Digest(3).
    package static func digest(_ bytes: Span<UInt8>) throws(CryptoError) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 20)
        var count: UInt32 = 0
        // Both buffers live for the length of the closures; the call reads the count of the first and writes the 20 bytes
        // of a SHA-1 digest.
        let isDone = unsafe digest.withUnsafeMutableBufferPointer { digest in
            unsafe bytes.withUnsafeBytes { bytes in
                unsafe EVP_Digest(bytes.baseAddress, bytes.count, digest.baseAddress, &count, EVP_sha1(), nil) == 1
            }
        }
        guard isDone, count == 20 else { throw OpenSSLErrors.take("SHA-1") }
        return digest
    }
}
