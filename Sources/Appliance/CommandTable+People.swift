// SPDX-License-Identifier: Apache-2.0

import Arguments

private let tenantOption = CommandOption("tenant", .text("NAME"), "the tenant, by name or id", isRequired: true)
private let personOperand = CommandOperand("id", "the person's id: usr_…")

/// The commands of `gatehouse operator`.
let operatorCommands = [
    Command(
        "operator invite", "print a one-time token that makes an operator",
        explanation: """
            The token is good for an hour and for one use: whoever sends it with an address and a password to /auth/redeem is \
            an operator from then on. With --email the address is fixed, and the token is good for three days.
            """,
        options: [CommandOption("email", .text("ADDRESS"), "the address of the new operator"), jsonOption],
        examples: ["gatehouse operator invite", "gatehouse operator invite --email ada@example.org"]),
    Command("operator list", "list operators", options: [jsonOption], examples: ["gatehouse operator list"]),
    Command(
        "operator reset", "print a one-time token by which an operator sets another password",
        operands: [personOperand], options: [jsonOption],
        examples: ["gatehouse operator reset usr_01JD0000000000000000000000"]),
    Command(
        "operator remove", "remove an operator; their sessions end at once", operands: [personOperand],
        options: [yesOption, jsonOption], examples: ["gatehouse operator remove usr_01JD0000000000000000000000 --yes"]),
]

/// The commands of `gatehouse passwords`.
let passwordCommands = [
    Command(
        "passwords import", "make one file of all leaked passwords, to refuse them without asking anybody",
        explanation: """
            FOLDER has the range files of "Have I Been Pwned", 00000 to FFFFF, with or without .txt, as its API gives them \
            (https://api.pwnedpasswords.com/range/00000 …) and its downloader writes them. FILE is then named in the \
            configuration, as leaked_ranges of [auth]. It takes minutes; what is done so far is in FILE.partial, and the \
            same command goes on there. A range that is missing ends it: what is not known would count as good.
            """,
        operands: [
            CommandOperand("folder", "where the range files are"), CommandOperand("file", "the file to be made"),
        ],
        options: [
            CommandOption(
                "least-count", .text("N"), "leave out what was seen in fewer leaks (default: 1, which is everything)"),
            jsonOption,
        ],
        examples: ["gatehouse passwords import ranges /var/lib/gatehouse/leaked-passwords"])
]

/// The commands of `gatehouse user`.
let userCommands = [
    Command(
        "user invite", "make somebody of a tenant, and print the one-time token that sets the password",
        operands: [CommandOperand("email", "the address with which they log in")],
        options: [
            tenantOption,
            CommandOption("role", .choice(["member", "admin", "owner"]), "what they may do (default: member)"),
            CommandOption("name", .text("NAME"), "what people call them"), jsonOption,
        ],
        examples: ["gatehouse user invite ada@example.org --tenant acme --role owner"]),
    Command(
        "user list", "list the people of a tenant", options: [tenantOption, jsonOption],
        examples: ["gatehouse user list --tenant acme"]),
    Command(
        "user reset", "print a one-time token by which somebody sets another password", operands: [personOperand],
        options: [tenantOption, jsonOption],
        examples: ["gatehouse user reset usr_01JD0000000000000000000000 --tenant acme"]),
    Command(
        "user reset-totp", "take away a second factor that is lost; their sessions end", operands: [personOperand],
        options: [tenantOption, jsonOption],
        examples: ["gatehouse user reset-totp usr_01JD0000000000000000000000 --tenant acme"]),
    Command(
        "user disable", "let somebody in no more; their sessions end", operands: [personOperand],
        options: [tenantOption, jsonOption],
        examples: ["gatehouse user disable usr_01JD0000000000000000000000 --tenant acme"]),
    Command(
        "user enable", "let somebody in again", operands: [personOperand], options: [tenantOption, jsonOption],
        examples: ["gatehouse user enable usr_01JD0000000000000000000000 --tenant acme"]),
    Command(
        "user remove", "remove somebody for good", operands: [personOperand],
        options: [tenantOption, yesOption, jsonOption],
        examples: ["gatehouse user remove usr_01JD0000000000000000000000 --tenant acme --yes"]),
]
