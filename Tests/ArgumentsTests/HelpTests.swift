// SPDX-License-Identifier: Apache-2.0

import Arguments
import Testing

struct HelpTests {
    private func help(_ line: String, columns: Int = 80) throws -> String? {
        guard case .help(let text) = try sample.parse(line.split(separator: " ").map(String.init), columns: columns)
        else { return nil }
        return text
    }

    @Test(arguments: ["--help", "-h", "help", "--json --help", "--config f help"])
    func `help of the program`(line: String) throws {
        #expect(
            try help(line) == """
                gatehouse: a self-hosted secure AI gateway

                usage: gatehouse [--config FILE] [--json] <command> [options]

                commands:
                  serve       run the gateway
                  version     print the version
                  key create  make an API key
                  key list    list the API keys
                  key revoke  end API keys
                  check       read the configuration and say what is wrong

                options:
                  -c, --config FILE  the configuration file
                  --json             print JSON instead of a table
                  -h, --help         show this

                examples:
                  gatehouse serve
                  gatehouse key list --json

                gatehouse <command> --help says more about one command.

                """)
    }

    @Test(arguments: ["key --help", "help key", "--config f key -h"])
    func `help of a noun`(line: String) throws {
        #expect(
            try help(line) == """
                usage: gatehouse key <verb> [options]

                commands:
                  key create  make an API key
                  key list    list the API keys
                  key revoke  end API keys

                examples:
                  gatehouse key create --name laptop --expires 30d
                  gatehouse key create --name 'my laptop'
                  gatehouse key revoke key_01ARZ3NDEKTSV4RRFFQ69G5FAV

                """)
    }

    @Test(arguments: [
        "key create --help", "help key create", "key create --name x -h --scope", "--config f key create -h",
    ])
    func `help of a command`(line: String) throws {
        #expect(
            try help(line, columns: 64) == """
                gatehouse key create: make an API key

                The key is printed once, and only its digest is kept. Whoever
                loses it makes a new one.

                usage: gatehouse key create --name NAME
                       [--scope chat|embeddings|usage.read]...
                       [--expires DURATION] [--limit N]

                options:
                  --name NAME         what people call it (required)
                  --scope chat|embeddings|usage.read
                                      what it may do (may stand several times)
                  --expires DURATION  how long it works
                  --limit N           requests in any rolling hour (1 to 100000,
                                      default: 1000)

                common options:
                  -c, --config FILE  the configuration file
                  --json             print JSON instead of a table
                  -h, --help         show this

                examples:
                  gatehouse key create --name laptop --expires 30d
                  gatehouse key create --name 'my laptop'

                """)
    }

    @Test func `help is not asked for by the value of an option, nor behind two dashes`() throws {
        #expect(try help("key create --name=--help") == nil)
        #expect(try help("key revoke -- --help") == nil)
    }

    @Test func `help about what does not exist is an error`() {
        #expect(throws: UsageError.self) { try help("help srve") }
        #expect(throws: UsageError.self) { try help("key craete --help") }
    }

    @Test func `the table can be walked`() {
        #expect(sample.nouns == ["serve", "version", "key", "check"])
        #expect(sample.commands(of: "key").map(\.words) == [["key", "create"], ["key", "list"], ["key", "revoke"]])
    }

    @Test func `the table says its own mistakes`() {
        #expect(sample.problems == [])
        let broken = CommandTable(
            program: "p", summary: "", options: [CommandOption(flag: "json", "")],
            commands: [
                Command("a", "", options: [CommandOption(flag: "json", "")], examples: ["p d"]),
                Command("a b", "", options: [CommandOption("x", .choice(["y"]), "", default: "z")]),
                Command("b", "", operands: [CommandOperand("m", "", isOptional: true), CommandOperand("n", "")]),
                Command("b", ""), Command("d", ""), Command("one two three", ""), Command("help", ""),
                Command("c", "", options: [CommandOption("f", .none, "", isRequired: true)], examples: ["p c --g"]),
            ])
        #expect(
            Set(broken.problems) == [
                "b is there twice", "a is a command and a noun", "a has --json twice",
                "example of another command: p d",
                "a b --x has a default that is no choice", "b <m> is not the last, and may be absent or several",
                "b is a command and a noun", "one two three has not one or two words",
                "help is not a command's to take",
                "c --f is a flag with more than a name", "example does not work: p c --g: c has no option --g",
            ])
    }
}
