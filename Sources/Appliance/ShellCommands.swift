// SPDX-License-Identifier: Apache-2.0

import Arguments

/// What the program says of itself for shells and for man(1): made of the command table, so that it is complete.
let shellCommands = [
    Command(
        "completion", "print the script by which a shell completes gatehouse's commands",
        explanation: "The Debian package brings these scripts; they are for whoever installs the binary alone.",
        operands: [CommandOperand("shell", "bash, zsh or fish")],
        examples: [
            "gatehouse completion bash > ~/.local/share/bash-completion/completions/gatehouse",
            "gatehouse completion fish > ~/.config/fish/completions/gatehouse.fish",
        ]),
    Command(
        "manual", "print the manual page, for man", examples: ["gatehouse manual | man -l -"]),
]

enum ShellCommands {
    static func printCompletion(_ invocation: Invocation) throws(CommandFailure) {
        guard let shell = invocation.operand("shell").flatMap(Shell.init(rawValue:)) else {
            let known = Shell.allCases.map(\.rawValue).joined(separator: ", ")
            throw CommandFailure("there are scripts for these shells: \(known)", exitCode: 2)
        }
        Terminal.print(commandTable.completion(for: shell))
    }

    static func printManual() {
        Terminal.print(
            commandTable.manual(
                version: Version.text,
                description: [
                    """
                    Gatehouse stands between programs and the language models they use. It speaks OpenAI's and Anthropic's \
                    protocols to both sides, keeps providers' keys, gives programs keys of their own, limits and counts what \
                    they use, and writes down what happened in a log that nobody changes unseen. It is one process with one \
                    configuration file and one data directory.
                    """,
                    """
                    Most commands talk to a running server over its admin socket, and need the user it runs as, or root. \
                    Those that read or restore files of the data directory say so.
                    """,
                ],
                more: [
                    (
                        "EXIT STATUS",
                        [
                            .term("0", "Done."),
                            .term("1", "Refused or failed; standard error says why, and what helps."),
                            .term("2", "Called wrongly: an unknown command, option or value."),
                        ]
                    ),
                    (
                        "SIGNALS",
                        [
                            .term(
                                "SIGTERM, SIGINT",
                                "Requests under way are finished, then the server ends. A second one ends it at once."),
                            .term(
                                "SIGHUP",
                                "The configuration is read again; what needs a restart is said. A file with a mistake is refused whole."
                            ),
                        ]
                    ),
                    (
                        "FILES",
                        [
                            .term(
                                "./gatehouse.toml, /etc/gatehouse/gatehouse.toml",
                                "The configuration, the first of them that is there: gatehouse.toml(5)."),
                            .term("/etc/gatehouse/root.key", "What unlocks the data directory. Keep a copy elsewhere."),
                            .term("/var/lib/gatehouse", "The data directory."),
                        ]
                    ),
                    (
                        "ENVIRONMENT",
                        [
                            .term(
                                "LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES",
                                "Sockets that systemd has bound (systemd.socket(5))."),
                            .term(
                                "NOTIFY_SOCKET, WATCHDOG_USEC",
                                "Where systemd wants to hear that the server is ready, and that its loops turn (sd_notify(3))."
                            ),
                            .term(
                                "CREDENTIALS_DIRECTORY",
                                "Secrets that systemd hands over, for \"credential:\" (systemd.exec(5))."),
                        ]
                    ),
                    ("SEE ALSO", [.text("gatehouse.toml(5), systemd.socket(5), openssl(1)")]),
                ]))
    }
}
