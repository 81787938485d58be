// SPDX-License-Identifier: Apache-2.0

import Arguments

private let tenantOption = CommandOption("tenant", .text("TENANT"), "the tenant's name, or its id", isRequired: true)
private let scopeOperand = CommandOperand("scope", "threads, memory, files, logs, analytics or training")

/// The commands of `gatehouse node`, `thread`, `consent` and `break-glass`.
let nodeCommands = [
    Command(
        "node list", "list a tenant's nodes: ids, sizes, times", options: [tenantOption, jsonOption],
        examples: ["gatehouse node list --tenant acme"]),
    Command(
        "thread list", "list a tenant's threads: ids, sizes, times",
        options: [
            tenantOption, CommandOption("node", .text("NODE"), "those of one node, by its id"), jsonOption,
        ],
        examples: ["gatehouse thread list --tenant acme"]),
    Command(
        "thread delete", "delete a thread for good", operands: [CommandOperand("id", "the thread's id: thr_…")],
        options: [tenantOption, yesOption, jsonOption],
        examples: ["gatehouse thread delete --tenant acme thr_01JD0000000000000000000000 --yes"]),
    Command(
        "consent list", "show what a tenant has agreed to", options: [tenantOption, jsonOption],
        examples: ["gatehouse consent list --tenant acme"]),
    Command(
        "consent grant", "agree for a tenant; in development mode only", operands: [scopeOperand],
        options: [tenantOption, jsonOption], examples: ["gatehouse consent grant --tenant default threads"]),
    Command(
        "consent withdraw", "take a tenant's consent back; in development mode only",
        explanation: "From then on nothing more is kept. What was kept before stays until it is deleted.",
        operands: [scopeOperand], options: [tenantOption, jsonOption],
        examples: ["gatehouse consent withdraw --tenant default threads"]),
    Command(
        "break-glass", "read a tenant's thread, for a reason that the tenant is shown",
        explanation: """
            Written down in the tenant's own database before anything is read; the tenant sees who, when, which thread and \
            why at /v1/account/access.
            """,
        options: [
            tenantOption, CommandOption("thread", .text("ID"), "the thread's id: thr_…", isRequired: true),
            CommandOption("reason", .text("TEXT"), "why", isRequired: true), jsonOption,
        ],
        examples: [
            "gatehouse break-glass --tenant acme --thread thr_01JD0000000000000000000000 --reason 'ticket 4711'"
        ]),
]
