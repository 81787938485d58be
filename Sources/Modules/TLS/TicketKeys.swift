// SPDX-License-Identifier: Apache-2.0
//
// A session ticket is the server's own state, sealed, kept by the client (RFC 5077 §4, RFC 8446 §4.6.1):
//
//     name of the key, 16 bytes | vector, 16 bytes | AES-256-CBC of the state | HMAC-SHA-256 of all before
//
// The keys are random, live in memory only, are the same for all loops, and are replaced every hour: whoever takes the
// machine learns at most the two last hours' tickets.

import COpenSSL
import Platform
import Synchronization

/// One key for tickets.
struct TicketKey: Sendable {
    /// 16 random bytes, in clear at the front of each ticket.
    let name: [UInt8]
    let cipher: SecretBytes
    let mac: SecretBytes
    let start: Instant

    init(at start: Instant) {
        name = Random.bytes(16)
        cipher = SecretBytes(randomCount: 32)
        mac = SecretBytes(randomCount: 32)
        self.start = start
    }
}

/// The key that seals, and the one before it, which still opens. The clock is an argument.
struct TicketKeyRing: Sendable {
    private var current: TicketKey
    private var previous: TicketKey?

    init(at now: Instant) {
        current = TicketKey(at: now)
    }

    /// The key to seal with.
    mutating func sealing(at now: Instant) -> TicketKey {
        advance(to: now)
        return current
    }

    /// The key with this name, if it may still open tickets, and whether a new ticket is due.
    mutating func opening(_ name: [UInt8], at now: Instant) -> (key: TicketKey, isOld: Bool)? {
        advance(to: now)
        if name == current.name { return (current, false) }
        if let previous, name == previous.name { return (previous, true) }
        return nil
    }

    private mutating func advance(to now: Instant) {
        let age = now - current.start
        let lifetime = Duration.seconds(TLSLimits.ticketLifetimeSeconds)
        guard age >= lifetime else { return }
        previous = age < lifetime * 2 ? current : nil
        current = TicketKey(at: now)
    }
}

/// The ring of one server context, for handshakes on any loop.
final class TicketKeys: Sendable {
    /// Guards the ring; held for the look-up only.
    let ring = Mutex(TicketKeyRing(at: .now()))
}

/// OpenSSL asks for a key: to seal (`sealing` is 1; fill in name and vector) or to open. SSL_CTX_set_tlsext_ticket_key_cb(3).
/// Returns 1 to go on, 2 to go on and give a new ticket, 0 for a full handshake, -1 to fail.
let ticketKeyCallback:
    @convention(c) (
        OpaquePointer?, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt8>?, OpaquePointer?, OpaquePointer?, CInt
    ) -> CInt = { ssl, name, vector, cipher, mac, sealing in
        // SAFETY: OpenSSL passes buffers of 16 bytes for the name and (EVP_MAX_IV_LENGTH) for the vector. The ring was put
        // at index 0 by the server context, which lives as long as its connections.
        guard let name = unsafe name, let vector = unsafe vector,
            let data = unsafe SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0)
        else { return -1 }
        let keys = unsafe Unmanaged<TicketKeys>.fromOpaque(data).takeUnretainedValue()
        let nameBuffer = unsafe UnsafeMutableBufferPointer(start: name, count: 16)
        let key: TicketKey
        var result: CInt = 1
        if sealing == 1 {
            key = keys.ring.withLock { $0.sealing(at: .now()) }
            _ = unsafe nameBuffer.update(fromContentsOf: key.name)
            _ = unsafe UnsafeMutableBufferPointer(start: vector, count: 16).update(fromContentsOf: Random.bytes(16))
        } else {
            let wanted = unsafe Array(nameBuffer)
            guard let found = keys.ring.withLock({ $0.opening(wanted, at: .now()) }) else { return 0 }
            key = found.key
            // A ticket of TLS 1.3 is used once, so the client always needs another.
            result = unsafe found.isOld || SSL_version(ssl) == TLSVersion.tls13.rawValue ? 2 : 1
        }
        let isReady = key.cipher.withBytes { cipherKey in
            key.mac.withBytes { macKey in
                unsafe cipherKey.withUnsafeBufferPointer { cipherKey in
                    unsafe macKey.withUnsafeBufferPointer { macKey in
                        // SAFETY: both keys have 32 bytes and live through the call, which copies them.
                        unsafe copenssl_begin_ticket(
                            cipher, mac, cipherKey.baseAddress, macKey.baseAddress, vector, sealing)
                    }
                }
            }
        }
        return isReady == 1 ? result : -1
    }
