// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import Platform

/// scrypt (RFC 7914): a key or a verifier from a password, at a price in time and memory. Never on a loop: 2^17, 8, 1
/// takes 128 MiB and some 0.4 s.
package struct Scrypt: Equatable, Sendable {
    /// The most memory one derivation may take, in bytes: parameters may come from a file.
    package static let memoryBytesMax = 1 << 30

    /// N: a power of two above 1. Memory and time grow with it.
    package let cost: Int
    /// r.
    package let blockSize: Int
    /// p.
    package let parallelism: Int

    /// 2^17, 8, 1: what OWASP asks for passwords.
    package static let passwords = Scrypt(uncheckedCost: 1 << 17, blockSize: 8, parallelism: 1)

    /// Refuses what is not a set of parameters, or needs more than `memoryBytesMax`.
    package init(cost: Int, blockSize: Int, parallelism: Int) throws(CryptoError) {
        guard cost > 1, cost & (cost - 1) == 0, cost <= Scrypt.memoryBytesMax else { throw .parameter("cost") }
        guard (1...64).contains(blockSize) else { throw .parameter("blockSize") }
        guard (1...64).contains(parallelism) else { throw .parameter("parallelism") }
        self.init(uncheckedCost: cost, blockSize: blockSize, parallelism: parallelism)
        guard memoryBytes <= Scrypt.memoryBytesMax else { throw .parameter("cost") }
    }

    private init(uncheckedCost cost: Int, blockSize: Int, parallelism: Int) {
        self.cost = cost
        self.blockSize = blockSize
        self.parallelism = parallelism
    }

    // 128·r·(N + p + 2): the table, the blocks and what OpenSSL adds.
    private var memoryBytes: Int { 128 * blockSize * (cost + parallelism + 2) }

    /// `count` bytes (1 to 1024) from `password` and `salt`. EVP_PBE_scrypt(3).
    package func derive(password: Span<UInt8>, salt: Span<UInt8>, count: Int) throws(CryptoError) -> SecretBytes {
        guard (1...1024).contains(count) else { throw .parameter("count") }
        var output = [UInt8](repeating: 0, count: count)
        // Each buffer lives for the length of its closure, and the call stays within their counts. OpenSSL takes a null
        // password or salt for an empty one.
        let success = unsafe output.withUnsafeMutableBufferPointer { output in
            unsafe password.withUnsafeBytes { password in
                unsafe salt.withUnsafeBufferPointer { salt in
                    unsafe EVP_PBE_scrypt(
                        password.baseAddress?.assumingMemoryBound(to: CChar.self), password.count,
                        salt.baseAddress, salt.count, UInt64(cost), UInt64(blockSize), UInt64(parallelism),
                        UInt64(memoryBytes), output.baseAddress, output.count)
                }
            }
        }
        guard success == 1 else {
            SecretBytes.wipe(&output)
            throw OpenSSLErrors.take("scrypt")
        }
        return SecretBytes(taking: &output)
    }
}
