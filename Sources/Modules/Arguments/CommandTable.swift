// SPDX-License-Identifier: Apache-2.0

/// Everything a program understands on its command line, as a table: parsing, help and the completion of shells are read
/// from it, so that they cannot differ.
///
///     gatehouse [common options] <noun> <verb> [options] [operands]
///
/// The table is a value and parsing is a function of the arguments: nothing is printed and nothing exits here.
package struct CommandTable: Sendable {
    /// The program's name.
    package let program: String
    /// One line on what it is.
    package let summary: String
    /// Options that every command has, before and behind its words.
    package let options: [CommandOption]
    package let commands: [Command]
    /// Command lines that work, for the help of the program.
    package let examples: [String]

    package init(
        program: String, summary: String, options: [CommandOption] = [], commands: [Command], examples: [String] = []
    ) {
        self.program = program
        self.summary = summary
        self.options = options
        self.commands = commands
        self.examples = examples
    }

    /// The first words of commands, each once, in the table's order.
    package var nouns: [String] {
        var seen: Set<String> = []
        return commands.compactMap { command in
            command.words.first.flatMap { seen.insert($0).inserted ? $0 : nil }
        }
    }

    /// The commands that begin with a noun.
    package func commands(of noun: String) -> [Command] {
        commands.filter { $0.words.first == noun }
    }
}

/// One command: `serve`, or `key create`.
package struct Command: Sendable {
    /// One or two words; it is known by them.
    package let words: [String]
    /// One line, without capital and full stop.
    package let summary: String
    /// Sentences for its own help; may be empty.
    package let explanation: String
    package let operands: [CommandOperand]
    package let options: [CommandOption]
    /// Command lines that work.
    package let examples: [String]

    /// `words` with a space between them.
    package init(
        _ words: String, _ summary: String, explanation: String = "", operands: [CommandOperand] = [],
        options: [CommandOption] = [], examples: [String] = []
    ) {
        self.words = words.split(separator: " ").map(String.init)
        self.summary = summary
        self.explanation = explanation
        self.operands = operands
        self.options = options
        self.examples = examples
    }

    /// The words with a space between them.
    package var name: String { words.joined(separator: " ") }
}

/// What is named by its place, as the id in `key revoke <id>`.
package struct CommandOperand: Sendable {
    package let name: String
    package let summary: String
    package let isOptional: Bool
    /// Only the last one of a command.
    package let isRepeatable: Bool

    package init(_ name: String, _ summary: String, isOptional: Bool = false, isRepeatable: Bool = false) {
        self.name = name
        self.summary = summary
        self.isOptional = isOptional
        self.isRepeatable = isRepeatable
    }
}

/// What is named by its name, as `--name X`, `--name=X` or a flag `--json`.
package struct CommandOption: Sendable {
    /// What an option is followed by.
    package enum Value: Equatable, Sendable {
        /// Nothing: it is there or not.
        case none
        /// Any text; the word stands for it in the help: `NAME`.
        case text(String)
        /// A file that a shell may complete.
        case file
        case integer(ClosedRange<Int>)
        /// `500ms 30s 5m 24h 30d`.
        case duration
        /// One word of a list.
        case choice([String])
    }

    /// Without dashes.
    package let name: String
    /// The letter of `-h`, if it has one.
    package let letter: Character?
    package let value: Value
    /// One line, without capital and full stop.
    package let summary: String
    /// What holds where the option is absent.
    package let standard: String?
    package let isRepeatable: Bool
    package let isRequired: Bool

    package init(
        _ name: String, _ value: Value, _ summary: String, letter: Character? = nil,
        default standard: String? = nil,
        isRepeatable: Bool = false, isRequired: Bool = false
    ) {
        self.name = name
        self.letter = letter
        self.value = value
        self.summary = summary
        self.standard = standard
        self.isRepeatable = isRepeatable
        self.isRequired = isRequired
    }

    /// A flag: it is there or not.
    package init(flag name: String, _ summary: String, letter: Character? = nil) {
        self.init(name, .none, summary, letter: letter)
    }

    /// `--help`, which every command has without saying so.
    package static let help = CommandOption(flag: "help", "show this", letter: "h")
}
