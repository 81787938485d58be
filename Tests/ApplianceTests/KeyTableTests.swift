// SPDX-License-Identifier: Apache-2.0

import Configuration
import Log
import Platform
import Support
import Testing

@testable import Appliance

/// Every key of the configuration, as the code takes it from `etc/gatehouse.toml`: with a value of another type, with values
/// just out of its range, and with a typing mistake in its name. The cases are made of the table of keys, so a new key has
/// them by itself; one of a kind that this does not know fails by name.
@Suite struct KeyTableTests {
    /// A section of the file without what explains it.
    private struct Block {
        let header: String
        let path: String
        var lines: [String] = []
        /// What it cannot be without.
        var needed: String {
            ([header] + lines.filter { $0.contains("# an example") || $0.hasPrefix("tls = ") }).map { $0 + "\n" }
                .joined()
        }
    }

    private let blocks: [Block]
    private let keys: [KeyRecord]

    init() throws {
        let text = ExampleFile.whole(
            String(decoding: try AtomicFile.read(path: ExampleFile.path, bytesMax: 1 << 20), as: UTF8.self))
        var blocks = [Block(header: "", path: "")]
        for line in text.split(separator: "\n").map(String.init) {
            if line.hasPrefix("[") {
                blocks.append(Block(header: line, path: String(line.drop { $0 == "[" }.prefix { $0 != "]" })))
            } else if ExampleFile.key(of: line) != nil {
                blocks[blocks.count - 1].lines.append(line)
            }
        }
        self.blocks = blocks
        let configuration = try Configuration(text: text, file: "gatehouse.toml")
        _ = try Composition(configuration, log: .disabled)
        keys = configuration.keysTaken
        try #require(keys.count > 130)
    }

    private func name(_ key: KeyRecord) -> String { key.section.isEmpty ? key.key : "\(key.section).\(key.key)" }

    /// A file in which one key's line is written otherwise, and where that line is. Of the other sections it has what they
    /// cannot be without: some hundred lines would be read a thousand times.
    private func file(_ key: KeyRecord, _ name: String, _ value: String) throws -> (text: String, line: Int) {
        let parent = key.section.split(separator: ".").dropLast().joined(separator: ".")
        let table = key.section.split(separator: ".").last.map(String.init)
        for (index, block) in blocks.enumerated() where block.path == key.section || block.path == parent {
            let isOwn = block.path == key.section
            guard let place = block.lines.firstIndex(where: { ExampleFile.key(of: $0) == (isOwn ? key.key : table) })
            else { continue }
            var lines = block.lines
            if isOwn {
                lines[place] = "\(name) = \(value)"
            } else {
                // The keys of an inline table stand on the line of the table.
                let line = lines[place]
                guard let open = line.firstIndex(of: "{"), let close = line.lastIndex(of: "}") else { continue }
                let members = line[line.index(after: open)..<close].split(separator: ",").map(String.init)
                    .filter { !$0.drop { $0 == " " }.hasPrefix("\(key.key) =") }
                lines[place] =
                    "\(table ?? "") = { " + (members + ["\(name) = \(value)"]).joined(separator: ", ") + " }"
            }
            // A section that is off in the file is there where it is tried, since it needs all of its keys.
            let before = blocks[..<index].filter { $0.path != "sandbox.language" }.map(\.needed).joined()
            let after = blocks[(index + 1)...].filter { $0.path != "sandbox.language" }.map(\.needed).joined()
            let own = ([block.header] + lines).joined(separator: "\n") + "\n"
            return (before + own + after, before.utf8.count { $0 == UInt8(ascii: "\n") } + place + 2)
        }
        throw NowhereError()
    }

    private struct NowhereError: Error {}

    /// What a file with one line written otherwise is refused with; nil if it is taken.
    private func refusal(_ key: KeyRecord, as name: String, _ value: String) throws -> ConfigurationError? {
        let (text, line) = try file(key, name, value)
        do {
            _ = try Composition(Configuration(text: text, file: "gatehouse.toml"), log: .disabled)
            return nil
        } catch {
            if error.line != line, !error.message.contains("is missing") {
                Issue.record("\(self.name(key)) = \(value) stands in line \(line): \(error)")
            }
            return error
        }
    }

