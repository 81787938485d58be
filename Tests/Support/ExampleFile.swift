// SPDX-License-Identifier: Apache-2.0

package import Configuration

/// `etc/gatehouse.toml` compared with what the code takes from it, so that neither can drift from the other.
package enum ExampleFile {
    /// The path of the file in the repository.
    package static let path: String = {
        let parts = #filePath.split(separator: "/").dropLast(3)
        return "/" + parts.joined(separator: "/") + "/etc/gatehouse.toml"
    }()

    /// The file's text with the sections that stand behind a "#" in it, and their keys, turned on.
    package static func whole(_ text: String) -> String {
        var isOff = false
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { line -> Substring in
            if line.hasPrefix("#[[") {
                isOff = true
            } else if line.hasPrefix("[") || line.hasPrefix("# ---") {
                isOff = false
            }
            let isKey = line.hasPrefix("#") && (line.hasPrefix("#[[") || key(of: String(line)) != nil)
            return isOff && isKey ? line.dropFirst() : line
        }
        return lines.joined(separator: "\n")
    }

    /// What is wrong with the file, one sentence each, given its text and the keys that were taken from it:
    ///
    /// * a key that the code takes and the file does not explain;
    /// * a key that stands at something else than its default, and is not marked `# an example`;
    /// * a section of keys without a comment above them.
    package static func disagreements(_ text: String, _ keys: [KeyRecord]) -> [String] {
        var wrong: [String] = []
        let rows = rows(text)
        for key in keys {
            let name = key.section.isEmpty ? key.key : "\(key.section).\(key.key)"
            guard let row = rows.first(where: { $0.section == key.section && $0.key == key.key }) else {
                // The keys of an inline table stand on the line of the table.
                let parent = key.section.split(separator: ".")
                let isInline = rows.contains { row in
                    row.section == parent.dropLast().joined(separator: ".") && row.key == parent.last.map(String.init)
                        && row.line.contains("\(key.key) = ")
                }
                if !isInline { wrong.append("\(name) is not explained") }
                continue
            }
            if !row.isExplained { wrong.append("\(name) has no comment above it") }
            if case .standard(let standard) = key.presence, key.value != standard, !row.line.contains("# an example") {
                wrong.append("\(name) is \(key.value ?? "absent") and its default is \(standard)")
            }
        }
        return wrong
    }

    private struct Row {
        let section: String
        let key: String
        let line: String
        let isExplained: Bool
    }

    /// The keys of the file, those behind a `#` included.
    private static func rows(_ text: String) -> [Row] {
        var rows: [Row] = []
        var section = ""
        var isExplained = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if line.hasPrefix("[") {
                section = String(line.drop { $0 == "[" }.prefix { $0 != "]" })
                isExplained = false
            } else if let key = key(of: line) {
                rows.append(Row(section: section, key: key, line: line, isExplained: isExplained))
            } else {
                // A comment explains the keys that follow it, up to the next empty line.
                isExplained = line.hasPrefix("#")
            }
        }
        return rows
    }

    /// The key that a line is about, one behind a `#` included; nil for a comment.
    package static func key(of line: String) -> String? {
        let rest = line.hasPrefix("#") ? line.dropFirst() : line[...]
        let name = rest.prefix { $0.isLetter || $0 == "_" }
        guard !name.isEmpty, rest.dropFirst(name.count).drop(while: { $0 == " " }).hasPrefix("=") else { return nil }
        return String(name)
    }
}
