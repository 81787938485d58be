// SPDX-License-Identifier: Apache-2.0

package import Platform

/// A range of addresses (`10.0.0.0/8`, `2001:db8::/32`), or one address. RFC 4632, RFC 4291 §2.3.
package struct AddressRange: Hashable, Sendable {
    /// Its first address.
    private let first: IPAddress
    /// How many leading bits all its addresses share.
    private let bits: Int

    /// Bits behind the prefix must be zero: `10.1.2.3/8` is a slip, and which of the two was meant cannot be known. An IPv4
    /// range written as a mapped one (`::ffff:10.0.0.0/104`) is refused for the same reason.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let address = IPAddress(parts[0]) else { return nil }
        let width = address.isV6 ? 128 : 32
        var bits = width
        if parts.count == 2 {
            let digits = parts[1].utf8
            guard (1...3).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }),
                digits.count == 1 || digits.first != 0x30, let number = Int(parts[1]), number <= width
            else { return nil }
            bits = number
        }
        guard address == Self.plain(address), Self.masked(address, bits) == address else { return nil }
        (first, self.bits) = (address, bits)
    }

    /// - Parameter address: an IPv4 address that came mapped into IPv6 counts as what it is.
    package func contains(_ address: IPAddress) -> Bool {
        let address = Self.plain(address)
        return address.isV6 == first.isV6 && Self.masked(address, bits) == first
    }

    /// As it was written.
    package var text: String {
        bits == (first.isV6 ? 128 : 32) ? first.description : "\(first)/\(bits)"
    }

    /// An IPv4 address that a listener for both took as a mapped one (RFC 4291 §2.5.5.2). Other forms that stand for IPv4
    /// addresses are not what the kernel says of an IPv4 peer.
    private static func plain(_ address: IPAddress) -> IPAddress {
        guard case .v6(0, let low) = address, low >> 32 == 0xFFFF else { return address }
        return .v4(UInt32(truncatingIfNeeded: low))
    }

    private static func masked(_ address: IPAddress, _ bits: Int) -> IPAddress {
        switch address {
        // A shift by the whole width or more gives zero ("smart shift").
        case .v4(let number): .v4(number & ~(UInt32.max >> UInt32(bits)))
        case .v6(let high, let low):
            .v6(
                high: high & ~(UInt64.max >> UInt64(min(bits, 64))),
                low: low & ~(UInt64.max >> UInt64(max(bits - 64, 0))))
        }
    }
}
