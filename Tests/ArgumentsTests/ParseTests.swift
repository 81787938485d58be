// SPDX-License-Identifier: Apache-2.0

import Arguments
import Testing

struct ParseTests {
    private func run(_ line: String) throws -> Invocation {
        guard case .run(let invocation) = try sample.parse(line.split(separator: " ").map(String.init)) else {
            throw Unexpected()
        }
        return invocation
    }

    private struct Unexpected: Error {}

    @Test(arguments: [
        "key create --name laptop --scope chat --scope usage.read --expires 30d --config f --json",
        "--config f --json key create --name=laptop --scope=chat --scope usage.read --expires=30d",
        "-c f key --json create --scope chat --name laptop --scope usage.read --expires 30d",
    ])
    func `options may stand anywhere`(line: String) throws {
        let invocation = try run(line)
        #expect(invocation.command.name == "key create")
        #expect(invocation.string("name") == "laptop")
        #expect(invocation.strings("scope") == ["chat", "usage.read"])
        #expect(invocation.duration("expires") == .seconds(30 * 86400))
        #expect(invocation.string("config") == "f")
        #expect(invocation.has("json"))
        #expect(invocation.int("limit") == 1000)
        #expect(!invocation.has("limit"))
    }

    @Test func `what is absent is absent`() throws {
        let invocation = try run("key create --name x")
        #expect(invocation.strings("scope") == [])
        #expect(invocation.duration("expires") == nil)
        #expect(invocation.string("config") == nil)
        #expect(!invocation.has("json"))
        #expect(try run("check").operand("file") == nil)
    }

    @Test func `operands are named by their place`() throws {
        #expect(try run("key revoke a b").operands("id") == ["a", "b"])
        #expect(try run("check f").operand("file") == "f")
        #expect(try run("check -").operand("file") == "-")
    }

    @Test func `two dashes end the options`() throws {
        #expect(try run("check -- --json").operand("file") == "--json")
        #expect(try run("key revoke -- --help -h").operands("id") == ["--help", "-h"])
    }

    @Test func `a value may begin with a dash where it is joined, or is a number`() throws {
        #expect(try run("key create --name=--json").string("name") == "--json")
        #expect(try run("key create --name -5").string("name") == "-5")
        #expect(try run("key create --name a=b").string("name") == "a=b")
    }

    @Test func `--version is the command`() throws {
        #expect(try run("--version").command.name == "version")
    }

    static let refused: [(String, String)] = [
        ("", "a command is missing\nhint: gatehouse --help lists the commands"),
        ("--json", "a command is missing\nhint: gatehouse --help lists the commands"),
        ("srve", "there is no command \"srve\"\nhint: did you mean \"serve\"?"),
        ("frobnicate", "there is no command \"frobnicate\"\nhint: gatehouse --help lists the commands"),
        ("key", "\"key\" wants a verb\nhint: key has create, list, revoke"),
        ("key craete", "there is no command \"key craete\"\nhint: did you mean \"key create\"?"),
        ("key x", "there is no command \"key x\"\nhint: key has create, list, revoke"),
        ("serve now", "\"now\" is one argument too many\nhint: usage: gatehouse serve"),
        ("serve --jsno", "serve has no option --jsno\nhint: did you mean --json?"),
        ("serve --name x", "serve has no option --name\nhint: gatehouse serve --help lists them"),
        ("serve -x", "serve has no option -x\nhint: gatehouse serve --help lists them"),
        ("serve --json=1", "--json takes no value\nhint: usage: gatehouse serve"),
        ("serve --json --json", "--json stands there twice\nhint: usage: gatehouse serve"),
        (
            "serve --config",
            "--config wants a value\nhint: write --config FILE; a value that begins with a dash needs --config="
        ),
        ("serve --config=", "--config must not be empty\nhint: usage: gatehouse serve"),
        (
            "serve --config --json",
            "--config wants a value\nhint: write --config FILE; a value that begins with a dash needs --config="
        ),
        ("key create --name a --limit 0", "--limit must be a number between 1 and 100000"),
        ("key create --name a --limit 1x", "--limit must be a number between 1 and 100000"),
        (
            "key create --name a --expires 30",
            "--expires must be a duration\nhint: durations are written 500ms, 30s, 5m, 24h or 30d"
        ),
        (
            "key create --name a --scope chta",
            "--scope must be one of chat, embeddings, usage.read\nhint: did you mean chat?"
        ),
        ("key revoke", "<id> is missing\nhint: usage: gatehouse key revoke <id>..."),
        (
            "key create",
            "--name is missing\nhint: usage: gatehouse key create --name NAME [--scope chat|embeddings|usage.read]... "
                + "[--expires DURATION] [--limit N]"
        ),
    ]

    @Test(arguments: refused)
    func `says what is wrong`(line: String, message: String) throws {
        let error = try #require(throws: UsageError.self) { try run(line) }
        let lines = message.split(separator: "\n")
        #expect(error.message == lines[0])
        #expect(error.hint == (lines.count > 1 ? String(lines[1].dropFirst("hint: ".count)) : nil))
    }

    @Test func `an error is printed as two lines at most`() throws {
        let error = try #require(throws: UsageError.self) { try run("srve") }
        #expect(
            error.description
                == "gatehouse: error: there is no command \"srve\"\ngatehouse: hint: did you mean \"serve\"?")
        #expect(UsageError.exitCode == 2)
    }

    @Test func `an error has nothing a terminal obeys`() throws {
        let error = try #require(throws: UsageError.self) { try run("\u{1b}[31m") }
        #expect(!error.description.unicodeScalars.contains("\u{1b}"))
    }
}
