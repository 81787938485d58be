// SPDX-License-Identifier: Apache-2.0

import Bytes

extension CommandTable {
    /// Mistakes of the table itself, for a test: empty if there are none.
    package var problems: [String] {
        var problems: [String] = []
        let names = commands.map(\.name)
        for name in Set(names) where names.filter({ $0 == name }).count > 1 {
            problems.append("\(name) is there twice")
        }
        for command in commands {
            if !(1...2).contains(command.words.count) { problems.append("\(command.name) has not one or two words") }
            if command.words.count == 1, commands(of: command.name).count > 1 {
                problems.append("\(command.name) is a command and a noun")
            }
            if command.words.first == "help" { problems.append("help is not a command's to take") }
            problems += optionProblems(of: command) + operandProblems(of: command)
            for example in command.examples { problems += exampleProblems(example, of: command) }
        }
        return problems
    }

    private func optionProblems(of command: Command) -> [String] {
        let all = options + command.options + [.help]
        var problems: [String] = []
        for (index, option) in all.enumerated() {
            let others = all[(index + 1)...]
            if others.contains(where: { $0.name == option.name || ($0.letter != nil && $0.letter == option.letter) }) {
                problems.append("\(command.name) has --\(option.name) twice")
            }
            if option.value == .none, option.standard != nil || option.isRequired || option.isRepeatable {
                problems.append("\(command.name) --\(option.name) is a flag with more than a name")
            }
            if case .choice(let choices) = option.value, let standard = option.standard, !choices.contains(standard) {
                problems.append("\(command.name) --\(option.name) has a default that is no choice")
            }
        }
        return problems
    }

    private func operandProblems(of command: Command) -> [String] {
        var problems: [String] = []
        for operand in command.operands.dropLast() where operand.isRepeatable || operand.isOptional {
            problems.append("\(command.name) <\(operand.name)> is not the last, and may be absent or several")
        }
        return problems
    }

    /// Examples are tried, as far as they are plain words.
    private func exampleProblems(_ example: String, of command: Command) -> [String] {
        let words = example.split(separator: " ").map(String.init)
        guard words.first == program, !example.contains(where: { "'\"|$><".contains($0) }) else { return [] }
        do throws(UsageError) {
            guard case .run(let invocation) = try parse(Array(words.dropFirst())),
                invocation.command.name == command.name
            else { return ["example of another command: \(example)"] }
            return []
        } catch {
            return ["example does not work: \(example): \(error.message)"]
        }
    }
}
