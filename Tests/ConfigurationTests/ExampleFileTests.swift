// SPDX-License-Identifier: Apache-2.0

import Configuration
import Support
import TOML
import Testing

/// The file that explains every key, and the comparison that the whole appliance is held to.
struct ExampleFileTests {
    @Test func `the file is TOML`() throws {
        let root = try TOMLDocument(parsing: TestFile.bytes(ExampleFile.path)).root
        let expected = [
            "mode", "data", "http", "store", "audit", "auth", "limiter", "nodes", "sandbox", "log", "admin",
            "gateway",
        ]
        #expect(root.members.map(\.key) == expected)
    }

    private func disagreements(_ text: String) throws -> [String] {
        let configuration = try Configuration(text: text)
        let section = try #require(try configuration.section("s"))
        _ = try section.takeInt("a", in: 0...9, default: 1)
        _ = try section.takeOptionalInt("b", in: 0...9)
        let inline = try #require(try section.takeSection("t"))
        _ = try inline.takeInt("c", in: 0...9, default: 3)
        return ExampleFile.disagreements(text, configuration.keysTaken)
    }

    @Test func `the comparison finds what is missing or different`() throws {
        #expect(try disagreements("[s]\n# A.\na = 1\n#b = 2\n\n# T.\nt = { c = 3 }\n") == [])
        #expect(try disagreements("[s]\n# A.\na = 2 # an example\n#b = 2\nt = { c = 3 }\n") == [])
        #expect(
            try disagreements("[s]\na = 2\n\n# T.\nt = {}\n") == [
                "s.a has no comment above it", "s.a is 2 and its default is 1", "s.b is not explained",
                "s.t.c is not explained",
            ])
    }
}
