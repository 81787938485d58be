// SPDX-License-Identifier: Apache-2.0

import Configuration
import Platform
import Support
import Testing

struct ConfigurationTests {
    @Test func `a section that is absent is nil, and its keys have nobody to take them`() throws {
        let configuration = try Configuration(text: "[b]\n")
        #expect(try configuration.section("a") == nil)
        #expect(try configuration.section("b") != nil)
        try configuration.finish()
    }

    @Test func `notes every key that is asked for, with its default and what holds`() throws {
        let configuration = try Configuration(text: "[s]\nb = \"5m\"\n[[s.p]]\nn = \"x\"\n[[s.p]]\nn = \"y\"\n")
        let section = try #require(try configuration.section("s"))
        _ = try section.takeInt("a", in: 1...5, default: 3)
        _ = try section.takeDuration("b", in: .seconds(1) ... .seconds(7200), default: .seconds(30))
        _ = try section.takeOptionalMoney("c")
        _ = try section.takeStrings("d", default: ["x\"y"])
        for element in try section.takeSections("p") { _ = try element.takeName("n") }
        #expect(configuration.keysTaken.map(\.key) == ["a", "b", "c", "d", "n"])
        #expect(configuration.keysTaken.map(\.section) == ["s", "s", "s", "s", "s.p"])
        #expect(configuration.keysTaken.map(\.isRepeated) == [false, false, false, false, true])
        #expect(configuration.keysTaken.map(\.type) == ["integer", "duration", "money", "list of strings", "name"])
        #expect(
            configuration.keysTaken.map(\.presence) == [
                .standard("3"), .standard("\"30s\""), .optional, .standard("[\"x\\\"y\"]"), .required,
            ])
        #expect(configuration.keysTaken.map(\.value) == ["3", "\"5m\"", nil, "[\"x\\\"y\"]", "\"x\""])
        #expect(configuration.keysTaken[1].range == "between 1s and 2h")
        try configuration.finish()
    }

    @Test func `a default is written so that it reads back as itself`() throws {
        let configuration = try Configuration(text: "")
        _ = try configuration.root.takeDuration("a", in: .zero ... .seconds(86400), default: .milliseconds(1500))
        _ = try configuration.root.takeSize("b", in: 0...1 << 40, default: 20 << 20)
        _ = try configuration.root.takeMoney("c", default: 1_500_000_001)
        _ = try configuration.root.takeAddresses("d", default: [.ip(.anyV6, port: 8443), .ip(.loopbackV4, port: 1)])
        let written = configuration.keysTaken.map { "\($0.key) = \($0.value ?? "")\n" }.joined()
        #expect(written == "a = \"1500ms\"\nb = \"20MiB\"\nc = \"1.500000001\"\nd = [\"[::]:8443\", \"127.0.0.1:1\"]\n")
        let again = try Configuration(text: written).root
        #expect(try again.takeDuration("a", in: .zero ... .seconds(86400), default: .zero) == .milliseconds(1500))
        #expect(try again.takeSize("b", in: 0...1 << 40, default: 0) == 20 << 20)
        #expect(try again.takeMoney("c", default: 0) == 1_500_000_001)
        #expect(try again.takeAddresses("d", default: []).count == 2)
    }

    @Test func `a section taken twice is one section`() throws {
        let configuration = try Configuration(text: "[s]\na = 1\nb = 2\n[[s.p]]\nc = 3\n")
        _ = try configuration.section("s")?.takeInt("a", in: 0...9, default: 0)
        _ = try configuration.section("s")?.takeInt("b", in: 0...9, default: 0)
        _ = try configuration.section("s")?.takeSections("p").first?.takeInt("c", in: 0...9, default: 0)
        _ = try configuration.section("s")?.takeSections("p")
        try configuration.finish()
    }

    @Test func `sections have an order and a largest number`() throws {
        let configuration = try Configuration(text: "p = [{ n = 1 }, { n = 2 }]\n")
        #expect(try configuration.root.takeSections("p").map { try $0.takeInt("n", in: 0...9) } == [1, 2])
        #expect(throws: ConfigurationError.self) { try configuration.root.takeSections("p", max: 1) }
    }

    /// A file with ten thousand unknown keys, each compared with all that are known, is answered at once.
    @Test func `refusing much is not slow`() throws {
        let text = (0..<10_000).map { "key_number_\($0) = 1\n" }.joined()
        let configuration = try Configuration(text: text)
        for number in 0..<50 { _ = try configuration.root.takeOptionalInt("kez_numbez_\(number)", in: 0...1) }
        let time = ProcessorTime.measure {
            #expect(throws: ConfigurationError.self) { try configuration.finish() }
        }
        #expect(time < .seconds(10))
    }
}
