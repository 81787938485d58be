// SPDX-License-Identifier: Apache-2.0

/// An address of the Internet Protocol, as a value: nothing here asks the network.
package enum IPAddress: Hashable, Sendable {
    /// The four bytes, the first one in the highest bits.
    case v4(UInt32)
    /// The sixteen bytes, the first one in the highest bits of `high`.
    case v6(high: UInt64, low: UInt64)

    /// 127.0.0.1.
    package static let loopbackV4 = IPAddress.v4(0x7F00_0001)
    /// ::1.
    package static let loopbackV6 = IPAddress.v6(high: 0, low: 1)
    /// `::`: every address of this machine, when listening.
    package static let anyV6 = IPAddress.v6(high: 0, low: 0)

    /// Reads the text of an address: four decimal numbers without leading zeros, or the forms of RFC 4291 §2.2. Zones
    /// (`%eth0`), brackets, prefixes and the octal and short forms of inet_aton(3) are refused.
    package init?(_ text: some StringProtocol) {
        // The longest is six groups of four digits and an IPv4 tail: 45 bytes.
        let bytes = Array(text.utf8.prefix(46))
        guard bytes.count <= 45 else { return nil }
        if bytes.contains(UInt8(ascii: ":")) {
            guard let groups = Self.groups(bytes) else { return nil }
            self = .v6(high: Self.joined(groups[0..<4]), low: Self.joined(groups[4..<8]))
        } else {
            guard let number = Self.dotted(bytes[...]) else { return nil }
            self = .v4(number)
        }
    }

    /// True for IPv6.
    package var isV6: Bool {
        if case .v6 = self { return true }
        return false
    }

    /// The bytes in network order: 4 or 16.
    package var bytes: [UInt8] {
        switch self {
        case .v4(let number): (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * UInt32($0))) }
        case .v6(let high, let low):
            [high, low].flatMap { half in (0..<8).map { UInt8(truncatingIfNeeded: half >> (56 - 8 * UInt64($0))) } }
        }
    }

    private static func joined(_ groups: ArraySlice<UInt16>) -> UInt64 {
        groups.reduce(0) { $0 << 16 | UInt64($1) }
    }

    private static func dotted(_ bytes: ArraySlice<UInt8>) -> UInt32? {
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var number: UInt32 = 0
        for part in parts {
            // A leading zero means octal to some readers and nothing to others, so nobody may write one.
            guard (1...3).contains(part.count), part.count == 1 || part.first != UInt8(ascii: "0") else { return nil }
            var value: UInt32 = 0
            for byte in part {
                guard (48...57).contains(byte) else { return nil }
                value = value * 10 + UInt32(byte - 48)
            }
            guard value <= 255 else { return nil }
            number = number << 8 | value
        }
        return number
    }

    private static func groups(_ bytes: [UInt8]) -> [UInt16]? {
        let colon = UInt8(ascii: ":")
        var front: [UInt16] = []
        var back: [UInt16]?
        var at = 0
        if bytes.starts(with: [colon, colon]) {
            back = []
            at = 2
        }
        while at < bytes.count {
            let end = bytes[at...].firstIndex(of: colon) ?? bytes.count
            let part = bytes[at..<end]
            var values: [UInt16] = []
            if end == bytes.count, part.contains(UInt8(ascii: ".")) {
                guard let tail = dotted(part) else { return nil }
                values = [UInt16(tail >> 16), UInt16(tail & 0xFFFF)]
            } else {
                guard let group = hexadecimal(part) else { return nil }
                values = [group]
            }
            if back != nil { back?.append(contentsOf: values) } else { front.append(contentsOf: values) }
            guard end < bytes.count else { break }
            at = end + 1
            guard at < bytes.count else { return nil }
            if bytes[at] == colon {
                // The second `::` of an address would be ambiguous.
                guard back == nil else { return nil }
                back = []
                at += 1
            }
        }
        guard let back else { return front.count == 8 ? front : nil }
        // `::` stands for at least one group.
        guard front.count + back.count <= 7 else { return nil }
        return front + [UInt16](repeating: 0, count: 8 - front.count - back.count) + back
    }

    private static func hexadecimal(_ part: ArraySlice<UInt8>) -> UInt16? {
        guard (1...4).contains(part.count) else { return nil }
        var value: UInt16 = 0
        for byte in part {
            let digit: UInt8
            switch byte {
            case 48...57: digit = byte - 48
            case 65...70: digit = byte - 55
            case 97...102: digit = byte - 87
            default: return nil
            }
            value = value << 4 | UInt16(digit)
        }
        return value
    }
}

extension IPAddress: CustomStringConvertible {
    /// `192.0.2.1`, or the canonical form of RFC 5952: lower case, the longest run of zeros as `::`, IPv4-mapped
    /// addresses with a dotted tail.
    package var description: String {
        switch self {
        case .v4(let number):
            return "\(number >> 24).\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)"
        case .v6(0, let low) where low >> 32 == 0xFFFF:
            return "::ffff:\(IPAddress.v4(UInt32(truncatingIfNeeded: low)))"
        case .v6(let high, let low):
            let groups = [high, low].flatMap { half in
                (0..<4).map { UInt16(truncatingIfNeeded: half >> (48 - 16 * UInt64($0))) }
            }
            let zeros = Self.longestRunOfZeros(groups)
            func text(_ groups: ArraySlice<UInt16>) -> String {
                groups.map { String($0, radix: 16) }.joined(separator: ":")
            }
            guard zeros.count > 1 else { return text(groups[...]) }
            return text(groups[..<zeros.lowerBound]) + "::" + text(groups[zeros.upperBound...])
        }
    }

    private static func longestRunOfZeros(_ groups: [UInt16]) -> Range<Int> {
        var longest = 0..<0
        var start = 0
        for index in 0...groups.count where index == groups.count || groups[index] != 0 {
            if index - start > longest.count { longest = start..<index }
            start = index + 1
        }
        return longest
    }
}
