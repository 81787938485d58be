// SPDX-License-Identifier: Apache-2.0

import Configuration
import Platform
import Testing

/// What each kind of key reads, beside what it refuses (`Tests/Vectors/configuration`).
struct KindTests {
    private func section(_ value: String) throws -> Section {
        try #require(try Configuration(text: "[s]\nk = \(value)\n").section("s"))
    }

    static let durations: [(String, Duration)] = [
        ("500ms", .milliseconds(500)), ("30s", .seconds(30)), ("5m", .seconds(300)), ("24h", .seconds(86400)),
        ("30d", .seconds(2_592_000)), ("0s", .zero), ("007s", .seconds(7)),
    ]

    @Test(arguments: durations)
    func `reads a duration`(text: String, expected: Duration) throws {
        let range: ClosedRange<Duration> = .zero ... .seconds(86400 * 365)
        #expect(try section("\"\(text)\"").takeDuration("k", in: range, default: .seconds(1)) == expected)
    }

    @Test(arguments: ["", "s", "30", "1.5s", "-1s", "30 s", "30S", "1h30m", "99999999999999999999d", "٣s", "366d"])
    func `refuses what is no duration`(text: String) throws {
        let section = try section("\"\(text)\"")
        let range: ClosedRange<Duration> = .zero ... .seconds(86400 * 365)
        #expect(throws: ConfigurationError.self) { try section.takeDuration("k", in: range, default: .seconds(1)) }
    }

    static let sizes: [(String, Int)] = [
        ("0B", 0), ("512B", 512), ("64KiB", 65536), ("16MiB", 16 << 20), ("1GiB", 1 << 30),
    ]

    @Test(arguments: sizes)
    func `reads a size`(text: String, expected: Int) throws {
        #expect(try section("\"\(text)\"").takeSize("k", in: 0...1 << 30, default: 1) == expected)
    }

    @Test(arguments: ["64", "64KB", "64K", "64kib", "KiB", "9223372036854775807GiB", "-1B", "1.5MiB"])
    func `refuses what is no size`(text: String) throws {
        let section = try section("\"\(text)\"")
        #expect(throws: ConfigurationError.self) { try section.takeSize("k", in: 0...1 << 40, default: 1) }
    }

    static let amounts: [(String, Int64)] = [
        ("0.15", 150_000_000), ("0.60", 600_000_000), ("15", 15_000_000_000), ("0", 0), ("0.000000001", 1),
        ("1000000.000000000", 1_000_000_000_000_000), ("0.1", 100_000_000), ("00.5", 500_000_000),
    ]

    @Test(arguments: amounts)
    func `reads money without losing a nano-dollar`(text: String, expected: Int64) throws {
        #expect(try section("\"\(text)\"").takeMoney("k", default: 1) == expected)
    }

    @Test(arguments: [
        "", ".5", "5.", "1e3", "+1", "-1", "1,5", "1 000", "0.0000000001", "99999999999999999999", "1000001",
    ])
    func `refuses what is no money`(text: String) throws {
        let section = try section("\"\(text)\"")
        #expect(throws: ConfigurationError.self) { try section.takeMoney("k", default: 1) }
    }

    static let addresses: [(String, String)] = [
        ("[::]:8443", "[::]:8443"), ("127.0.0.1:0", "127.0.0.1:0"), (":8443", "[::]:8443"),
        ("[0:0:0:0:0:0:0:1]:1", "[::1]:1"),
    ]

    @Test(arguments: addresses)
    func `reads an address`(text: String, expected: String) throws {
        #expect(try section("[\"\(text)\"]").takeAddresses("k", default: []).map(\.description) == [expected])
    }

    @Test(arguments: [
        "localhost:1", "::1:80", "[::1]", "127.1:80", "127.0.0.1:65536", "127.0.0.1:+1", "example.org:1", "",
    ])
    func `refuses what is no address`(text: String) throws {
        let section = try section("[\"\(text)\"]")
        #expect(throws: ConfigurationError.self) { try section.takeAddresses("k", default: []) }
    }

    static let urls: [(String, String, String, UInt16, String)] = [
        ("https://api.openai.com/v1", "https://api.openai.com/v1", "api.openai.com", 443, "/v1"),
        ("https://API.OpenAI.com:443/v1/", "https://api.openai.com/v1", "api.openai.com", 443, "/v1"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1", 8080, ""),
        ("http://[::1]:11434/v1", "http://[::1]:11434/v1", "::1", 11434, "/v1"),
        ("https://h/", "https://h", "h", 443, ""), ("http://h:443", "http://h:443", "h", 443, ""),
    ]

    @Test(arguments: urls)
    func `reads a URL`(text: String, whole: String, host: String, port: UInt16, path: String) throws {
        let url = try section("\"\(text)\"").takeURL("k")
        #expect(url.description == whole)
        #expect(url.host == host && url.port == port && url.path == path)
        #expect(url.isSecure == text.hasPrefix("https:"))
    }

    @Test(arguments: [
        "", "ftp://h", "//h", "h", "https://", "https:///v1", "https://h:0", "https://h:", "https://h:65536",
        "https://h:8a",
        "https://u@h", "https://u:p@h", "https://h/?q", "https://h/#f", "https://h/a//b", "https://h/../b",
        "https://h/.",
        "https://h/a b", "https://h/%2e", "https://ü.example", "https://[::1", "https://[127.0.0.1]", "https://-h",
        "https://127.1", "https://0x7f.1", "https://2130706433", "https://1.2.3.4.5", "https://h\\u0000",
        "https://a..b",
    ])
    func `refuses what is no URL`(text: String) throws {
        let section = try section("\"\(text)\"")
        #expect(throws: ConfigurationError.self) { try section.takeURL("k") }
    }

    static let references: [(String, SecretReference)] = [
        ("env:OPENAI_API_KEY", .environment("OPENAI_API_KEY")), ("file:/etc/x", .file("/etc/x")),
        ("credential:root-key", .credential("root-key")), ("keyring:openai", .keyring("openai")),
    ]

    @Test(arguments: references)
    func `reads a reference to a secret`(text: String, expected: SecretReference) throws {
        #expect(try section("\"\(text)\"").takeSecretReference("k") == expected)
        #expect(expected.description == text)
    }

    @Test(arguments: [
        "sk-secret", "", "env:", "env:1A", "env:A-B", "ENV:A", "env: A", "file:", "credential:../x", "credential:a/b",
        "credential:..", "keyring:.", "keyring:", "env:A=B", "passphrase:x",
    ])
    func `refuses what is no reference to a secret`(text: String) throws {
        let section = try section("\"\(text)\"")
        #expect(throws: ConfigurationError.self) { try section.takeSecretReference("k") }
    }

    @Test func `a name that people choose has no odd characters`() throws {
        #expect(try section("\"meta-llama/Llama-3.1:free\"").takeName("k") == "meta-llama/Llama-3.1:free")
        for text in ["a b", "é", "", "a\\nb"] {
            let section = try section("\"\(text)\"")
            #expect(throws: ConfigurationError.self) { try section.takeName("k") }
        }
    }

    @Test func `a string is one line`() throws {
        let section = try section("\"a\\u001bb\"")
        #expect(throws: ConfigurationError.self) { try section.takeString("k") }
    }
}
