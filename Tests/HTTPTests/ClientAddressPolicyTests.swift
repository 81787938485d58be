// SPDX-License-Identifier: Apache-2.0

import Platform
import Testing

@testable import HTTP

@Suite struct ClientAddressPolicyTests {
    private static let table: [(String, AddressPolicy?)] = [
        // Addresses, and the policy that is needed to go there; nil: none is enough.
        ("93.184.216.34", .publicOnly), ("2606:4700::1111", .publicOnly), ("1.1.1.1", .publicOnly),
        ("127.0.0.1", .loopback), ("127.8.8.8", .loopback), ("::1", .loopback), ("::ffff:127.0.0.1", .loopback),
        ("10.0.0.1", .privateUse), ("172.16.0.1", .privateUse), ("172.31.255.255", .privateUse),
        ("192.168.1.1", .privateUse), ("100.64.0.1", .privateUse), ("fd00::1", .privateUse), ("fc00::1", .privateUse),
        ("::ffff:10.0.0.1", .privateUse), ("64:ff9b::10.0.0.1", .privateUse), ("2002:0a00:0001::", .privateUse),
        ("172.32.0.1", .publicOnly), ("172.15.0.1", .publicOnly),
        ("169.254.1.1", nil), ("169.254.169.254", nil), ("169.254.170.2", nil), ("::ffff:169.254.169.254", nil),
        ("64:ff9b::169.254.169.254", nil), ("2002:a9fe:a9fe::", nil), ("fe80::1", nil), ("fd00:ec2::254", nil),
        ("fd20:ce::254", nil), ("100.100.100.200", nil), ("168.63.129.16", nil), ("192.0.0.192", nil),
        ("0.0.0.0", nil), ("0.1.2.3", nil), ("::", nil), ("224.0.0.1", nil), ("255.255.255.255", nil), ("ff02::1", nil),
        ("240.0.0.1", nil), ("198.18.0.1", nil), ("2001:db8::1", nil),
    ]

    @Test(arguments: table) func `decides`(_ text: String, _ needed: AddressPolicy?) throws {
        let address = try #require(IPAddress(text))
        for policy: AddressPolicy in [.publicOnly, .loopback, .privateUse, .configured] {
            let expected = needed.map { policy.isSuperset(of: $0) } ?? false
            #expect(policy.allows(address) == expected, "\(text) under \(policy.rawValue)")
        }
    }
}
