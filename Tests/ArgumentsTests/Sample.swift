// SPDX-License-Identifier: Apache-2.0

import Arguments

/// A table with something of everything.
let sample = CommandTable(
    program: "gatehouse", summary: "a self-hosted secure AI gateway",
    options: [
        CommandOption("config", .file, "the configuration file", letter: "c"),
        CommandOption(flag: "json", "print JSON instead of a table"),
    ],
    commands: [
        Command("serve", "run the gateway"),
        Command("version", "print the version"),
        Command(
            "key create", "make an API key",
            explanation: "The key is printed once, and only its digest is kept. Whoever loses it makes a new one.",
            options: [
                CommandOption("name", .text("NAME"), "what people call it", isRequired: true),
                CommandOption(
                    "scope", .choice(["chat", "embeddings", "usage.read"]), "what it may do", isRepeatable: true),
                CommandOption("expires", .duration, "how long it works"),
                CommandOption("limit", .integer(1...100_000), "requests in any rolling hour", default: "1000"),
            ],
            examples: ["gatehouse key create --name laptop --expires 30d", "gatehouse key create --name 'my laptop'"]),
        Command("key list", "list the API keys"),
        Command(
            "key revoke", "end API keys", operands: [CommandOperand("id", "the key's id", isRepeatable: true)],
            examples: ["gatehouse key revoke key_01ARZ3NDEKTSV4RRFFQ69G5FAV"]),
        Command(
            "check", "read the configuration and say what is wrong",
            operands: [CommandOperand("file", "another file", isOptional: true)]),
    ],
    examples: ["gatehouse serve", "gatehouse key list --json"])
