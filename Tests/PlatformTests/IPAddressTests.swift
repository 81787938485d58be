// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

struct IPAddressTests {
    static let texts: [(String, String)] = [
        ("0.0.0.0", "0.0.0.0"), ("192.0.2.255", "192.0.2.255"), ("::", "::"), ("::1", "::1"), ("1::", "1::"),
        ("2001:DB8::1", "2001:db8::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("0:0:0:0:0:0:0:0", "::"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"), ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
        ("fe80:0000:0000:0000:0000:0000:255.255.255.255", "fe80::ffff:ffff"),
    ]

    @Test(arguments: texts) func `reads and writes the canonical form`(text: String, canonical: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == canonical)
        #expect(IPAddress(canonical) == address)
    }

    @Test(arguments: [
        "", "1", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "0x7f.0.0.1", "127.1", "1.2.3.4 ", " 1.2.3.4",
        "+1.2.3.4",
        ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8",
        "12345::",
        "g::", "1:", ":1", "fe80::1%eth0", "[::1]", "::1.2.3", "1.2.3.4::", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4",
        "0000:0000:0000:0000:0000:0000:0000:00000:0000", "::/0",
    ]) func `refuses what is no address`(text: String) {
        #expect(IPAddress(text) == nil)
    }

    static let reaches: [(String, Reach)] = [
        ("8.8.8.8", .global), ("172.15.0.1", .global), ("172.32.0.1", .global), ("100.128.0.1", .global),
        ("2606:4700::1111", .global), ("2001:4860:4860::8888", .global), ("64:ff9b::8.8.8.8", .global),
        ("127.0.0.1", .loopback), ("127.255.255.255", .loopback), ("::1", .loopback), ("::ffff:127.0.0.1", .loopback),
        ("64:ff9b::127.0.0.1", .loopback), ("2002:7f00:1::", .loopback), ("::127.0.0.1", .loopback),
        ("2001::80ff:fffe", .loopback), ("2606:4700::5efe:127.0.0.1", .loopback),
        ("169.254.0.1", .linkLocal), ("fe80::1", .linkLocal), ("febf::1", .linkLocal),
        ("::ffff:169.254.1.1", .linkLocal),
        ("169.254.169.254", .metadata), ("169.254.170.2", .metadata), ("::ffff:169.254.169.254", .metadata),
        ("64:ff9b::a9fe:a9fe", .metadata), ("2002:a9fe:a9fe::1", .metadata), ("fd00:ec2::254", .metadata),
        ("fd20:ce::254", .metadata), ("100.100.100.200", .metadata), ("168.63.129.16", .metadata),
        ("::ffff:0:169.254.169.254", .metadata), ("::169.254.169.254", .metadata),
        ("10.0.0.1", .privateUse), ("172.16.0.1", .privateUse), ("172.31.255.255", .privateUse),
        ("192.168.1.1", .privateUse), ("100.64.0.1", .privateUse), ("fc00::1", .privateUse), ("fdff::1", .privateUse),
        ("::ffff:10.0.0.1", .privateUse), ("64:ff9b:1::1", .privateUse), ("fec0::1", .privateUse),
        ("0.0.0.0", .unspecified), ("0.1.2.3", .unspecified), ("::", .unspecified), ("::ffff:0.0.0.0", .unspecified),
        ("224.0.0.1", .multicast), ("255.255.255.255", .multicast), ("ff02::1", .multicast),
        ("192.0.2.1", .reserved), ("198.18.0.1", .reserved), ("240.0.0.1", .reserved), ("2001:db8::1", .reserved),
        ("3fff::1", .reserved), ("4000::1", .reserved), ("100::1", .reserved), ("2001:2::1", .reserved),
    ]

    @Test(arguments: reaches) func `knows how far an address reaches, in every notation`(text: String, reach: Reach) {
        #expect(IPAddress(text)?.reach == reach)
    }

    static let sockets: [(String, String)] = [
        ("127.0.0.1:80", "127.0.0.1:80"), ("[::1]:8443", "[::1]:8443"), ("[0::0]:65535", "[::]:65535"),
        ("0.0.0.0:0", "0.0.0.0:0"),
    ]

    @Test(arguments: sockets) func `reads an address with its port`(text: String, canonical: String) {
        #expect(SocketAddress(text)?.description == canonical)
    }

    @Test(arguments: [
        "", ":80", "127.0.0.1", "::1:80", "[::1]", "[127.0.0.1]:80", "127.0.0.1:+1", "127.0.0.1:65536", "[::1:80",
    ])
    func `refuses what is no address with a port`(text: String) {
        #expect(SocketAddress(text) == nil)
    }
}
