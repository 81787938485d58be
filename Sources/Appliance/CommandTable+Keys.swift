// SPDX-License-Identifier: Apache-2.0

import Arguments

private let keyOperand = CommandOperand("id", "the key's id: key_…")

/// The commands of `gatehouse key`.
let keyCommands = [
    Command(
        "key create", "make an API key; it is shown once",
        explanation: """
            A secret key is for a program that keeps it to itself. A publishable one stands in a web page: it talks to the \
            nodes that it names, from the origins that it names, and does nothing else.
            """,
        options: [
            CommandOption("name", .text("NAME"), "what people call it", isRequired: true),
            CommandOption("scope", .text("SCOPE"), "what it may do (default: chat and embeddings)", isRepeatable: true),
            CommandOption("model", .text("MODEL"), "a model it may name (default: all)", isRepeatable: true),
            CommandOption(
                "node", .text("NODE"), "a node it may use, by id or alias (default: all)", isRepeatable: true),
            CommandOption("kind", .text("KIND"), "secret or publishable (default: secret)"),
            CommandOption("origin", .text("ORIGIN"), "an origin a publishable key is used from", isRepeatable: true),
            CommandOption("ip-range", .text("RANGE"), "addresses it may be used from: 10.0.0.0/8", isRepeatable: true),
            CommandOption("limit", .text("LIMIT"), "a limit of its own: \"100 requests/minute\"", isRepeatable: true),
            CommandOption("tenant", .text("NAME"), "the tenant it belongs to, made if there is none"),
            CommandOption("expires", .duration, "when it ends, from now: 24h, 30d"),
            jsonOption,
        ],
        examples: [
            "gatehouse key create --name laptop", "gatehouse key create --name ci --model fast --expires 30d",
            "gatehouse key create --name site --kind publishable --node desk --origin https://www.example.org",
        ]),
    Command(
        "key list", "list API keys, by prefix",
        options: [CommandOption("tenant", .text("NAME"), "of this tenant only"), jsonOption],
        examples: ["gatehouse key list"]),
    Command(
        "key show", "show an API key: everything but the key", operands: [keyOperand], options: [jsonOption],
        examples: ["gatehouse key show key_01JD0000000000000000000000"]),
    Command(
        "key rotate", "give an API key another text, shown once; the old one works on for a while",
        operands: [keyOperand],
        options: [
            CommandOption("grace", .duration, "how long the old one works (default: 24h; at most 7d; 0s: not at all)"),
            jsonOption,
        ],
        examples: ["gatehouse key rotate key_01JD0000000000000000000000 --grace 1h"]),
    Command(
        "key block", "have an API key open nothing until it is unblocked", operands: [keyOperand],
        options: [jsonOption], examples: ["gatehouse key block key_01JD0000000000000000000000"]),
    Command(
        "key unblock", "let a blocked API key in again", operands: [keyOperand], options: [jsonOption],
        examples: ["gatehouse key unblock key_01JD0000000000000000000000"]),
    Command(
        "key revoke", "refuse an API key from the next request on, and break off its streams", operands: [keyOperand],
        options: [jsonOption], examples: ["gatehouse key revoke key_01JD0000000000000000000000"]),
]
