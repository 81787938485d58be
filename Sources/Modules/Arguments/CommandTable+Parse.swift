// SPDX-License-Identifier: Apache-2.0

import Bytes

extension CommandTable {
    /// What a command line asks for.
    package enum Outcome: Sendable {
        case run(Invocation)
        /// Print this to standard output and leave with 0.
        case help(String)
    }

    /// Understands the arguments behind the program's name, or says what is wrong with them.
    ///
    /// `--` ends the options. `--help` anywhere before it, and the word `help` in front, ask for help about as much of a
    /// command as is there. `--version` in front is the command `version`. `columns` is how wide help may be.
    package func parse(_ arguments: [String], columns: Int = 80) throws(UsageError) -> Outcome {
        let words = words(of: arguments)
        if words.first == "help" { return .help(try help(for: Array(words.dropFirst()), columns: columns)) }
        if asksForHelp(arguments) { return .help(try help(for: words, columns: columns)) }
        if arguments.first == "--version", let version = commands.first(where: { $0.words == ["version"] }) {
            return .run(Invocation(command: version, options: options + version.options))
        }
        var parser = Parser(table: self, arguments: arguments[...])
        return .run(try parser.parse())
    }

    /// Whether `--help` or `-h` stands where an option may, and not as the value of one that is known to have some.
    private func asksForHelp(_ arguments: [String]) -> Bool {
        let all = options + commands.flatMap(\.options)
        var wantsValue = false
        for argument in arguments {
            if argument == "--" { return false }
            if !wantsValue, argument == "--help" || argument == "-h" { return true }
            wantsValue =
                !wantsValue && all.contains { $0.value != .none && $0.isWritten(argument) }
        }
        return false
    }

    /// What stands there besides options and their values. Which options have values is known from the words so far.
    fileprivate func words(of arguments: [String]) -> [String] {
        var words: [String] = []
        var rest = arguments[...]
        while let argument = rest.popFirst(), argument != "--" {
            if argument.hasPrefix("-"), argument != "-" {
                let known = options + commands.filter { words.starts(with: $0.words) }.flatMap(\.options)
                if known.contains(where: { $0.value != .none && $0.isWritten(argument) }) { rest = rest.dropFirst() }
            } else {
                words.append(argument)
            }
        }
        return words
    }

    /// The command that words begin with.
    func command(in words: [String]) throws(UsageError) -> Command {
        guard let noun = words.first else {
            throw usage("a command is missing", hint: "\(program) --help lists the commands")
        }
        let candidates = commands(of: noun)
        guard !candidates.isEmpty else {
            let meant = nearest(to: noun, among: nouns)
            throw usage(
                "there is no command \"\(noun.printable(max: 40))\"",
                hint: meant.map { "did you mean \"\($0)\"?" } ?? "\(program) --help lists the commands")
        }
        if let command = candidates.first(where: { $0.words.count == 1 }) { return command }
        let verbs = candidates.compactMap(\.words.last)
        guard words.count > 1 else {
            throw usage("\"\(noun)\" wants a verb", hint: "\(noun) has \(verbs.joined(separator: ", "))")
        }
        guard let command = candidates.first(where: { $0.words.last == words[1] }) else {
            let meant = nearest(to: words[1], among: verbs)
            throw usage(
                "there is no command \"\(noun) \(words[1].printable(max: 40))\"",
                hint: meant.map { "did you mean \"\(noun) \($0)\"?" } ?? "\(noun) has \(verbs.joined(separator: ", "))")
        }
        return command
    }

    func usage(_ message: String, hint: String? = nil) -> UsageError {
        UsageError(program: program, message: message, hint: hint)
    }
}

extension CommandOption {
    /// Whether an argument is this option's name, without a value behind `=`.
    func isWritten(_ argument: String) -> Bool {
        argument == "--\(name)" || (letter.map { argument == "-\($0)" } ?? false)
    }
}

/// One command line on its way from left to right.
private struct Parser {
    let table: CommandTable
    var arguments: ArraySlice<String>
    private var plain: [String] = []
    private var given: [(option: CommandOption, value: String)] = []

    init(table: CommandTable, arguments: ArraySlice<String>) {
        self.table = table
        self.arguments = arguments
    }

