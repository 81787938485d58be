// SPDX-License-Identifier: Apache-2.0

import Configuration
import Platform
import Support
import Testing

/// `Tests/Vectors/configuration/*.txt`: a configuration, a line of dashes, and exactly what is said about it ("accepted"
/// if nothing). A new case is a new file.
///
/// With `GATEHOUSE_GOLDEN=write` in the environment the answers are written anew, to be read before they are kept.
struct GoldenTests {
    static let folder: String = {
        let parts = #filePath.split(separator: "/").dropLast(2)
        return "/" + parts.joined(separator: "/") + "/Vectors/configuration"
    }()

    static let names = (try? TestFile.names(in: folder).filter { $0.hasSuffix(".txt") }) ?? []

    private static let dashes = "\n----\n"

    @Test func `the folder has its cases`() {
        #expect(Self.names.count >= 30)
    }

    @Test(arguments: names)
    func `says exactly this`(name: String) throws {
        let path = "\(Self.folder)/\(name)"
        let text = String(decoding: try TestFile.bytes(path), as: UTF8.self)
        let dashes = try #require(text.range(of: Self.dashes) ?? nil, "\(name) has no line of dashes")
        let configuration = String(text[..<dashes.lowerBound]) + "\n"
        let answer = House.answer(to: configuration)
        if Environment.variable("GATEHOUSE_GOLDEN") == "write" {
            let whole = configuration + Self.dashes.dropFirst() + answer + "\n"
            try AtomicFile.write(path: path, bytes: Array(whole.utf8), mode: 0o644)
            Issue.record("\(name) was written, not compared")
        }
        #expect(answer + "\n" == text[dashes.upperBound...], "\(name)")
    }
}

extension String {
    /// The first place of `needle`, without Foundation.
    fileprivate func range(of needle: String) -> Range<String.Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(needle) { return start..<index(start, offsetBy: needle.count) }
            start = index(after: start)
        }
        return nil
    }
}

/// Some modules, and what they would take.
enum House {
    enum Mode: String, CaseIterable { case production, development }
    enum Kind: String, CaseIterable { case openai, anthropic, builtin }
    enum Minimum: String, CaseIterable { case tls12 = "1.2", tls13 = "1.3" }

    static func answer(to text: String) -> String {
        do throws(ConfigurationError) {
            let configuration = try Configuration(text: text, file: "gatehouse.toml")
            try take(from: configuration)
            return "accepted"
        } catch {
            return error.description
        }
    }

    static func take(from configuration: Configuration) throws(ConfigurationError) {
        _ = try configuration.root.takeEnum("mode", default: Mode.production)
        _ = try configuration.root.takePath("data", default: "/var/lib/gatehouse")
        if let http = try configuration.section("http") { try takeHTTP(http) }
        if let limiter = try configuration.section("limiter") {
            _ = try limiter.takeInt("requests_per_hour", in: 1...1_000_000, default: 1000)
            let rate = try limiter.takeInt("rate", in: 1...1_000_000, default: 10)
            let burst = try limiter.takeInt("burst", in: 1...1_000_000, default: 20)
            if burst < rate { throw limiter.error(at: "burst", "\"burst\" must not be below \"rate\"") }
        }
        if let gateway = try configuration.section("gateway") { try takeGateway(gateway) }
        if let log = try configuration.section("log") { _ = try log.takeBool("requests", default: true) }
        try configuration.finish()
    }

    private static func takeHTTP(_ http: Section) throws(ConfigurationError) {
        _ = try http.takeAddresses("listen", count: 1...16, default: [.ip(.anyV6, port: 8443)])
        _ = try http.takeHosts("hosts", default: [])
        _ = try http.takeOrigins("origins", default: [])
        _ = try http.takeDuration("idle_timeout", in: .seconds(1)...(.seconds(86400)), default: .seconds(75))
        _ = try http.takeSize("body_bytes", in: 1024...1 << 30, default: 20 << 20)
        if let tls = try http.takeSection("tls") {
            _ = try tls.takePath("certificate")
            _ = try tls.takePath("key")
            _ = try tls.takeEnum("minimum", default: Minimum.tls13)
        }
    }

    private static func takeGateway(_ gateway: Section) throws(ConfigurationError) {
        for provider in try gateway.takeSections("provider") {
            _ = try provider.takeName("name")
            _ = try provider.takeEnum("kind", Kind.self)
            _ = try provider.takeOptionalURL("base_url")
            _ = try provider.takeSecretReference("key")
        }
        for model in try gateway.takeSections("model") {
            _ = try model.takeName("name")
            _ = try model.takeString("upstream")
            _ = try model.takeOptionalMoney("input_price")
            _ = try model.takeNames("fallback", default: [])
        }
    }
}
