// SPDX-License-Identifier: Apache-2.0

import Crypto
import Platform
import Synchronization

/// Random nonces in stock, each given out once: one call of the kernel for many fields, not for each.
enum NonceStock {
    private struct Stock {
        var bytes = [UInt8](repeating: 0, count: 256 * AES256GCM.nonceByteCount)
        /// What is left begins here.
        var next = Int.max
    }

    // Guards the stock: two callers must never get the same.
    private static let stock = Mutex(Stock())

    /// Writes a nonce to `target`, which has room for its 12 bytes.
    static func take(to target: UnsafeMutableRawPointer) {
        stock.withLock { stock in
            if stock.next >= stock.bytes.count {
                Random.fill(&stock.bytes)
                stock.next = 0
            }
            let start = stock.next
            stock.next += AES256GCM.nonceByteCount
            let part = stock.bytes.span.extracting(start..<stock.next)
            // 12 bytes of the stock, alive for the call.
            unsafe part.withUnsafeBytes { part in
                if let base = part.baseAddress { unsafe target.copyMemory(from: base, byteCount: part.count) }
            }
        }
    }
}
