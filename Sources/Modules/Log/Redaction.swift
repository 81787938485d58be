// SPDX-License-Identifier: Apache-2.0

import Bytes
import Platform

/// What is taken out of a line before anybody sees it.
struct Redaction: Sendable {
    /// The secrets this process holds.
    let secrets: SecretNeedles
    /// Personal data and secrets by their shape. A test leaves it out, to see that its absence is noticed.
    var masker: Masker? = .shared
    /// Whether peers' addresses are written whole.
    var showsAddresses = false

    /// Appends an address as a line shows it: of IPv4 the first 24 bits, of IPv6 the first 48, which is a network and not
    /// somebody's machine. This machine's own stay as they are.
    func append(_ address: IPAddress, to output: inout [UInt8]) {
        if showsAddresses || address == .loopbackV4 || address == .loopbackV6 {
            return output.append(utf8: address.description)
        }
        switch address {
        case .v4(let number): append(networkOf: number, to: &output)
        // IPv4 in IPv6's clothes.
        case .v6(0, let low) where low >> 32 == 0xFFFF:
            append(networkOf: UInt32(truncatingIfNeeded: low), to: &output)
        case .v6(let high, _):
            output.append(utf8: IPAddress.v6(high: high & 0xFFFF_FFFF_FFFF_0000, low: 0).description)
            output.append(utf8: "/48")
        }
    }

    private func append(networkOf number: UInt32, to output: inout [UInt8]) {
        for shift: UInt32 in [24, 16, 8] {
            output.append(decimal: Int(number >> shift & 255))
            output.append(UInt8(ascii: "."))
        }
        output.append(utf8: "0/24")
    }
}