    @Test func `a value of another type is refused where it stands`() throws {
        for key in keys {
            for value in key.type.hasPrefix("list") ? ["1.5", "[1.5]"] : ["1.5", "[]"] {
                let error = try refusal(key, as: key.key, value)
                #expect(
                    error?.message.contains("\"\(key.key)\" must ") == true,
                    "\(name(key)) = \(value): \(error?.description ?? "taken")")
            }
        }
    }

    @Test func `a value out of its range is refused where it stands`() throws {
        for key in keys {
            let values = beyond(key)
            if values.isEmpty { Issue.record("nobody knows what is out of the range of \(name(key)), a \(key.type)") }
            for value in values {
                let error = try refusal(key, as: key.key, value)
                #expect(
                    error?.message.contains("\"\(key.key)\"") == true,
                    "\(name(key)) = \(value.prefix(80)): \(error?.description ?? "taken")")
            }
        }
    }

    @Test func `a name with a typing mistake is refused with the name that was meant`() throws {
        for key in keys {
            let wrong = key.key + "s"
            let error = try refusal(key, as: wrong, key.value ?? "\"x\"")
            #expect(
                error?.hint == "did you mean \"\(key.key)\"?" || error?.hint == "did you mean it by \"\(wrong)\"?",
                "\(name(key)) as \(wrong): \(error?.description ?? "taken")")
        }
    }

    /// The control: the same files with nothing wrong in them are taken, so that a refusal above is that of the key.
    @Test func `its default is taken where it stands`() throws {
        for key in keys {
            guard let value = key.value else { continue }
            if let error = try refusal(key, as: key.key, value) { Issue.record("\(name(key)) = \(value): \(error)") }
        }
    }

    // MARK: What is out of range

    /// Values just out of the range of a key, written as TOML.
    private func beyond(_ key: KeyRecord) -> [String] {
        let bounds = bounds(key.range ?? "")
        switch key.type {
        case "integer": return bounds.numbers.map { "\($0)" }
        case "duration", "size", "money": return bounds.quantities.map { "\"\($0)\"" }
        case "choice": return ["\"none-of-them\"", "\"\""]
        // There is nothing beyond true and false.
        case "boolean": return ["\"yes\"", "1"]
        case "URL": return ["\"ftp://example.org\"", "\"https://user@example.org\"", "\"\(long(2049))\""]
        case "secret reference": return ["\"sk-written-here\"", "\"env:\""]
        case "name": return bounds.lengths.map { "\"\(long($0))\"" } + ["\"two words\"", "\"\""]
        case "string", "path": return bounds.lengths.map { "\"\(long($0))\"" } + ["\"\"", "\"a\\nb\""]
        default:
            guard key.type.hasPrefix("list of ") else { return [] }
            let element: [String] =
                switch key.type.dropFirst("list of ".count) {
                case "strings", "names": bounds.lengths.map { "[\"\(long($0))\"]" } + ["[\"\"]"]
                case "addresses": ["[\"nowhere\"]", "[\"127.0.0.1:65536\"]"]
                case "host names": ["[\"two words\"]", "[\"\"]"]
                case "origins": ["[\"example.org\"]", "[\"*\"]"]
                default: []
                }
            guard !element.isEmpty else { return [] }
            return element
                + bounds.counts.map { "[" + String(repeating: "\"a\", ", count: max($0, 0)) + "]" }
        }
    }

    private func long(_ count: Int) -> String { String(repeating: "a", count: count) }

    private struct Bounds {
        /// One below and one above.
        var numbers: [Int] = []
        /// The same with their unit.
        var quantities: [String] = []
        /// Bytes of a text.
        var lengths: [Int] = []
        /// Elements of a list.
        var counts: [Int] = []
    }

    /// Reads "between 1 and 10", "between 1s and 24h", "at most 64 elements, each at most 128 bytes".
    private func bounds(_ words: String) -> Bounds {
        var bounds = Bounds()
        for part in words.replacing(", each ", with: "\n").split(separator: "\n") {
            let words = part.split(separator: " ").map(String.init)
            let edges =
                words.first == "between"
                ? [words[1], words[3]]
                : [words.last == "bytes" || words.last == "elements" ? words[words.count - 2] : ""]
            let numbers = edges.compactMap { edge -> (Int, Substring)? in
                guard let number = Int(edge.prefix { $0.isNumber || $0 == "-" }) else { return nil }
                return (number, edge.drop { $0.isNumber || $0 == "-" })
            }
            guard let last = numbers.last else { continue }
            let below = numbers.count > 1 ? numbers.first : nil
            let outside = [below.map { $0.0 - 1 }, last.0 + 1].compactMap(\.self)
            switch words.last {
            case "bytes": bounds.lengths = outside.filter { $0 > 0 }
            case "elements": bounds.counts = outside.filter { $0 >= 0 }
            default:
                bounds.numbers = outside
                bounds.quantities = [below.map { "\($0.0 - 1)\($0.1)" }, "\(last.0 + 1)\(last.1)"].compactMap(\.self)
            }
        }
        return bounds
    }
}
