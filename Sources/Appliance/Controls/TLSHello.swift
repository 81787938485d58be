// SPDX-License-Identifier: Apache-2.0

/// A client's first message of TLS, written by hand: what a library of today would not say any more. It asks for a version
/// and ciphers, and the first byte that comes back tells whether the server agrees.
///
///     record     16 03 01 length                       RFC 5246 §6.2.1
///     handshake  01 length                             RFC 5246 §7.4
///     hello      version random session ciphers compression extensions
struct TLSHello: Sendable {
    /// As it is called in a sentence.
    let name: String
    private let version: UInt16
    private let ciphers: [UInt16]

    /// ECDHE with AES-GCM or ChaCha20: the best of TLS 1.2.
    private static let sound: [UInt16] = [0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8]
    /// CBC with ECDHE or plain RSA; and plain RSA with AES-GCM, which has no forward secrecy.
    private static let weak: [UInt16] = [0xC009, 0xC013, 0xC00A, 0xC014, 0x002F, 0x0035, 0x009C, 0x009D, 0x000A]

    static let tls10 = TLSHello(name: "TLS 1.0", version: 0x0301, ciphers: weak)
    static let tls11 = TLSHello(name: "TLS 1.1", version: 0x0302, ciphers: weak)
    static let tls12 = TLSHello(name: "TLS 1.2", version: 0x0303, ciphers: sound)
    static let weakCiphers = TLSHello(name: "TLS 1.2 with a weak cipher", version: 0x0303, ciphers: weak)

    /// Whether a server has agreed: a handshake record, and not an alert or nothing.
    static func isAgreement(_ answer: [UInt8]) -> Bool { answer.first == 0x16 }

    var bytes: [UInt8] {
        var extensions: [UInt8] = []
        func add(_ kind: UInt16, _ body: [UInt8]) { extensions += Self.pair(kind) + Self.counted(body, bytes: 2) }
        add(0x000A, Self.counted([0x00, 0x1D, 0x00, 0x17, 0x00, 0x18], bytes: 2))  // supported_groups
        add(0x000B, Self.counted([0x00], bytes: 1))  // ec_point_formats: uncompressed
        let schemes: [UInt8] = [0x04, 0x03, 0x05, 0x03, 0x08, 0x07, 0x08, 0x04, 0x04, 0x01, 0x05, 0x01, 0x02, 0x01]
        add(0x000D, Self.counted(schemes, bytes: 2))  // signature_algorithms
        var hello = Self.pair(version) + [UInt8](repeating: 0x5A, count: 32) + [0]
        hello += Self.counted(ciphers.flatMap(Self.pair), bytes: 2) + [1, 0] + Self.counted(extensions, bytes: 2)
        let handshake = [0x01] + Self.counted(hello, bytes: 3)
        return [0x16, 0x03, 0x01] + Self.counted(handshake, bytes: 2)
    }

    private static func pair(_ number: UInt16) -> [UInt8] {
        [UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)]
    }

    /// The bytes behind their count, in so many bytes.
    private static func counted(_ body: [UInt8], bytes: Int) -> [UInt8] {
        (0..<bytes).reversed().map { UInt8(truncatingIfNeeded: body.count >> (8 * $0)) } + body
    }
}
