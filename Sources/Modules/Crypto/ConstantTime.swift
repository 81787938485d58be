// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// True where both hold the same bytes. The time depends on the lengths alone, which are not secret. CRYPTO_memcmp(3).
package func constantTimeEquals(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
    guard left.count == right.count else { return false }
    // Both buffers live for the length of the closures and hold `left.count` bytes.
    return unsafe left.withUnsafeBytes { left in
        unsafe right.withUnsafeBytes { right in
            unsafe left.count == 0 || CRYPTO_memcmp(left.baseAddress, right.baseAddress, left.count) == 0
        }
    }
}
