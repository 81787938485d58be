// SPDX-License-Identifier: Apache-2.0

import Platform
import Support
import Testing

@testable import HTTP

@Suite struct ProxyTests {
    private let proxies = TrustedProxies(sendHeads: false) { $0 == .v4(0x0A00_0001) || $0 == .v4(0x0A00_0002) }

    private func client(_ peer: String, _ lines: [String]) -> String {
        var fields = Fields()
        for line in lines { fields.append("x-forwarded-for", line) }
        let address = IPAddress(peer) ?? .anyV6
        guard case .address(let client) = proxies.client(of: .address(.ip(address, port: 9)), fields) else {
            return "-"
        }
        return client.ip?.description ?? "-"
    }

    @Test(arguments: [
        // From anybody the field is not read.
        ("192.0.2.9", ["203.0.113.7"], "192.0.2.9"),
        ("10.0.0.1", [], "10.0.0.1"), ("10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        // What the client wrote itself stands before what the proxy added.
        ("10.0.0.1", ["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["10.0.0.2", "203.0.113.7"], "203.0.113.7"),
        // Two proxies in a row.
        ("10.0.0.1", ["198.51.100.1, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.7", "10.0.0.2"], "203.0.113.7"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
        // What is no address stops the search.
        ("10.0.0.1", ["203.0.113.7, unknown, 10.0.0.2"], "10.0.0.2"), ("10.0.0.1", ["_hidden"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7,"], "203.0.113.7"), ("10.0.0.1", ["0203.0.113.7"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7:5123"], "203.0.113.7"), ("10.0.0.1", ["[2001:db8::1]:443"], "2001:db8::1"),
        ("10.0.0.1", [" 2001:db8::1\t"], "2001:db8::1"),
    ])
    func `the last entry counts that is no trusted proxy's own`(peer: String, lines: [String], expected: String) {
        #expect(client(peer, lines) == expected)
    }

    @Test func `a field of any length is read to a bound`() {
        let many = [String](repeating: "10.0.0.2", count: 5000).joined(separator: ",")
        #expect(client("10.0.0.1", ["203.0.113.7," + many]) == "10.0.0.2")
    }

    // MARK: The PROXY protocol

    /// Gives a head the bytes it asks for, at most `pace` at a time, and tells what it came to and how many it took.
    private func read(_ bytes: [UInt8], pace: Int = .max) -> (ProxyHead.Step, taken: Int) {
        var head = ProxyHead()
        var (step, taken) = (head.receive([]), 0)
        while case .read(let count) = step {
            let end = min(taken + min(count, pace), bytes.count)
            guard end > taken else { return (step, taken) }
            step = head.receive(bytes[taken..<end])
            taken = end
        }
        return (step, taken)
    }

    private func binary(_ command: UInt8, _ family: UInt8, _ body: [UInt8]) -> [UInt8] {
        [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A, command, family]
            + [UInt8(body.count >> 8), UInt8(body.count & 0xFF)] + body
    }

    @Test(arguments: [1, 5, .max])
    func `both versions say whom a connection is from, and no byte more is taken`(pace: Int) {
        let hello: [UInt8] = [0x16, 0x03, 0x01]
        let v4: [UInt8] = [203, 0, 113, 7, 10, 0, 0, 1, 0x30, 0x39, 1, 187]
        let v6 = [0x20, 0x01, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [1] + [UInt8](repeating: 0, count: 16)
        let cases: [([UInt8], SocketAddress?)] = [
            (Array("PROXY TCP4 203.0.113.7 10.0.0.1 12345 443\r\n".utf8), .ip(.v4(0xCB00_7107), port: 12345)),
            (
                Array("PROXY TCP6 2001:db8::1 ::1 12345 443\r\n".utf8),
                .ip(.v6(high: 0x2001_0DB8_0000_0000, low: 1), port: 12345)
            ),
            (Array("PROXY UNKNOWN\r\n".utf8), nil), (Array("PROXY UNKNOWN ffff::1 x 1 2\r\n".utf8), nil),
            (binary(0x21, 0x11, v4), .ip(.v4(0xCB00_7107), port: 12345)),
            // Further fields behind the addresses.
            (binary(0x21, 0x11, v4 + [4, 0, 1, 7]), .ip(.v4(0xCB00_7107), port: 12345)),
            (
                binary(0x21, 0x21, v6 + [0x30, 0x39, 1, 187]),
                .ip(.v6(high: 0x2001_0DB8_0000_0000, low: 1), port: 12345)
            ),
            (binary(0x20, 0x11, v4), nil), (binary(0x20, 0x00, []), nil), (binary(0x21, 0x00, [1, 2, 3]), nil),
        ]
        for (bytes, expected) in cases {
            let (step, taken) = read(bytes + hello, pace: pace)
            #expect(step == .done(expected) && taken == bytes.count, "\(bytes)")
            // None of its beginnings is one.
            for length in 0..<bytes.count {
                guard case .read = read(Array(bytes[..<length])).0 else {
                    Issue.record("a part of a head is taken for one: \(length) of \(bytes)")
                    continue
                }
            }
        }
    }

    @Test func `what is no head is refused`() {
        let texts = [
            "GET / HTTP/1.1\r\n", "PROXY TCP4 203.0.113.7 10.0.0.1 12345\r\n",
            "PROXY TCP4 203.0.113.7 10.0.0.1 x 443\r\n",
            "PROXY TCP4 203.0.113.7 10.0.0.1 123456 443\r\n", "PROXY TCP4 2001:db8::1 ::1 1 443\r\n",
            "PROXY TCP6 203.0.113.7 10.0.0.1 1 443\r\n", "PROXY TCP4  203.0.113.7 10.0.0.1 1 443\r\n",
            "PROXY TCP4 203.0.113.7 10.0.0.1 +1 443\r\n", "PROXY TCP4 203.0.113.7 10.0.0.1 1 443\n",
            "PROXY UDP4 203.0.113.7 10.0.0.1 1 443\r\n", "PROXY " + String(repeating: "x", count: 200) + "\r\n",
            "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}xxxxx",
        ]
        for text in texts { #expect(read(Array(text.utf8)).0 == .refuse, "\(text)") }
        let refused = [
            binary(0x22, 0x11, [UInt8](repeating: 0, count: 12)), binary(0x11, 0x11, [UInt8](repeating: 0, count: 12)),
            binary(0x21, 0x11, [1, 2, 3]), binary(0x21, 0x21, [UInt8](repeating: 0, count: 35)),
            binary(0x21, 0x31, [UInt8](repeating: 0, count: 216)),
            binary(0x21, 0x11, [UInt8](repeating: 0, count: 2049)),
        ]
        for bytes in refused { #expect(read(bytes).0 == .refuse, "\(bytes.prefix(20))") }
        // A length that is a lie is not waited for beyond its bound, and nothing traps.
        var random = SeededGenerator()
        for _ in 0..<Repetition.rounds(2000, full: 200_000) {
            var bytes = binary(0x21, 0x11, [UInt8](repeating: 7, count: random.below(40)))
            for _ in 0..<random.below(4) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
            _ = read(bytes)
        }
    }
}
