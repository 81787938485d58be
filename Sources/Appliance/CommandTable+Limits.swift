// SPDX-License-Identifier: Apache-2.0

import Arguments

private let subjectOptions = [
    CommandOption("tenant", .text("TENANT"), "a tenant, by its name or id"),
    CommandOption("key", .text("ID"), "one of its API keys, by its id"),
    CommandOption("node", .text("ID"), "one of its nodes, by its id"), jsonOption,
]

private let blockOptions = [
    CommandOption("key", .text("ID"), "an API key, by its id"),
    CommandOption("user", .text("DIGEST"), "a person behind a key, by the digest that records show"),
    CommandOption("address", .text("ADDRESS"), "an address; of IPv6 its network of 64 bits"), jsonOption,
]

private let blockCommands = [
    Command(
        "block list", "list who is blocked, and who has misbehaved lately", options: [jsonOption],
        examples: ["gatehouse block list"]),
    Command(
        "block set", "block a key, a person behind a key, or an address for some time",
        explanation: """
            A key is refused, a person behind a key may call no model, and from an address whoever comes without a valid \
            credential is refused. With --tenant a key's or a person's block goes when that tenant is deleted.
            """,
        options: [
            CommandOption("for", .duration, "for how long: 30m, 24h", isRequired: true),
            CommandOption("tenant", .text("TENANT"), "the tenant whose key or person it is"),
        ] + blockOptions,
        examples: ["gatehouse block set --address 203.0.113.7 --for 24h"]),
    Command(
        "block lift", "lift a block, and forget what was done before it", options: blockOptions,
        examples: ["gatehouse block lift --key key_01JD0000000000000000000000"]),
]

/// The commands of `gatehouse limit`, `gatehouse budget` and `gatehouse block`.
let limitCommands = boundCommands + blockCommands

private let boundCommands = [
    Command(
        "limit show", "show what is left of the limits and budgets of a tenant, a key or a node",
        explanation: """
            Without --tenant it lists what was set beside the configuration, and what is left of the server's units.
            """,
        options: subjectOptions,
        examples: ["gatehouse limit show", "gatehouse limit show --tenant acme --json"]),
    Command(
        "limit set", "set the limits of a tenant, a key or a node, in place of the configuration's",
        explanation: """
            A limit is a number and what it counts: "1000 requests/hour", "200000 tokens/minute", "5000 units/hour", \
            "32 concurrent". What is said takes the place of all limits that held before, at once; without --limit there \
            are none. Units stay as the configuration has them unless some are named.
            """,
        options: [CommandOption("limit", .text("LIMIT"), "one of its limits", isRepeatable: true)] + subjectOptions,
        examples: [#"gatehouse limit set --tenant acme --limit "5000 requests/hour" --limit "64 concurrent""#]),
    Command(
        "limit reset", "let the configuration's limits hold again", options: subjectOptions,
        examples: ["gatehouse limit reset --tenant acme"]),
    Command(
        "budget set", "set the budgets of a tenant, a key or a node, in place of the configuration's",
        explanation: """
            A budget is an amount and its time: "$5/day", "$99.50/month", "$1000 total", "2000000 tokens/month". What was \
            spent before counts. What is said takes the place of all budgets that held before; without --budget there are \
            none.
            """,
        options: [CommandOption("budget", .text("BUDGET"), "one of its budgets", isRepeatable: true)] + subjectOptions,
        examples: [#"gatehouse budget set --tenant acme --budget '$5/day' --budget '$100/month'"#]),
    Command(
        "budget reset", "let the configuration's budgets hold again", options: subjectOptions,
        examples: ["gatehouse budget reset --tenant acme"]),
]
