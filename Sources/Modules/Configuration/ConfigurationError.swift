// SPDX-License-Identifier: Apache-2.0

/// A mistake in the configuration, for the person who must mend it.
///
///     gatehouse.toml:12:1: error: unknown key "burts" in [limiter]
///     12 | burts = 20
///        | ^
///     hint: did you mean "burst"?
///
/// The line is shown without what may be a secret (`Masking`).
package struct ConfigurationError: Error, Equatable, Sendable {
    /// A line of the file and where in it the caret stands, from 0.
    package struct Excerpt: Equatable, Sendable {
        package let text: String
        package let caret: Int
    }

    /// The most errors that are shown at once.
    package static let countMax = 10

    package let file: String
    /// From 1; nil where the mistake is about the file as a whole.
    package let line: Int?
    /// From 1, in Unicode scalars.
    package let column: Int?
    /// One sentence without capital or full stop.
    package let message: String
    /// What to do about it.
    package let hint: String?
    package let excerpt: Excerpt?
    /// Further mistakes, behind this one in the file.
    package internal(set) var others: [ConfigurationError] = []
    /// How many there are behind those.
    package internal(set) var uncounted = 0

    /// A mistake about the file as a whole.
    package init(file: String, message: String, hint: String? = nil) {
        self.init(file: file, line: nil, column: nil, message: message, hint: hint, excerpt: nil)
    }

    init(file: String, line: Int?, column: Int?, message: String, hint: String?, excerpt: Excerpt?) {
        self.file = file
        self.line = line
        self.column = column
        self.message = message
        self.hint = hint
        self.excerpt = excerpt
    }
}

extension ConfigurationError: CustomStringConvertible {
    /// All of it, and of `others`, in lines without a line break at the end. A hint is not said twice in a row.
    package var description: String {
        var lines = lines(without: nil)
        var lastHint = hint
        for other in others {
            lines += other.lines(without: lastHint)
            lastHint = other.hint
        }
        if uncounted > 0 { lines.append("\(file): and \(uncounted) more") }
        return lines.joined(separator: "\n")
    }

    private func lines(without said: String?) -> [String] {
        var place = file
        if let line, let column { place += ":\(line):\(column)" }
        var lines = ["\(place): error: \(message)"]
        if let excerpt, let line {
            let margin = String(repeating: " ", count: String(line).count)
            lines.append("\(line) | \(excerpt.text)")
            lines.append("\(margin) | " + String(repeating: " ", count: excerpt.caret) + "^")
        }
        if let hint, hint != said { lines.append("hint: \(hint)") }
        return lines
    }
}
