// SPDX-License-Identifier: Apache-2.0

import Arguments

/// The command `gatehouse usage`.
let usageCommands = [
    Command(
        "usage", "show what was used: requests, tokens, cost, latency",
        explanation: """
            Counted from the audit log, exactly. Without --tenant it is the sum over all tenants. Days and hours are UTC; \
            without --from it is the last 30 days. Costs are those that held when they were settled.
            """,
        options: [
            CommandOption("by", .text("WHAT"), "day (the default), hour, key, node, model, provider or user"),
            CommandOption("tenant", .text("TENANT"), "one tenant, by its name or id"),
            CommandOption("from", .text("TIME"), "the first hour: 2026-11-01, or 2026-11-01T08:00:00Z"),
            CommandOption("to", .text("TIME"), "the hour behind the last"),
            CommandOption("key", .text("ID"), "of one API key, by its id"),
            CommandOption("node", .text("ID"), "of one node, by its id"),
            CommandOption("model", .text("MODEL"), "of one model"),
            CommandOption("provider", .text("PROVIDER"), "of one provider"),
            CommandOption("user", .text("NAME"), "of one end user of the tenant"),
            CommandOption(flag: "current-prices", "reckon the cost anew, by today's prices"), jsonOption,
        ],
        examples: [
            "gatehouse usage", "gatehouse usage --by model --from 2026-11-01", "gatehouse usage --tenant acme --by key",
        ])
]
