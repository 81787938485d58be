// SPDX-License-Identifier: Apache-2.0

import Arguments

private let subjectOptions = [
    CommandOption("tenant", .text("TENANT"), "a tenant, by its name or id"),
    CommandOption("key", .text("ID"), "one of its API keys, by its id"),
    CommandOption("node", .text("ID"), "one of its nodes, by its id"), jsonOption,
]

/// The commands of `gatehouse limit` and `gatehouse budget`.
let limitCommands = [
    Command(
        "limit show", "show what is left of the limits and budgets of a tenant, a key or a node",
        explanation: "Without --tenant it lists what was set beside the configuration.", options: subjectOptions,
        examples: ["gatehouse limit show", "gatehouse limit show --tenant acme --json"]),
    Command(
        "limit set", "set the limits of a tenant, a key or a node, in place of the configuration's",
        explanation: """
            A limit is a number and what it counts: "1000 requests/hour", "200000 tokens/minute", "32 concurrent". What is \
            said takes the place of all limits that held before, at once; without --limit there are none.
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
