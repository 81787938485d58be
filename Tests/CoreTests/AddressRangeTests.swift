// SPDX-License-Identifier: Apache-2.0

import Platform
import Testing

@testable import Core

@Suite struct AddressRangeTests {
    @Test(arguments: [
        ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.0", false), ("192.0.2.7", "192.0.2.7", true),
        ("192.0.2.7", "192.0.2.8", false), ("0.0.0.0/0", "203.0.113.9", true), ("0.0.0.0/0", "::1", false),
        ("192.0.2.128/25", "192.0.2.127", false), ("192.0.2.128/25", "192.0.2.255", true),
        ("10.0.0.0/8", "::ffff:10.1.2.3", true), ("10.0.0.0/8", "::10.1.2.3", false),
        ("10.0.0.0/8", "64:ff9b::10.1.2.3", false), ("2001:db8::/32", "2001:db8:ffff::1", true),
        ("2001:db8::/32", "2001:db9::", false), ("2001:db8::/65", "2001:db8:0:0:7fff::", true),
        ("2001:db8::/65", "2001:db8:0:0:8000::", false), ("::/0", "2001:db8::1", true), ("::1/128", "::1", true),
        ("::1", "::2", false), ("::/0", "10.0.0.1", false),
    ])
    func `holds what lies within, and an IPv4 address in either form`(_ range: String, _ address: String, _ isIn: Bool)
        throws
    {
        let range = try #require(AddressRange(range))
        #expect(range.contains(try #require(IPAddress(address))) == isIn)
        #expect(AddressRange(range.text) == range)
    }

    @Test(arguments: [
        "", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0/8",
        "::/129", "2001:db8::1/32", "::ffff:10.0.0.0/104", "example.org", "10.0.0.0/8 ", "10.0.0.0/+8", "*",
    ])
    func `refuses what is no range, or not the range it seems`(_ text: String) {
        #expect(AddressRange(text) == nil)
    }
}
