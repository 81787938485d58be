// SPDX-License-Identifier: Apache-2.0

import HTTP
import Testing

@testable import Core

/// Cross-origin answers go by an exact list (row T4 of the promises).
struct OriginTests {
    private static let hostileOrigins = [
        // Suffix, prefix, neighbours.
        "https://app.example.org.evil.net", "https://evil-app.example.org", "https://evilapp.example.org",
        "https://app.example.orgx", "https://sub.app.example.org", "https://example.org", "https://app.example.or",
        "https://appxexample.org", "https://app.example.org.", "https://.app.example.org", "https://app..example.org",
        // Scheme, port, case.
        "http://app.example.org", "ws://app.example.org", "file://app.example.org", "app.example.org",
        "https:app.example.org", "https:/app.example.org", "https://app.example.org:444", "https://app.example.org:443",
        "https://app.example.org:", "https://app.example.org:0443", "HTTPS://APP.EXAMPLE.ORG",
        "https://App.example.org",
        // Null, nothing, everything, several.
        "null", "NULL", "", "*", "https://*", "https://*.example.org",
        "https://app.example.org https://app.example.org",
        "https://app.example.org, https://evil.net", "https://evil.net,https://app.example.org",
        // User information, paths, queries, fragments, backslashes.
        "https://app.example.org@evil.net", "https://user@app.example.org", "https://app.example.org:x@evil.net",
        "https://app.example.org/", "https://app.example.org/x", "https://app.example.org?x",
        "https://app.example.org#x",
        "https://evil.net#https://app.example.org", "https://app.example.org\\@evil.net", "https://app.example.org%00",
        "https://app.example.org%2eevil.net", "https://app.example.org`", "https://app.example.org;x",
        // Names that look the same: Cyrillic, full width, punycode, the ideographic full stop.
        "https://аpp.example.org", "https://ａpp.example.org", "https://xn--pp-7kc.example.org",
        "https://app。example.org", "https://app.example.org\u{200B}", "https://app.ex\u{AD}ample.org",
        // White space inside (around it, the parser trims as RFC 9110 §5.5 says).
        "https://app .example.org", "https:// app.example.org", "https://app.example.org\tx",
    ]

    private func isGranted(_ origin: String, by allowed: Set<String>) throws -> Bool {
        let policy = DoorPolicy(kind: .network, names: .init(hosts: ["x"], origins: allowed))
        let text = "OPTIONS / HTTP/1.1\r\nhost: x\r\norigin: \(origin)\r\naccess-control-request-method: POST\r\n\r\n"
        let head = try RequestHead(parsing: Array(text.utf8))
        let fields = policy.crossOriginFields(for: head)
        return policy.isPreflight(head) || fields.contains { $0.name.hasPrefix("access-control-") }
    }

    @Test(arguments: hostileOrigins)
    func `an origin that is not on the list gets no cross-origin field`(_ origin: String) throws {
        #expect(try !isGranted(origin, by: ["https://app.example.org"]))
    }

    /// A server that compares less strictly, as others were found to.
    struct Careless: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let lets: @Sendable (_ origin: String, _ allowed: String) -> Bool

        init(_ description: String, _ lets: @escaping @Sendable (String, String) -> Bool) {
            testDescription = description
            self.lets = lets
        }

        static let all: [Careless] = [
            Careless("reflects") { _, _ in true },
            Careless("takes a suffix") { $0.hasSuffix($1.dropFirst("https://app.".count)) },
            Careless("takes a suffix behind a dot") { $0.hasSuffix($1.dropFirst("https://app".count)) },
            Careless("takes a prefix") { $0.hasPrefix($1) },
            Careless("looks anywhere") { $0.contains($1.dropFirst("https://".count)) },
            Careless("ignores case") { $0.lowercased() == $1 },
            Careless("ignores the scheme") { $0.split(separator: "/").last == $1.split(separator: "/").last },
            Careless("ignores the port") { $0.split(separator: ":").prefix(2).joined(separator: ":") == $1 },
            Careless("knows the default port") { $0 == $1 + ":443" },
            Careless("has a dot for any letter") { origin, allowed in
                origin.count == allowed.count && zip(origin, allowed).allSatisfy { $0 == $1 || $1 == "." }
            },
            Careless("ends the host at a strange letter") { origin, allowed in
                origin.split { "@\\`;%#?,".contains($0) }.first.map(String.init) == allowed
            },
            Careless("drops the path") { $0.hasPrefix($1 + "/") },
            Careless("drops what is not ASCII") { origin, allowed in
                origin.utf8.filter { $0 < 0x80 }.elementsEqual(allowed.utf8)
            },
            Careless("drops the last dot") { $0 == $1 + "." },
            Careless("takes one of several") { origin, allowed in
                origin.split { ", ".contains($0) }.contains { String($0) == allowed }
            },
            Careless("takes a star") { origin, _ in origin == "*" },
        ]
    }

    /// The list holds what the careless server would let in, since by that alone ours compares.
    @Test(arguments: Careless.all)
    func `the table of hostile origins finds a server that`(_ careless: Careless) throws {
        let own = "https://app.example.org"
        let found = try Self.hostileOrigins.filter {
            try isGranted($0, by: careless.lets($0, own) ? [$0, own] : [own])
        }
        #expect(!found.isEmpty)
    }

    @Test func `null is denied even if it is on the list`() throws {
        let found = try Self.hostileOrigins.filter { try !isGranted($0, by: [$0, "https://app.example.org"]) }
        #expect(found == ["null"])
    }

    @Test func `two origins are nobody's`() throws {
        let two = "https://app.example.org\r\norigin: https://app.example.org"
        #expect(try !isGranted(two, by: ["https://app.example.org"]))
        #expect(try isGranted("https://app.example.org", by: ["https://app.example.org"]))
    }

    @Test func `an origin on the list is answered by name`() throws {
        let policy = DoorPolicy(
            kind: .network, names: .init(hosts: ["x"], origins: ["https://app.example.org"]))
        let text =
            "OPTIONS / HTTP/1.1\r\nhost: x\r\norigin: https://app.example.org\r\naccess-control-request-method: POST\r\n\r\n"
        let head = try RequestHead(parsing: Array(text.utf8))
        #expect(policy.isPreflight(head))
        let fields = policy.crossOriginFields(for: head)
        #expect(fields["access-control-allow-origin"] == "https://app.example.org")
        #expect(fields["vary"] == "origin")
    }
}

extension DoorPolicy {
    fileprivate func crossOriginFields(for head: RequestHead) -> Fields {
        var fields = Fields()
        appendCrossOriginFields(for: head, to: &fields)
        return fields
    }
}
