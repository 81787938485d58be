// SPDX-License-Identifier: Apache-2.0

import Bytes
import Configuration
import Log
import Platform
import Support
import Testing

@testable import Appliance

/// Every key of the configuration, as the code takes it from `etc/gatehouse.toml`, with a value of the wrong type, one out of
/// its range, and a typing mistake in its name. A key of a kind that has no such values here fails by name.
@Suite struct KeyTableTests {
    private let text: String
    private let keys: [KeyRecord]

    init() throws {
        text = String(decoding: try AtomicFile.read(path: ExampleFile.path, bytesMax: 1 << 20), as: UTF8.self)
        let configuration = try Configuration(text: text, file: "gatehouse.toml")
        _ = try Composition(configuration, log: .disabled)
        keys = configuration.keysTaken
        try #require(keys.count > 60)
    }

    /// What a file is refused with; nil if it is taken.
    private func refusal(of text: String) throws -> ConfigurationError? {
        let configuration = try Configuration(text: text, file: "gatehouse.toml")
        do throws(ConfigurationError) {
            _ = try Composition(configuration, log: .disabled)
            return nil
        } catch {
            return error
        }
    }

    private func name(_ key: KeyRecord) -> String { key.section.isEmpty ? key.key : "\(key.section).\(key.key)" }

    /// Values that are out of every range of a kind, written as TOML.
    private func beyond(_ key: KeyRecord) -> [String]? {
        let bounds = (key.range ?? "").split(separator: " ").map(String.init)
        let (low, high) = bounds.count == 4 ? (bounds[1], bounds[3]) : ("", "")
        switch key.type {
        case "integer":
            guard let low = Int(low), let high = Int(high) else { return nil }
            return ["\(low - 1)", "\(high + 1)"]
        case "duration": return ["\"9999999d\""] + (low.hasPrefix("0") ? [] : ["\"0ms\""])
        case "size": return ["\"8000000GiB\""] + (low.hasPrefix("0") ? [] : ["\"0B\""])
        case "money": return ["\"99999999999\"", "\"-1\""]
        case "choice": return ["\"none-of-them\"", "\"\""]
        // There is nothing beyond true and false but another type.
        case "boolean": return ["\"true\"", "2"]
        case "string", "name", "path", "plan", "rule": return ["\"\"", "\"a\\nb\""]
        case "URL": return ["\"ftp://example.org\"", "\"https://user@example.org\""]
        case "secret reference": return ["\"sk-written-here\"", "\"env:\""]
        case "list of addresss": return ["[\"nowhere\"]", "[\"127.0.0.1:65536\"]"]
        case "list of host names": return ["[\"two words\"]", "[\"\"]"]
        case "list of origins": return ["[\"example.org\"]", "[\"*\"]"]
        case "list of names": return ["[\"two words\"]"]
        case "list of strings": return ["[\"\"]", "[1]"]
        default: return nil
        }
    }

    /// The file with one key's line written otherwise, and the number of that line.
    private func replacing(_ key: KeyRecord, _ name: String, _ value: String) -> (text: String, line: Int)? {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var section = ""
        for index in lines.indices {
            let line = lines[index]
            if line.hasPrefix("[") { section = String(line.drop { $0 == "[" }.prefix { $0 != "]" }) }
            if section == key.section, isLine(line, of: key.key) {
                // A value that goes on below ends at its bracket.
                var end = index
                if line.contains("= ["), !line.contains("]") {
                    while end < lines.count, !lines[end].contains("]") { end += 1 }
                }
                lines.replaceSubrange(index...end, with: ["\(name) = \(value)"])
                return (lines.joined(separator: "\n"), index + 1)
            }
            let parts = key.section.split(separator: ".").map(String.init)
            guard let table = parts.last, section == parts.dropLast().joined(separator: "."), isLine(line, of: table),
                let open = line.firstIndex(of: "{"), let close = line.lastIndex(of: "}")
            else { continue }
            var members = line[line.index(after: open)..<close].split(separator: ",").map(String.init)
            members.removeAll { $0.drop { $0 == " " }.hasPrefix("\(key.key) =") }
            lines[index] = "\(table) = { " + (members + ["\(name) = \(value)"]).joined(separator: ", ") + " }"
            return (lines.joined(separator: "\n"), index + 1)
        }
        return nil
    }

    private func isLine(_ line: String, of key: String) -> Bool {
        line.hasPrefix("\(key) =") || line.hasPrefix("#\(key) =")
    }

    @Test func `a value of another type is refused where it stands`() throws {
        for key in keys {
            let (text, line) = try #require(replacing(key, key.key, "1.5"), "\(name(key)) stands nowhere")
            let error = try #require(try refusal(of: text), "\(name(key)) is taken as 1.5")
            #expect(error.description.contains("\"\(key.key)\" must be"), "\(name(key)): \(error)")
            #expect(error.description.contains("gatehouse.toml:\(line):"), "\(name(key)): \(error)")
        }
    }

    @Test func `a value out of its range is refused where it stands`() throws {
        for key in keys {
            let values = try #require(
                beyond(key), "nobody knows what is out of the range of a \(key.type): \(name(key))")
            for value in values {
                let (text, line) = try #require(replacing(key, key.key, value))
                let error = try #require(try refusal(of: text), "\(name(key)) is taken as \(value)")
                #expect(
                    error.description.contains("gatehouse.toml:\(line):") && error.description.contains(key.key),
                    "\(name(key)) = \(value): \(error)")
            }
        }
    }

    @Test func `a name with a typing mistake is refused with the name that was meant`() throws {
        for key in keys {
            let typo = key.key + "s"
            let original = key.value ?? "\"x\""
            let (text, line) = try #require(replacing(key, typo, original))
            let error = try #require(try refusal(of: text), "\(name(key)): \(typo) is taken")
            let words = error.description
            #expect(
                words.contains("did you mean \"\(key.key)\"?") && words.contains("gatehouse.toml:\(line):")
                    || words.contains("did you mean it by \"\(typo)\"?"), "\(name(key)): \(words)")
        }
    }

    /// The control: a file with nothing wrong in it is taken, so that a refusal above is that of the key.
    @Test func `a value within its range is taken where it stands`() throws {
        var taken = 0
        for key in keys where key.value != nil && key.presence != .optional {
            guard let value = key.value, let (text, _) = replacing(key, key.key, value) else { continue }
            if let error = try refusal(of: text) { Issue.record("\(name(key)) = \(value): \(error)") }
            taken += 1
        }
        #expect(taken > 50)
    }
}
