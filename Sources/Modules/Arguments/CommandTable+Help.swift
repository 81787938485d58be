// SPDX-License-Identifier: Apache-2.0

extension CommandTable {
    /// Help about as much of a command as `words` are: the program, a noun, or a command. Lines end with a line break.
    package func help(for words: [String], columns: Int = 80) throws(UsageError) -> String {
        guard let noun = words.first else { return programHelp(columns) }
        let candidates = commands(of: noun)
        if words.count == 1, candidates.contains(where: { $0.words.count > 1 }) {
            return nounHelp(noun, candidates, columns)
        }
        return commandHelp(try command(in: words), columns)
    }

    /// `gatehouse key create [--name NAME] <id>`
    package func usageLine(of command: Command) -> String {
        usageParts(of: command).joined(separator: " ")
    }

    private func usageParts(of command: Command) -> [String] {
        var parts = [program] + command.words
        for option in command.options {
            let text = "--\(option.name)" + (option.value == .none ? "" : " \(option.metavariable)")
            parts.append(option.isRequired ? text : "[\(text)]" + (option.isRepeatable ? "..." : ""))
        }
        for operand in command.operands {
            let text = "<\(operand.name)>" + (operand.isRepeatable ? "..." : "")
            parts.append(operand.isOptional ? "[\(text)]" : text)
        }
        return parts
    }

    private func programHelp(_ columns: Int) -> String {
        let common = options.map { "[--\($0.name)" + ($0.value == .none ? "" : " \($0.metavariable)") + "]" }
        let usage = ([program] + common + ["<command>", "[options]"]).joined(separator: " ")
        return sections(
            [
                "\(program): \(summary)\n", "usage: \(usage)\n",
                columnsText("commands:", commands.map { ($0.name, $0.summary) }, columns),
                columnsText("options:", (options + [.help]).map(row), columns), examplesText(examples),
                "\(program) <command> --help says more about one command.\n",
            ])
    }

    private func nounHelp(_ noun: String, _ commands: [Command], _ columns: Int) -> String {
        sections([
            "usage: \(program) \(noun) <verb> [options]\n",
            columnsText("commands:", commands.map { ($0.name, $0.summary) }, columns),
            examplesText(commands.flatMap(\.examples)),
        ])
    }

    private func commandHelp(_ command: Command, _ columns: Int) -> String {
        let explanation = command.explanation.isEmpty ? "" : "\n" + wrapped(command.explanation, columns)
        return sections([
            "\(program) \(command.name): \(command.summary)\n" + explanation,
            "usage: " + lines(usageParts(of: command), columns - 7).joined(separator: "\n       ") + "\n",
            columnsText("operands:", command.operands.map { ("<\($0.name)>", $0.summary) }, columns),
            columnsText("options:", command.options.map(row), columns),
            columnsText("common options:", (options + [.help]).map(row), columns),
            examplesText(command.examples),
        ])
    }

    private func row(_ option: CommandOption) -> (String, String) {
        var left = option.letter.map { "-\($0), " } ?? ""
        left += "--\(option.name)" + (option.value == .none ? "" : " \(option.metavariable)")
        var notes: [String] = []
        if case .integer(let range) = option.value { notes.append("\(range.lowerBound) to \(range.upperBound)") }
        if option.isRequired { notes.append("required") }
        if option.isRepeatable { notes.append("may stand several times") }
        if let standard = option.standard { notes.append("default: \(standard)") }
        return (left, option.summary + (notes.isEmpty ? "" : " (\(notes.joined(separator: ", ")))"))
    }

    // MARK: Text

    private func sections(_ parts: [String]) -> String {
        parts.filter { !$0.isEmpty }.joined(separator: "\n")
    }

    private func examplesText(_ examples: [String]) -> String {
        examples.isEmpty ? "" : "examples:\n" + examples.map { "  \($0)\n" }.joined()
    }

    /// Two columns, of which the right one is wrapped. A left one that is too long has a line of its own.
    private func columnsText(_ title: String, _ rows: [(left: String, right: String)], _ columns: Int) -> String {
        guard !rows.isEmpty else { return "" }
        let leftMax = max(16, columns / 3)
        let width = rows.map(\.left.count).filter { $0 <= leftMax }.max() ?? leftMax
        let margin = String(repeating: " ", count: width + 4)
        var text = title + "\n"
        for (left, right) in rows {
            let lines = lines(right, max(20, columns - width - 4))
            let isShort = left.count <= width
            text += "  " + left + (isShort ? String(repeating: " ", count: width - left.count + 2) : "\n" + margin)
            text += lines.joined(separator: "\n" + margin) + "\n"
        }
        return text
    }

    private func wrapped(_ text: String, _ columns: Int) -> String {
        lines(text, columns).map { $0 + "\n" }.joined()
    }

    private func lines(_ text: String, _ columns: Int) -> [String] {
        lines(text.split(separator: " ").map(String.init), columns)
    }

    /// As many words on a line as fit; a longer word has its own.
    private func lines(_ words: [String], _ columns: Int) -> [String] {
        var lines: [String] = []
        for word in words {
            if let last = lines.last, last.count + 1 + word.count <= columns {
                lines[lines.count - 1] += " \(word)"
            } else {
                lines.append(word)
            }
        }
        return lines.isEmpty ? [""] : lines
    }
}

extension CommandOption {
    /// What stands for the value: `NAME`, `FILE`, `N`, `a|b`.
    package var metavariable: String {
        switch value {
        case .none: ""
        case .text(let word): word
        case .file: "FILE"
        case .integer: "N"
        case .duration: "DURATION"
        case .choice(let choices): choices.joined(separator: "|")
        }
    }
}
