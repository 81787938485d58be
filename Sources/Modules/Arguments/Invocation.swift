// SPDX-License-Identifier: Apache-2.0

import Bytes

/// A command line that was understood: every value has been checked against the table.
///
/// Asking for an option or operand that the command does not have is a mistake of the program, and stops it.
package struct Invocation: Sendable {
    package let command: Command
    private let known: [CommandOption]
    private var given: [String: [String]] = [:]
    private var operands: [String: [String]] = [:]

    init(command: Command, options: [CommandOption]) {
        self.command = command
        known = options
    }

    /// Whether the option stands on the command line.
    package func has(_ option: String) -> Bool {
        _ = row(option)
        return given[option] != nil
    }

    /// The option's value, or its default; the last one, where it stands several times.
    package func string(_ option: String) -> String? {
        let row = row(option)
        return given[option]?.last ?? row.standard
    }

    /// All values of an option that may stand several times; the default alone, if it has one and stands nowhere.
    package func strings(_ option: String) -> [String] {
        let row = row(option)
        return given[option] ?? row.standard.map { [$0] } ?? []
    }

    /// The value of an option of integers.
    package func int(_ option: String) -> Int? {
        string(option).flatMap { Int($0) }
    }

    /// The value of an option of durations.
    package func duration(_ option: String) -> Duration? {
        guard let text = string(option), case .amount(let milliseconds) = Quantity.milliseconds(text) else {
            return nil
        }
        return .milliseconds(milliseconds)
    }

    /// The operand, or nil where it is optional and absent.
    package func operand(_ name: String) -> String? { operands(name).first }

    /// All of a repeatable operand.
    package func operands(_ name: String) -> [String] {
        precondition(command.operands.contains { $0.name == name }, "no such operand")
        return operands[name] ?? []
    }

    private func row(_ option: String) -> CommandOption {
        guard let row = known.first(where: { $0.name == option }) else { preconditionFailure("no such option") }
        return row
    }

    mutating func add(_ value: String, to option: CommandOption) { given[option.name, default: []].append(value) }

    mutating func add(_ value: String, to operand: CommandOperand) { operands[operand.name, default: []].append(value) }
}
