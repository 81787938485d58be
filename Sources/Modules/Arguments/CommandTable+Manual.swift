// SPDX-License-Identifier: Apache-2.0

extension CommandTable {
    /// The manual page of the program in the language of man(7).
    ///
    /// - Parameters:
    ///   - version: for its foot.
    ///   - description: paragraphs on what the program is for.
    ///   - more: sections behind the commands, each a title and its paragraphs.
    package func manual(
        version: String, description: [String], more: [(title: String, paragraphs: [ManualParagraph])]
    ) -> String {
        var lines = [
            ".\\\" SPDX-License-Identifier: Apache-2.0", ".\\\" Made by: \(program) manual",
            ".TH \(program.uppercased()) 1 \"\" \"\(program) \(version)\" \"User Commands\"", ".SH NAME",
            "\(program) \\- \(roff(summary))", ".SH SYNOPSIS", ".B \(program)",
            roff(
                options.map { "[--\($0.name)" + ($0.value == .none ? "" : " \($0.metavariable)") + "]" }.joined(
                    separator: " ")),
            ".I command", "[options]", ".SH DESCRIPTION",
        ]
        lines += description.flatMap { [".PP", roff($0)] }
        lines += [".SH OPTIONS", "Every command has these."]
        lines += (options + [.help]).flatMap(item)
        lines.append(".SH COMMANDS")
        for command in commands {
            lines += [".SS \"\(roff(command.name))\"", roff(sentence(command.summary))]
            if !command.explanation.isEmpty { lines += [".PP", roff(command.explanation)] }
            lines += [".PP", ".B \(roff(usageLine(of: command)))"]
            lines += command.operands.flatMap { [".TP", ".I \(roff("<\($0.name)>"))", roff(sentence($0.summary))] }
            lines += command.options.flatMap(item)
        }
        for section in more {
            lines.append(".SH \(section.title)")
            for paragraph in section.paragraphs {
                switch paragraph {
                case .text(let text): lines += [".PP", roff(text)]
                case .term(let term, let text): lines += [".TP", ".B \(roff(term))", roff(text)]
                }
            }
        }
        lines.append(".SH EXAMPLES")
        for example in examples { lines += [".PP", ".nf", ".RS", roff(example), ".RE", ".fi"] }
        return lines.joined(separator: "\n") + "\n"
    }

    private func item(_ option: CommandOption) -> [String] {
        let letter = option.letter.map { "-\($0), " } ?? ""
        let value = option.value == .none ? "" : " \(option.metavariable)"
        var text = sentence(option.summary)
        if case .choice(let words) = option.value { text += " One of: \(words.joined(separator: ", "))." }
        if let standard = option.standard { text += " The default is \(standard)." }
        if option.isRequired { text += " It must be given." }
        if option.isRepeatable { text += " It may stand several times." }
        return [".TP", ".B \(roff("\(letter)--\(option.name)\(value)"))", roff(text)]
    }

    private func sentence(_ summary: String) -> String {
        summary.prefix(1).uppercased() + summary.dropFirst() + (summary.hasSuffix(".") ? "" : ".")
    }

    /// A text that troff shows as it is: its escapes, its hyphens, and what begins a request.
    private func roff(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\e"
            case "-": result += "\\-"
            case "\"": result += "\\(dq"
            case "…": result += "..."
            default: result.append(character)
            }
        }
        return result.hasPrefix(".") || result.hasPrefix("'") ? "\\&" + result : result
    }
}

/// A piece of a section of a manual page.
package enum ManualParagraph: Sendable {
    case text(String)
    /// What is explained, and its explanation.
    case term(String, String)
}
