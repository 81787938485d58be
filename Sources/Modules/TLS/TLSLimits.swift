// SPDX-License-Identifier: Apache-2.0
package import Platform

/// The largest sizes of this target, and the algorithms it speaks.
package enum TLSLimits {
    /// Bytes of one record's content (RFC 8446 §5.1): the most one read gives or one write seals.
    package static let recordBytes = 16_384
    /// Bytes of a PEM file with certificates or a key.
    package static let fileBytes = 1 << 20
    /// Certificates in one file of a server's chain.
    package static let chainCount = 16
    /// Origins whose sessions a client keeps.
    package static let cachedOrigins = 256
    /// Sessions a client keeps for one origin.
    package static let cachedSessionsPerOrigin = 4
    /// How long a ticket is good for; keys that seal tickets are replaced this often, and the one before still opens.
    package static let ticketLifetimeSeconds: Int64 = 3_600
    /// How long `close` waits to say goodbye when the connection is full.
    package static let goodbye = Duration.seconds(1)

    /// TLS 1.3, RFC 8446 §B.4.
    static let cipherSuites = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
    /// TLS 1.2: an ephemeral key and an authenticated cipher, nothing else.
    static let ciphers = """
        ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:\
        ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305
        """
    static let groups = "X25519:P-256:P-384"
}

/// A version of the protocol.
package enum TLSVersion: CInt, Sendable {
    /// TLS 1.2, RFC 5246.
    case tls12 = 0x0303
    /// TLS 1.3, RFC 8446.
    case tls13 = 0x0304
}

/// Why a TLS context was not made. None of them shows a byte of a key.
package enum TLSContextFailure: Error, Equatable, Sendable {
    /// The certificate file cannot be read.
    case certificateUnreadable(Errno)
    /// It holds no certificate, more than `chainCount`, or one that does not parse.
    case certificateMalformed(String)
    /// The key file cannot be read.
    case keyUnreadable(Errno)
    /// Others than owner and group may read the key file, or others than the owner may write it; its mode.
    case keyExposed(mode: UInt32)
    /// It holds no private key, or one that wants a passphrase.
    case keyMalformed(String)
    /// The key is not the certificate's.
    case keyMismatch
    /// The file of certificate authorities cannot be read, or holds none.
    case authoritiesUnreadable
    /// OpenSSL refused a setting.
    case refused(String)
}

extension TLSContextFailure: CustomStringConvertible {
    /// For the operator: lower case, no full stop.
    package var description: String {
        switch self {
        case .certificateUnreadable(let number): "the certificate file cannot be read: \(number)"
        case .certificateMalformed(let reason): "the certificate file is not usable: \(reason)"
        case .keyUnreadable(let number): "the private key file cannot be read: \(number)"
        case .keyExposed(let mode):
            "the private key file is open to others (mode 0\(String(mode, radix: 8))); it should have mode 0600 or 0640"
        case .keyMalformed(let reason): "the private key file is not usable: \(reason)"
        case .keyMismatch: "the private key is not the certificate's"
        case .authoritiesUnreadable: "the file of certificate authorities cannot be read or holds none"
        case .refused(let reason): "TLS settings refused: \(reason)"
        }
    }
}