    mutating func parse() throws(UsageError) -> Invocation {
        // The command decides which options there are, and may have options in front of it: it is found first.
        let command = try table.command(in: table.words(of: Array(arguments)))
        let options = table.options + command.options
        while let argument = arguments.popFirst() {
            if argument == "--" {
                plain += arguments
                arguments = []
            } else if argument.hasPrefix("-"), argument != "-" {
                try takeOption(argument, of: command, options)
            } else {
                plain.append(argument)
            }
        }
        var invocation = Invocation(command: command, options: options)
        for (option, value) in given { invocation.add(value, to: option) }
        for option in options where option.isRequired && !invocation.has(option.name) {
            throw wrong("--\(option.name) is missing", command)
        }
        try takeOperands(of: command, into: &invocation)
        return invocation
    }

    private mutating func takeOption(
        _ argument: String, of command: Command, _ options: [CommandOption]
    ) throws(UsageError) {
        let name = String(argument.prefix { $0 != "=" })
        guard let option = options.first(where: { $0.isWritten(name) }) else {
            let names = (options + [.help]).map { "--\($0.name)" }
            let meant = nearest(to: name, among: names)
            throw table.usage(
                "\(command.name) has no option \(name.printable(max: 40))",
                hint: meant.map { "did you mean \($0)?" } ?? "\(table.program) \(command.name) --help lists them")
        }
        guard option.isRepeatable || !given.contains(where: { $0.option.name == option.name }) else {
            throw wrong("--\(option.name) stands there twice", command)
        }
        guard option.value != .none else {
            guard name == argument else { throw wrong("--\(option.name) takes no value", command) }
            return given.append((option, ""))
        }
        if name != argument {
            return given.append((option, try checked(String(argument.dropFirst(name.count + 1)), option, command)))
        }
        guard let value = arguments.first, !looksLikeOption(value) else {
            throw table.usage(
                "--\(option.name) wants a value",
                hint:
                    "write --\(option.name) \(option.metavariable); a value that begins with a dash needs --\(option.name)="
            )
        }
        arguments.removeFirst()
        given.append((option, try checked(value, option, command)))
    }

    /// A dash and something that is not a number.
    private func looksLikeOption(_ value: String) -> Bool {
        value.hasPrefix("-") && value != "-" && !(value.utf8.dropFirst().first?.isASCIIDigit ?? false)
    }

    private func checked(_ value: String, _ option: CommandOption, _ command: Command) throws(UsageError) -> String {
        switch option.value {
        case .none, .text, .file:
            guard !value.isEmpty else { throw wrong("--\(option.name) must not be empty", command) }
        case .integer(let range):
            guard let number = Int(value), range.contains(number) else {
                throw table.usage(
                    "--\(option.name) must be a number between \(range.lowerBound) and \(range.upperBound)")
            }
        case .duration:
            guard case .amount = Quantity.milliseconds(value) else {
                throw table.usage(
                    "--\(option.name) must be a duration", hint: "durations are written 500ms, 30s, 5m, 24h or 30d")
            }
        case .choice(let choices):
            guard choices.contains(value) else {
                let meant = nearest(to: value, among: choices)
                throw table.usage(
                    "--\(option.name) must be one of \(choices.joined(separator: ", "))",
                    hint: meant.map { "did you mean \($0)?" })
            }
        }
        return value
    }

    private mutating func takeOperands(of command: Command, into invocation: inout Invocation) throws(UsageError) {
        var rest = plain.dropFirst(command.words.count)
        for operand in command.operands {
            guard let value = rest.popFirst() else {
                guard operand.isOptional else { throw wrong("<\(operand.name)> is missing", command) }
                continue
            }
            guard !value.isEmpty else { throw wrong("<\(operand.name)> must not be empty", command) }
            invocation.add(value, to: operand)
            while operand.isRepeatable, let value = rest.popFirst() { invocation.add(value, to: operand) }
        }
        if let extra = rest.first {
            throw wrong("\"\(extra.printable(max: 40))\" is one argument too many", command)
        }
    }

    private func wrong(_ message: String, _ command: Command) -> UsageError {
        table.usage(message, hint: "usage: \(table.usageLine(of: command))")
    }
}
