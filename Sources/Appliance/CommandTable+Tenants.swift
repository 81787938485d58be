// SPDX-License-Identifier: Apache-2.0

import Arguments

private let tenantOperand = CommandOperand("tenant", "the tenant's name, or its id: ten_…")

/// The commands of `gatehouse tenant`.
let tenantCommands = [
    Command(
        "tenant create", "make a tenant",
        operands: [CommandOperand("name", "what people call it; unique")],
        options: [CommandOption("plan", .text("PLAN"), "the plan it is on"), jsonOption],
        examples: ["gatehouse tenant create acme", "gatehouse tenant create acme --plan team"]),
    Command("tenant list", "list tenants", options: [jsonOption], examples: ["gatehouse tenant list"]),
    Command(
        "tenant show", "show a tenant, its size and its limits", operands: [tenantOperand], options: [jsonOption],
        examples: ["gatehouse tenant show acme"]),
    Command(
        "tenant suspend", "let none of a tenant's keys in until it is resumed; its data stays and ages",
        operands: [tenantOperand], options: [jsonOption], examples: ["gatehouse tenant suspend acme"]),
    Command(
        "tenant resume", "let a suspended tenant's keys in again", operands: [tenantOperand], options: [jsonOption],
        examples: ["gatehouse tenant resume acme"]),
    Command(
        "tenant plan", "put a tenant on a plan",
        operands: [tenantOperand, CommandOperand("plan", "the plan's name; none for no plan")], options: [jsonOption],
        examples: ["gatehouse tenant plan acme team", "gatehouse tenant plan acme none"]),
    Command(
        "tenant delete", "delete a tenant for good: its keys, its data, everything",
        explanation: "There is no way back: the keys of its data are destroyed, and no backup has them.",
        operands: [tenantOperand],
        options: [
            CommandOption("confirm", .text("NAME"), "the tenant's name, once more", isRequired: true), jsonOption,
        ],
        examples: ["gatehouse tenant delete acme --confirm acme"]),
]

/// The commands of `gatehouse plan`.
let planCommands = [
    Command("plan list", "list plans", options: [jsonOption], examples: ["gatehouse plan list"]),
    Command(
        "plan show", "show a plan", operands: [CommandOperand("name", "the plan's name")], options: [jsonOption],
        examples: ["gatehouse plan show team"]),
    Command(
        "plan set", "make a plan, or change one as a whole",
        explanation: """
            A plan caps what its tenants may ask for; of plan, tenant and node the shortest retention wins. A class that is \
            not named has the cap of the instance ([store] retention), and no size is the instance's ([store] \
            tenant_bytes_max).
            """,
        operands: [CommandOperand("name", "the plan's name")],
        options: [
            CommandOption(
                "retention", .text("CLASS=TIME"), "the longest that threads, files, memory or logs are kept",
                isRepeatable: true),
            CommandOption("bytes-max", .text("SIZE"), "the most a tenant's database may have: 500MiB, 20GiB"),
            jsonOption,
        ],
        examples: ["gatehouse plan set team --retention threads=90d --retention logs=none --bytes-max 20GiB"]),
]
