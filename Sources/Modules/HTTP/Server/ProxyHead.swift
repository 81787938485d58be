// SPDX-License-Identifier: Apache-2.0
//
// What a proxy says of a connection before its first byte: the PROXY protocol, versions 1 and 2 (HAProxy's
// doc/proxy-protocol.txt). Bytes in, no I/O:
//
//     version 1   PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\r\n          at most 107 bytes
//     version 2   \r\n\r\n\0\r\nQUIT\n  0x20 or 0x21  family  length (2)  addresses and more
//
// Not one byte behind the head may be taken: what follows is the client's own, and belongs to TLS.

import Bytes
import Platform

/// The head of such a connection, as it comes in.
struct ProxyHead {
    /// What is to be done next.
    enum Step: Equatable {
        /// Give at most so many bytes more.
        case read(Int)
        /// It is complete: whom the connection is from; `nil` for one of the proxy's own (a health check).
        case done(SocketAddress?)
        /// It is none.
        case refuse
    }

    /// Of version 2: nobody needs more, and a length is a claim.
    static let bytesMax = 2048
    private static let lineBytesMax = 107
    /// Both versions have at least as many.
    private static let startBytes = 12
    private static let signature: [UInt8] = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]

    private var bytes: [UInt8] = []

    /// Takes the bytes that came for the last step.
    mutating func receive(_ new: some Collection<UInt8>) -> Step {
        bytes.append(contentsOf: new)
        guard bytes.count >= Self.startBytes else { return .read(Self.startBytes - bytes.count) }
        if bytes.starts(with: Self.signature) { return binary() }
        return bytes.starts(with: "PROXY ".utf8) ? line() : .refuse
    }

    private func line() -> Step {
        guard bytes.last == 0x0A else { return bytes.count < Self.lineBytesMax ? .read(1) : .refuse }
        guard bytes.suffix(2).first == 0x0D else { return .refuse }
        let words = String(decoding: bytes.dropLast(2), as: UTF8.self).split(
            separator: " ", omittingEmptySubsequences: false)
        guard words.count >= 2 else { return .refuse }
        if words[1] == "UNKNOWN" { return .done(nil) }
        guard words.count == 6, words[1] == "TCP4" || words[1] == "TCP6", let source = IPAddress(words[2]),
            let target = IPAddress(words[3]), let port = Self.port(words[4]), Self.port(words[5]) != nil
        else { return .refuse }
        let isV6 = words[1] == "TCP6"
        guard source.isV6 == isV6, target.isV6 == isV6 else { return .refuse }
        return .done(.ip(source, port: port))
    }

    private static func port(_ text: Substring) -> UInt16? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return UInt16(text)
    }

    private func binary() -> Step {
        let head = Self.startBytes + 4
        guard bytes.count >= head else { return .read(head - bytes.count) }
        guard bytes[12] == 0x20 || bytes[12] == 0x21 else { return .refuse }
        let length = Int(bytes[14]) << 8 | Int(bytes[15])
        guard length <= Self.bytesMax else { return .refuse }
        guard bytes.count >= head + length else { return .read(head + length - bytes.count) }
        // LOCAL: the proxy asks for itself.
        guard bytes[12] == 0x21 else { return .done(nil) }
        let rest = bytes[head...]
        func word(_ range: Range<Int>) -> UInt64 {
            rest[rest.startIndex + range.lowerBound..<rest.startIndex + range.upperBound].reduce(0) {
                $0 << 8 | UInt64($1)
            }
        }
        switch bytes[13] {
        case 0x11 where length >= 12:
            let source = IPAddress.v4(UInt32(truncatingIfNeeded: word(0..<4)))
            return .done(.ip(source, port: UInt16(truncatingIfNeeded: word(8..<10))))
        case 0x21 where length >= 36:
            let source = IPAddress.v6(high: word(0..<8), low: word(8..<16))
            return .done(.ip(source, port: UInt16(truncatingIfNeeded: word(32..<34))))
        // Of a kind that has no address here.
        case 0x00: return .done(nil)
        default: return .refuse
        }
    }
}
