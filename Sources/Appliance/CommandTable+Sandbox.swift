// SPDX-License-Identifier: Apache-2.0

import Arguments

/// The commands `gatehouse sandbox …`.
let sandboxCommands = [
    Command(
        "sandbox check", "try the sandbox from inside, and say what this host lacks",
        explanation: """
            A box is made as the configuration says, and tried by what a program would try first. As whom it is called \
            matters: call it as the user that the service runs as. Exit code 1 where anything gives way.
            """,
        options: [jsonOption], examples: ["gatehouse sandbox check"]),
    Command(
        "sandbox run", "run a file in a box",
        operands: [
            CommandOperand("file", "the program"),
            CommandOperand("argument", "what the program is given", isOptional: true, isRepeatable: true),
        ],
        options: [
            CommandOption("language", .text("LANGUAGE"), "else the one whose files end like this one's"), jsonOption,
        ],
        examples: ["gatehouse sandbox run hello.py", "gatehouse sandbox run --language bash script"]),
    Command(
        "sandbox languages", "list what can be run here", options: [jsonOption],
        examples: ["gatehouse sandbox languages"]),
]
